// CounterCipher: AES-256-CTR, a keystream that is XORed over data, both ways the same.
//
// Never over two different plaintexts at one position: their XOR would be readable. Who uses it
// sees to that (format/epoch_cipher.h). One object per key and user: not thread-safe.
// Spec: NIST SP 800-38A, 6.5: the counter block of a position is the first one, plus the number of
// 16-byte blocks before the position, as a 128-bit big-endian number that wraps around.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret_bytes.h"

namespace freehold {

using CounterBlock = std::array<std::uint8_t, 16>;

class CounterCipher {
 public:
  virtual ~CounterCipher() = default;

  // `block` is the number of the 16-byte block that the data starts with. `in` and `out` have the
  // same length; they may be the same memory.
  virtual Status Apply(const CounterBlock& first, std::uint64_t block, ByteView in,
                       MutableByteView out) = 0;
};

// `key` is 32 bytes; else kInternal.
Result<std::unique_ptr<CounterCipher>> NewCounterCipher(const SecretBytes& key);

// `first` plus `block`, as the specification above says.
CounterBlock AddBlocks(CounterBlock first, std::uint64_t block);

}  // namespace freehold
