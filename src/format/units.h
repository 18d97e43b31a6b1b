// Units: turning runs of ciphertext into plaintext in place, with the rule for zeros.
//
// A 16-byte block of ciphertext that is all zeros decodes to zeros. Holes, grown files and blocks
// that a crash left unwritten therefore read as zeros without any record of them; a real block
// encrypts to zeros once in 2^128. Pure. Spec: docs/format/file.md, "Zeros".
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/unit_cipher.h"

namespace freehold {

// `run` starts at the first byte of unit `first_unit` and is a multiple of 16 long.
Status DecodeRun(UnitCipher& cipher, std::uint64_t first_unit, MutableByteView run);

constexpr std::uint64_t UnitOf(std::uint64_t logical_offset) { return logical_offset / kUnitSize; }
constexpr std::uint64_t UnitFloor(std::uint64_t logical_offset) {
  return logical_offset - logical_offset % kUnitSize;
}

}  // namespace freehold
