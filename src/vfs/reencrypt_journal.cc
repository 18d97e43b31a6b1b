#include "vfs/reencrypt_journal.h"

#include <algorithm>

#include "base/crash_point.h"
#include "base/wire.h"
#include "crypto/crypto.h"
#include "format/sizes.h"
#include "vfs/encrypted_header.h"

namespace freehold {
namespace {

constexpr std::string_view kMagic = "FHOLDJRN";
constexpr std::uint16_t kVersion = 1;
constexpr std::size_t kFixedSize = 104;
constexpr std::size_t kMacSize = 32;

Error NoRecord(const char* why) {
  return Error(ErrorCode::kFileCorrupt, std::string("the re-encryption journal ") + why);
}

Result<Digest256> MacOf(ByteView covered, const ReencryptRecord& record, const VolumeKeys& keys) {
  FileHeader header;
  header.file_id = record.file_id;
  header.salt = record.salt;
  const DekPtr dek = TRY(keys.Find(record.dek_id));
  return HmacSha256(DeriveHeaderKey(dek->bytes, header).ExposeSecret(), covered);
}

Result<ReencryptRecord> DecodeFields(ByteView bytes) {
  Reader reader(bytes);
  if (AsText(TRY(reader.Raw(kMagic.size()))) != kMagic) return NoRecord("has no mark");
  if (TRY(reader.U16()) != kVersion) return NoRecord("is of another version");
  TRY(reader.Raw(6));
  ReencryptRecord record;
  record.file_id = TRY(reader.Array<16>());
  record.dek_id = TRY(reader.Array<16>());
  record.salt = TRY(reader.Array<32>());
  record.watermark = TRY(reader.U64());
  record.offset = TRY(reader.U64());
  const std::uint32_t length = TRY(reader.U32());
  TRY(reader.Raw(4));
  if (record.offset < record.watermark) return NoRecord("has a chunk before its watermark");
  if (length % kBlockSize != 0 || bytes.size() != kFixedSize + length + kMacSize) {
    return NoRecord("is cut short");
  }
  record.ciphertext = ToBytes(TRY(reader.Raw(length)));
  return record;
}

Result<OpenedHeader> HeaderOf(File& backing, const VolumeKeys& keys) {
  Bytes bytes(kHeaderSize);
  if (TRY(backing.ReadAt(0, bytes)) != kHeaderSize) return NoRecord("is of another file");
  return OpenHeader(bytes, keys, HalfWay::kIsToBeRedone);
}

bool Fits(const FileHeader& header, const ReencryptRecord& record) {
  return header.file_id == record.file_id && header.dek_id == record.dek_id &&
         header.salt == record.salt && header.previous.has_value() &&
         header.previous->watermark == record.watermark;
}

}  // namespace

Result<Bytes> EncodeReencryptRecord(const ReencryptRecord& record, const VolumeKeys& keys) {
  Writer writer;
  writer.Raw(AsBytes(kMagic));
  writer.U16(kVersion);
  writer.Zeros(6);
  writer.Raw(record.file_id);
  writer.Raw(record.dek_id);
  writer.Raw(record.salt);
  writer.U64(record.watermark);
  writer.U64(record.offset);
  writer.U32(static_cast<std::uint32_t>(record.ciphertext.size()));
  writer.Zeros(4);
  writer.Raw(record.ciphertext);
  const Digest256 mac = TRY(MacOf(writer.bytes(), record, keys));
  writer.Raw(mac);
  return writer.Take();
}

Result<ReencryptRecord> DecodeReencryptRecord(ByteView bytes, const VolumeKeys& keys) {
  auto record = DecodeFields(bytes);
  if (!record.ok()) return NoRecord("is cut short");
  if (!keys.Find(record->dek_id).ok()) {
    return Error(ErrorCode::kKeyringRefused,
                 "the re-encryption journal needs a DEK that this keyring does not have; put the "
                 "newer keyring back");
  }
  const Digest256 mac = TRY(MacOf(bytes.first(bytes.size() - kMacSize), *record, keys));
  if (!ConstantTimeEqual(bytes.last(kMacSize), mac)) return NoRecord("was never finished");
  return record;
}

Result<bool> IsWhereTheRecordFoundIt(File& backing, const ReencryptRecord& record,
                                     const VolumeKeys& keys) {
  const auto opened = HeaderOf(backing, keys);
  return opened.ok() && Fits(opened->header, record);
}

Result<bool> RedoReencryption(File& backing, const ReencryptRecord& record,
                              const VolumeKeys& keys) {
  const auto opened = HeaderOf(backing, keys);
  if (!opened.ok() || !Fits(opened->header, record)) return false;
  FileHeader header = opened->header;
  if (!record.ciphertext.empty()) {
    TRY(backing.WriteAt(BodyOffset(record.offset), record.ciphertext));
    TRY(backing.Sync(SyncKind::kData));
  }
  CrashPoint("redo.body");
  header.generation += 1;
  // Up to the next whole unit: what lies between is past the end, where there is nothing yet.
  header.previous->watermark = (record.end() + kUnitSize - 1) / kUnitSize * kUnitSize;
  const int index = 1 - opened->newest_slot;
  TRY(backing.WriteAt(kSlotOffset[index], TRY(SlotBytes(header, index, keys))));
  TRY(backing.Sync(SyncKind::kData));
  return true;
}

}  // namespace freehold
