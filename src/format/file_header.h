// FileHeader: the first 4096 bytes of an encrypted file, two slots that say how to read the rest.
//
// Each slot is one 512-byte sector (so that a torn write leaves it whole or old) at 0 and at 2048;
// both are written when the file is made, later changes write the other slot. A slot is valid when
// its MAC fits; the valid slot with the highest generation counts.
// Pure: bytes in, bytes out. Errors: kFileCorrupt, kUnsupportedVersion. Threads: values.
// Spec: docs/format/file.md, "Header".
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret_bytes.h"
#include "format/epoch_cipher.h"

namespace freehold {

using Id = std::array<std::uint8_t, 16>;
using Salt = std::array<std::uint8_t, 32>;

enum class Cipher : std::uint8_t {
  kNull = 0,  // plaintext, for benchmarks only; refused unless asked for
  kAes256Xts = 1,
  kAes256Ctr = 2,  // for files that are written once
};
// The cipher of a stored number; kUnsupportedVersion where this release knows none.
Result<Cipher> CipherOf(std::uint8_t number);
std::string_view NameOf(Cipher cipher);  // "aes-256-xts"

inline constexpr std::uint16_t kFileFormatVersion = 1;
inline constexpr std::size_t kSlotSize = 512;
inline constexpr std::size_t kSlotOffset[2] = {0, 2048};

// So many epochs fit into a slot, both tables together.
inline constexpr std::size_t kMostEpochs = 8;

// While a file is re-encrypted, its body from the watermark on is still under this pair.
struct PreviousKey {
  Id dek_id{};
  Salt salt{};
  std::uint64_t watermark = 0;  // logical offset, a multiple of the unit
  EpochTable epochs;
};

struct FileHeader {
  Cipher cipher = Cipher::kAes256Xts;
  std::uint64_t generation = 1;
  Id volume_id{};
  Id file_id{};
  Id dek_id{};
  Salt salt{};
  EpochTable epochs;  // of AES-256-CTR
  std::optional<PreviousKey> previous;
};

// The file's keys, all from HKDF-SHA256(DEK, salt, label | file id).
SecretBytes DeriveHeaderKey(const SecretBytes& dek, const FileHeader& header);
// Of the body; not for the null cipher.
SecretBytes DeriveFileKey(const SecretBytes& dek, const FileHeader& header);
// Of the body from the watermark on. `header.previous` is set.
SecretBytes DerivePreviousFileKey(const SecretBytes& previous_dek, const FileHeader& header);

// Whether a slot has room for the header's epochs, and for so many more.
bool EpochsFit(const FileHeader& header, std::size_t more);

// One slot's 512 bytes. `index` (0 or 1) is part of what the MAC covers.
std::array<std::uint8_t, kSlotSize> EncodeSlot(const FileHeader& header, int index,
                                               const SecretBytes& header_key);
// The whole 4096 bytes, with both slots the same.
Bytes EncodeHeader(const FileHeader& header, const SecretBytes& header_key);

// A slot's fields, before its MAC is checked: enough to find the DEK. An all-zero slot is
// kNotFound.
Result<FileHeader> DecodeSlotUnverified(ByteView slot);
bool SlotMacFits(ByteView slot, int index, const SecretBytes& header_key);

struct HeaderSlots {
  ByteView slot[2];
};
// `header` has kHeaderSize bytes.
HeaderSlots SplitHeader(ByteView header);

}  // namespace freehold
