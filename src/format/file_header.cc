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
constexpr std::size_t kEpochsOffset = 160;
constexpr std::uint64_t kOfPreviousKey = 1;  // in an epoch's start
constexpr std::string_view kXtsLabel = "freehold v1 file aes-256-xts";
constexpr std::string_view kCtrLabel = "freehold v1 file aes-256-ctr";
constexpr std::string_view kHeaderLabel = "freehold v1 file header";

SecretBytes Derive(const SecretBytes& dek, const Salt& salt, const Id& file_id,
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

SecretBytes DeriveBodyKey(const SecretBytes& dek, const Salt& salt, const FileHeader& header) {
  const bool ctr = header.cipher == Cipher::kAes256Ctr;
  return Derive(dek, salt, header.file_id, ctr ? kCtrLabel : kXtsLabel,
                ctr ? kKeySize : kXtsKeySize);
}

void EncodeEpochs(const EpochTable& epochs, std::uint64_t flag, Writer& writer) {
  for (const Epoch& epoch : epochs) {
    writer.U64(epoch.start | flag);
    writer.Raw(epoch.counter);
    writer.Raw(epoch.carried);
  }
}

// The first starts at 0, the others follow in order; only a file with two keys has two tables.
bool IsTable(const EpochTable& epochs) {
  return !epochs.empty() && epochs.front().start == 0 &&
         std::ranges::is_sorted(epochs, {}, &Epoch::start);
}

Status DecodeEpochs(Reader& reader, FileHeader& header) {
  EpochTable previous;
  for (std::size_t i = 0; i < kMostEpochs; ++i) {
    const std::uint64_t start = TRY(reader.U64());
    Epoch epoch;
    epoch.start = start & ~kOfPreviousKey;
    epoch.counter = TRY(reader.Array<16>());
    epoch.carried = TRY(reader.Array<16>());
    if (AllZero(epoch.counter)) continue;  // no entry
    if (epoch.start % kBlockSize != 0) {
      return Error(ErrorCode::kFileCorrupt, "the header has an epoch that starts within a block");
    }
    ((start & kOfPreviousKey) != 0 ? previous : header.epochs).push_back(epoch);
  }
  const bool two_tables = header.previous.has_value();
  if (!IsTable(header.epochs) || (two_tables ? !IsTable(previous) : !previous.empty())) {
    return Error(ErrorCode::kFileCorrupt, "the header's table of epochs is out of order");
  }
  if (two_tables) header.previous->epochs = std::move(previous);
  return {};
}

}  // namespace

std::string_view NameOf(Cipher cipher) {
  switch (cipher) {
    case Cipher::kAes256Xts:
      return "aes-256-xts";
    case Cipher::kAes256Ctr:
      return "aes-256-ctr";
    case Cipher::kNull:
      break;
  }
  return "null";
}

Result<Cipher> CipherOf(std::uint8_t number) {
  if (number > static_cast<std::uint8_t>(Cipher::kAes256Ctr)) {
    return Error(ErrorCode::kUnsupportedVersion,
                 fmt::format("cipher {} is unknown to this release", number));
  }
  return static_cast<Cipher>(number);
}

bool EpochsFit(const FileHeader& header, std::size_t more) {
  const std::size_t previous = header.previous.has_value() ? header.previous->epochs.size() : 0;
  return header.epochs.size() + previous + more <= kMostEpochs;
}

SecretBytes DeriveHeaderKey(const SecretBytes& dek, const FileHeader& header) {
  return Derive(dek, header.salt, header.file_id, kHeaderLabel, kKeySize);
}

SecretBytes DeriveFileKey(const SecretBytes& dek, const FileHeader& header) {
  return DeriveBodyKey(dek, header.salt, header);
}

SecretBytes DerivePreviousFileKey(const SecretBytes& previous_dek, const FileHeader& header) {
  return DeriveBodyKey(previous_dek, header.previous->salt, header);
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
  if (header.cipher == Cipher::kAes256Ctr) {
    writer.Zeros(kEpochsOffset - writer.size());
    EncodeEpochs(header.epochs, 0, writer);
    if (header.previous.has_value()) EncodeEpochs(header.previous->epochs, kOfPreviousKey, writer);
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
  header.cipher = TRY(CipherOf(cipher));
  if (unit_shift != kUnitShift) {
    return Error(ErrorCode::kUnsupportedVersion,
                 fmt::format("the file has units of 2^{} bytes", unit_shift));
  }
  header.generation = TRY(reader.U64());
  header.volume_id = TRY(reader.Array<16>());
  header.file_id = TRY(reader.Array<16>());
  header.dek_id = TRY(reader.Array<16>());
  header.salt = TRY(reader.Array<32>());
  PreviousKey previous;
  previous.dek_id = TRY(reader.Array<16>());
  previous.salt = TRY(reader.Array<32>());
  previous.watermark = TRY(reader.U64());
  if (previous.watermark % kUnitSize != 0) {
    return Error(ErrorCode::kFileCorrupt, "the header's watermark lies within a unit");
  }
  if (features != 0) header.previous = previous;
  if (header.cipher == Cipher::kAes256Ctr) TRY(DecodeEpochs(reader, header));
  return header;
}

bool SlotMacFits(ByteView slot, int index, const SecretBytes& header_key) {
  return ConstantTimeEqual(slot.last(kMacSize), SlotMac(slot, index, header_key));
}

HeaderSlots SplitHeader(ByteView header) {
  return {{header.subspan(kSlotOffset[0], kSlotSize), header.subspan(kSlotOffset[1], kSlotSize)}};
}

}  // namespace freehold
