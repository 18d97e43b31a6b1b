// Scratch: where ciphertext and, on the way in, plaintext pass through; for src/vfs only.
#pragma once

#include "base/secret_bytes.h"

namespace freehold {

// One per thread, wiped when it grows or the thread ends. The next call takes the last one's bytes.
inline MutableByteView Scratch(std::size_t size) {
  thread_local WipedBuffer buffer;
  buffer.GrowTo(size);
  return buffer.First(size);
}

}  // namespace freehold
