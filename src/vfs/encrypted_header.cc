#include "vfs/encrypted_header.h"

#include "crypto/crypto.h"
#include "fmt/format.h"
#include "format/sizes.h"

namespace freehold {
namespace {

// A slot whose MAC fits, or the reason why not.
Result<FileHeader> OpenSlot(ByteView slot, int index, const VolumeKeys& keys) {
  FileHeader header = TRY(DecodeSlotUnverified(slot));
  if (header.volume_id != keys.volume_id()) {
    return Error(ErrorCode::kFileCorrupt, fmt::format("the file belongs to another volume, {}",
                                                      HexEncode(header.volume_id)));
  }
  const DekPtr dek = TRY(keys.Find(header.dek_id));
  if (!SlotMacFits(slot, index, DeriveHeaderKey(dek->bytes, header))) {
    return Error(ErrorCode::kFileCorrupt, "the header was changed: its MAC does not fit");
  }
  if (header.cipher != keys.cipher()) {
    return Error(ErrorCode::kFileCorrupt,
                 fmt::format("the file's cipher {} is not the volume's", NameOf(header.cipher)));
  }
  if (header.previous.has_value()) TRY(keys.Find(header.previous->dek_id));
  return header;
}

Result<std::unique_ptr<UnitCipher>> NewFileCipher(const FileHeader& header, const SecretBytes& key,
                                                  const EpochTable& epochs) {
  if (header.cipher == Cipher::kAes256Ctr) return NewEpochCipher(key, epochs);
  return NewXtsCipher(key);
}

}  // namespace

Result<OpenedHeader> OpenHeader(ByteView bytes, const VolumeKeys& keys, HalfWay half_way) {
  if (bytes.size() < kHeaderSize) {
    return Error(ErrorCode::kFileCorrupt,
                 fmt::format("the header is cut short: {} of {} bytes", bytes.size(), kHeaderSize));
  }
  if (AllZero(bytes.first(kHeaderSize))) {
    return Error(ErrorCode::kNotFound, "the header is all zeros");
  }
  OpenedHeader opened;
  std::optional<Error> failure;
  const HeaderSlots slots = SplitHeader(bytes);
  for (int index : {0, 1}) {
    auto header = OpenSlot(slots.slot[index], index, keys);
    if (!header.ok()) {
      // An empty slot says less than a damaged one.
      const bool empty = header.error().code() == ErrorCode::kNotFound;
      if (!failure.has_value() || (failure->code() == ErrorCode::kNotFound && !empty)) {
        failure = header.error();
      }
      continue;
    }
    opened.slots_agree = opened.slot_valid[0] && header->generation == opened.header.generation;
    const bool newer = !opened.slot_valid[0] || header->generation > opened.header.generation;
    opened.slot_valid[index] = true;
    if (!newer) continue;
    opened.header = *header;
    opened.newest_slot = index;
  }
  const bool both = opened.slot_valid[0] && opened.slot_valid[1];
  if (opened.header.previous.has_value() && !both && half_way == HalfWay::kNeedsBothSlots) {
    return Error(ErrorCode::kFileCorrupt,
                 "a header slot is damaged while the file is half way through a re-encryption");
  }
  if (opened.slot_valid[0] || opened.slot_valid[1]) return opened;
  if (failure->code() == ErrorCode::kNotFound) {
    return Error(ErrorCode::kFileCorrupt, "both header slots are empty, but not what lies between");
  }
  return *failure;
}

Result<NewHeader> MakeHeader(const VolumeKeys& keys) {
  const DekPtr dek = TRY(keys.Active());
  NewHeader made;
  made.header.cipher = keys.cipher();
  made.header.volume_id = keys.volume_id();
  made.header.file_id = RandomId();
  made.header.dek_id = dek->id;
  RandomFill(made.header.salt);
  if (made.header.cipher == Cipher::kAes256Ctr) made.header.epochs = FirstEpoch();
  made.bytes = EncodeHeader(made.header, DeriveHeaderKey(dek->bytes, made.header));
  return made;
}

Result<BodyCipher> NewBodyCipher(const FileHeader& header, const VolumeKeys& keys) {
  BodyCipher body;
  if (header.cipher == Cipher::kNull) {
    body.current = NewNullCipher();
    return body;
  }
  const DekPtr dek = TRY(keys.Find(header.dek_id));
  body.current = TRY(NewFileCipher(header, DeriveFileKey(dek->bytes, header), header.epochs));
  if (!header.previous.has_value()) return body;
  const DekPtr previous = TRY(keys.Find(header.previous->dek_id));
  body.previous = TRY(NewFileCipher(header, DerivePreviousFileKey(previous->bytes, header),
                                    header.previous->epochs));
  body.watermark = header.previous->watermark;
  return body;
}

Result<Bytes> SlotBytes(const FileHeader& header, int index, const VolumeKeys& keys) {
  const DekPtr dek = TRY(keys.Find(header.dek_id));
  const auto slot = EncodeSlot(header, index, DeriveHeaderKey(dek->bytes, header));
  return Bytes(slot.begin(), slot.end());
}

}  // namespace freehold
