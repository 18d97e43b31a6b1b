// Plaintext where ciphertext should be, found by statistics.
//
// Ciphertext cannot be told from random bytes. Here are two things that random bytes do so rarely
// that plaintext is the better explanation: one byte value in too many places, and a long run of
// printable bytes. Text, tables, pages with counters and program code do one or both; what is
// compressed, encrypted elsewhere or random does neither and is not found.
// Each judgement errs once in 2^64 at most, a unit is judged nine times and searched for runs once:
// less than 2^-60 a unit, so less than once in a million volumes of 2^40 units (4 PiB).
// Blocks of zeros were never written and are left out. Pure. Spec: docs/format/file.md, "Zeros".
#pragma once

#include <cstddef>
#include <optional>

#include "base/bytes.h"

namespace freehold {

// At least how unlikely these bytes would be as ciphertext, in bits: 64 for once in 2^64. From how
// often their most frequent value is there.
double BitsAgainstCiphertext(ByteView bytes);

// Where, in ciphertext that starts at the first byte of a unit, something is that is none; whole
// blocks only. Nothing: all of it could be ciphertext.
std::optional<std::size_t> FindPlaintext(ByteView ciphertext);

}  // namespace freehold
