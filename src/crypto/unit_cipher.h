// UnitCipher: encrypts and decrypts runs of a file's 4 KiB units, in place offsets unchanged.
//
// One object per file key. It borrows nothing, and keeps the library's contexts from call to call.
// Threads: safe.
// The ciphertext of a run has the length of its plaintext; lengths are multiples of 16, and a run
// starts at a unit's first byte. Spec: IEEE 1619 / SP 800-38E: AES-256-XTS, tweak = unit number
// as 16 little-endian bytes; docs/format/file.md.
#pragma once

#include <cstdint>
#include <memory>

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret_bytes.h"

namespace freehold {

inline constexpr std::size_t kUnitSize = 4096;
inline constexpr std::size_t kXtsKeySize = 64;

class UnitCipher {
 public:
  virtual ~UnitCipher() = default;

  // `first_unit` is the number of the unit that the run starts with. `in` and `out` have the same
  // length, a multiple of 16; they may be the same memory.
  virtual Status Encrypt(std::uint64_t first_unit, ByteView in, MutableByteView out) = 0;
  virtual Status Decrypt(std::uint64_t first_unit, ByteView in, MutableByteView out) = 0;
};

// `key` is 64 bytes, two different halves (FIPS 140 asks for that); else kInternal.
Result<std::unique_ptr<UnitCipher>> NewXtsCipher(const SecretBytes& key);

// Copies. For benchmarks only: what the mount costs without encryption.
std::unique_ptr<UnitCipher> NewNullCipher();

}  // namespace freehold
