#include "crypto/counter_cipher.h"

#include <algorithm>

#include "crypto/cipher_context.h"
#include "crypto/crypto.h"

namespace freehold {
namespace {

constexpr std::size_t kMostAtOnce = std::size_t{1} << 30;  // the library counts in int

const EVP_CIPHER* Ctr() {
  static const EVP_CIPHER* cipher = EVP_CIPHER_fetch(nullptr, "AES-256-CTR", nullptr);
  return cipher;
}

class AesCounterCipher : public CounterCipher {
 public:
  explicit AesCounterCipher(SecretBytes key) : key_(std::move(key)) {}

  Status Apply(const CounterBlock& first, std::uint64_t block, ByteView in,
               MutableByteView out) override {
    CipherContext context = contexts_.Take(key_);
    if (context == nullptr) return Error(ErrorCode::kInternal, "OpenSSL offers no AES-256-CTR");
    for (std::size_t at = 0; at < in.size(); at += kMostAtOnce) {
      const std::size_t size = std::min(kMostAtOnce, in.size() - at);
      const CounterBlock counter = AddBlocks(first, block + at / counter.size());
      if (!RunCipher(context.get(), counter.data(), in.subspan(at, size), out.subspan(at, size))) {
        return Error(ErrorCode::kInternal, "AES-256-CTR failed");
      }
    }
    contexts_.GiveBack(std::move(context));
    return {};
  }

 private:
  const SecretBytes key_;
  CipherContexts contexts_{Ctr(), Direction::kEncrypt};
};

}  // namespace

CounterBlock AddBlocks(CounterBlock first, std::uint64_t block) {
  unsigned carry = 0;
  for (std::size_t i = 0; i < first.size(); ++i) {
    const unsigned add = i < 8 ? static_cast<std::uint8_t>(block >> (8 * i)) : 0;
    const unsigned sum = first[first.size() - 1 - i] + add + carry;
    first[first.size() - 1 - i] = static_cast<std::uint8_t>(sum);
    carry = sum >> 8;
  }
  return first;
}

Result<std::unique_ptr<CounterCipher>> NewCounterCipher(const SecretBytes& key) {
  if (key.ExposeSecret().size() != kKeySize) {
    return Error(ErrorCode::kInternal, "an AES-256-CTR key has 32 bytes");
  }
  return std::unique_ptr<CounterCipher>(std::make_unique<AesCounterCipher>(key.Clone()));
}

}  // namespace freehold
