// SecretBytes: key material. Move-only, in locked memory, wiped when it goes, unprintable.
//
// The raw bytes need one greppable call: ExposeSecret(). Comparison takes the same time whatever
// the contents. Threads: a value, as std::vector.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace freehold {

class SecretBytes {
 public:
  SecretBytes() = default;
  explicit SecretBytes(std::size_t size);  // zero-filled
  // Copies the bytes; wiping the source is the caller's part.
  static SecretBytes CopyOf(ByteView bytes);

  SecretBytes(SecretBytes&& other) noexcept;
  SecretBytes& operator=(SecretBytes&& other) noexcept;
  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;
  ~SecretBytes();

  SecretBytes Clone() const;
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  ByteView ExposeSecret() const { return {data_, size_}; }
  MutableByteView ExposeSecretForWriting() { return {data_, size_}; }

  // Constant time for equal lengths.
  bool Equals(const SecretBytes& other) const;
  void Wipe();  // empty afterwards

 private:
  std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
};

// A buffer for plaintext that is on its way through: wiped when it goes, never copied.
// Unlike SecretBytes it is not locked: it holds data, not keys.
class WipedBuffer {
 public:
  WipedBuffer() = default;
  explicit WipedBuffer(std::size_t size) : bytes_(size) {}
  WipedBuffer(WipedBuffer&&) = default;
  WipedBuffer& operator=(WipedBuffer&&) = default;
  WipedBuffer(const WipedBuffer&) = delete;
  WipedBuffer& operator=(const WipedBuffer&) = delete;
  ~WipedBuffer();

  std::uint8_t* data() { return bytes_.data(); }
  std::size_t size() const { return bytes_.size(); }
  // Grows without keeping the contents.
  void GrowTo(std::size_t size);
  MutableByteView First(std::size_t size) { return MutableByteView(bytes_).first(size); }

 private:
  Bytes bytes_;
};

}  // namespace freehold
