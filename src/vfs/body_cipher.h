// BodyCipher: which of a file's keys encrypts which part of its body.
//
// One key for all of it; while a file is re-encrypted, the new key before the watermark and the
// previous one from it on. A value: copies share the ciphers, and keep the watermark of their time.
// Spec: docs/format/file.md.
#pragma once

#include <memory>

#include "crypto/unit_cipher.h"

namespace freehold {

struct BodyCipher {
  std::shared_ptr<UnitCipher> current;
  std::shared_ptr<UnitCipher> previous;  // null: there is one key only
  std::uint64_t watermark = 0;           // logical offset, a multiple of the unit

  // The run starts at the logical offset `start`, a unit's first byte; a multiple of 16 long. `in`
  // and `out` have the same length, and may be the same memory.
  Status Encrypt(std::uint64_t start, ByteView in, MutableByteView out) const;
  // With the rule for zeros.
  Status Decode(std::uint64_t start, MutableByteView run) const;
};

}  // namespace freehold
