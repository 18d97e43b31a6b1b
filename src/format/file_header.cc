#include "format/file_header.h"

#include <algorithm>

#include "base/wire.h"
#include "crypto/crypto.h"
#include "crypto/unit_cipher.h"
#include "fmt/format.h"
#include "format/sizes.h"

namespace freehold {
namespace {

constexpr std::string_view kMagic = "FHOLDFIL";
constexpr std::size_t kMacSize = 32;
constexpr std::size_t kMacOffset = kSlotSize - kMacSize;
constexpr std::uint8_t kUnitShift = 12;
constexpr std::uint32_t kTwoKeys = 1;  // incompatible feature
constexpr std::string_view kHeaderLabel = "freehold v1 file header";
constexpr std::string_view kXtsLabel = "freehold v1 file aes-256-xts";

SecretBytes DeriveFileKey(const SecretBytes& dek, const Salt& salt, const Id& file_id,
                          std::string_view label, std::size_t size) {
  std::string info(label);
  info.append(AsText(file_id));
  return DeriveKey(dek, salt, info, size);
}

Digest256 SlotMac(ByteView slot, int index, const SecretBytes& header_key) {
  Bytes covered = ToBytes(slot.first(kMacOffset));
  covered.push_back(static_cast<std::uint8_t>(index));
  return HmacSha256(header_key.ExposeSecret(), covered);
}

}  // namespace

std::string_view NameOf(Cipher cipher) {
  return cipher == Cipher::kAes256Xts ? "aes-256-xts" : "null";
}

SecretBytes DeriveHeaderKey(const SecretBytes& dek, const FileHeader& header) {
  return DeriveFileKey(dek, header.salt, header.file_id, kHeaderLabel, kKeySize);
}

SecretBytes DeriveXtsKey(const SecretBytes& dek, const FileHeader& header) {
  return DeriveFileKey(dek, header.salt, header.file_id, kXtsLabel, kXtsKeySize);
}

SecretBytes DerivePreviousXtsKey(const SecretBytes& previous_dek, const FileHeader& header) {
  return DeriveFileKey(previous_dek, header.previous->salt, header.file_id, kXtsLabel, kXtsKeySize);
}

std::array<std::uint8_t, kSlotSize> EncodeSlot(const FileHeader& header, int index,
                                               const SecretBytes& header_key) {
  Writer writer;
  writer.Raw(AsBytes(kMagic));
  writer.U16(kFileFormatVersion);
  writer.U8(static_cast<std::uint8_t>(header.cipher));
  writer.U8(kUnitShift);
  writer.U32(header.previous.has_value() ? kTwoKeys : 0);
  writer.U64(header.generation);
  writer.Raw(header.volume_id);
  writer.Raw(header.file_id);
  writer.Raw(header.dek_id);
  writer.Raw(header.salt);
  if (header.previous.has_value()) {
    writer.Raw(header.previous->dek_id);
    writer.Raw(header.previous->salt);
    writer.U64(header.previous->watermark);
  }
  writer.Zeros(kMacOffset - writer.size());
  std::array<std::uint8_t, kSlotSize> slot{};
  std::copy(writer.bytes().begin(), writer.bytes().end(), slot.begin());
  const Digest256 mac = SlotMac(slot, index, header_key);
  std::copy(mac.begin(), mac.end(), slot.begin() + kMacOffset);
  return slot;
}

Bytes EncodeHeader(const FileHeader& header, const SecretBytes& header_key) {
  Bytes bytes(kHeaderSize);
  for (int index : {0, 1}) {
    const auto slot = EncodeSlot(header, index, header_key);
    std::copy(slot.begin(), slot.end(), bytes.begin() + kSlotOffset[index]);
  }
  return bytes;
}

Result<FileHeader> DecodeSlotUnverified(ByteView slot) {
  if (slot.size() != kSlotSize) return Error(ErrorCode::kFileCorrupt, "the header is cut short");
  if (AllZero(slot)) return Error(ErrorCode::kNotFound, "the header slot was never written");
  Reader reader(slot);
  if (AsText(TRY(reader.Raw(kMagic.size()))) != kMagic) {
    return Error(ErrorCode::kFileCorrupt, "the header does not start with Freehold's mark");
  }
  const std::uint16_t version = TRY(reader.U16());
  const std::uint8_t cipher = TRY(reader.U8());
  const std::uint8_t unit_shift = TRY(reader.U8());
  const std::uint32_t features = TRY(reader.U32());
  if (version != kFileFormatVersion || (features & ~kTwoKeys) != 0) {
    return Error(ErrorCode::kUnsupportedVersion,
                 fmt::format("the file has format version {} with features {:#x}; this release "
                             "reads version {} only",
                             version, features, kFileFormatVersion));
  }
  FileHeader header;
  if (cipher > static_cast<std::uint8_t>(Cipher::kAes256Xts) || unit_shift != kUnitShift) {
    return Error(ErrorCode::kUnsupportedVersion,
                 fmt::format("the file uses cipher {} in units of 2^{}", cipher, unit_shift));
  }
  header.cipher = static_cast<Cipher>(cipher);
  header.generation = TRY(reader.U64());
  header.volume_id = TRY(reader.Array<16>());
  header.file_id = TRY(reader.Array<16>());
  header.dek_id = TRY(reader.Array<16>());
  header.salt = TRY(reader.Array<32>());
  if (features == 0) return header;
  PreviousKey previous;
  previous.dek_id = TRY(reader.Array<16>());
  previous.salt = TRY(reader.Array<32>());
  previous.watermark = TRY(reader.U64());
  if (previous.watermark % kUnitSize != 0) {
    return Error(ErrorCode::kFileCorrupt, "the header's watermark lies within a unit");
  }
  header.previous = previous;
  return header;
}

bool SlotMacFits(ByteView slot, int index, const SecretBytes& header_key) {
  return ConstantTimeEqual(slot.last(kMacSize), SlotMac(slot, index, header_key));
}

HeaderSlots SplitHeader(ByteView header) {
  return {{header.subspan(kSlotOffset[0], kSlotSize), header.subspan(kSlotOffset[1], kSlotSize)}};
}

}  // namespace freehold
