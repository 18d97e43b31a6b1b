#include "base/secret_bytes.h"

#include <cstring>
#include <utility>

#include "base/locked_arena.h"

namespace freehold {

SecretBytes::SecretBytes(std::size_t size)
    : data_(static_cast<std::uint8_t*>(LockedAllocate(size))), size_(size) {
  std::memset(data_, 0, size);
}

SecretBytes SecretBytes::CopyOf(ByteView bytes) {
  SecretBytes copy(bytes.size());
  if (!bytes.empty()) std::memcpy(copy.data_, bytes.data(), bytes.size());
  return copy;
}

SecretBytes::SecretBytes(SecretBytes&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

SecretBytes& SecretBytes::operator=(SecretBytes&& other) noexcept {
  if (this != &other) {
    Wipe();
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

SecretBytes::~SecretBytes() { Wipe(); }

SecretBytes SecretBytes::Clone() const { return CopyOf(ExposeSecret()); }

bool SecretBytes::Equals(const SecretBytes& other) const {
  if (size_ != other.size_) return false;
  std::uint8_t difference = 0;
  for (std::size_t i = 0; i < size_; ++i) difference |= data_[i] ^ other.data_[i];
  return difference == 0;
}

void SecretBytes::Wipe() {
  LockedFree(data_);
  data_ = nullptr;
  size_ = 0;
}

WipedBuffer::~WipedBuffer() { WipeMemory(bytes_.data(), bytes_.size()); }

void WipedBuffer::GrowTo(std::size_t size) {
  if (size <= bytes_.size()) return;
  WipeMemory(bytes_.data(), bytes_.size());
  bytes_ = Bytes(size);
}

}  // namespace freehold
