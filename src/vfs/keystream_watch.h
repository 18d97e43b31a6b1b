// KeystreamWatch: whether a block of keystream ever meets two plaintexts.
//
// It sees each block of ciphertext that goes to the disk, with what its plaintext may be. Where two
// ciphertexts were made with the same keystream, and their plaintexts differ, the keystreams that
// it computes are the same; two different ones are so once in 2^128. Test code.
#pragma once

#include <cstring>
#include <map>
#include <optional>
#include <string>

#include "crypto/counter_cipher.h"
#include "fmt/format.h"
#include "format/sizes.h"

namespace freehold {

class KeystreamWatch {
 public:
  // `ciphertext` is written at the logical offset `offset`; `plaintext` are the file's contents.
  void See(std::uint64_t offset, ByteView ciphertext, ByteView plaintext) {
    for (std::size_t at = 0; at + kBlockSize <= ciphertext.size(); at += kBlockSize) {
      const ByteView block = ciphertext.subspan(at, kBlockSize);
      if (AllZero(block)) continue;
      CounterBlock plain{};
      CounterBlock keystream{};
      for (std::size_t i = 0; i < kBlockSize; ++i) {
        if (offset + at + i < plaintext.size()) plain[i] = plaintext[offset + at + i];
        keystream[i] = static_cast<std::uint8_t>(block[i] ^ plain[i]);
      }
      const auto [known, is_new] = plaintexts_.try_emplace(keystream, plain);
      if (!is_new && known->second != plain && !reuse_) {
        reuse_ = fmt::format("the keystream of the block at {} was used twice", offset + at);
      }
    }
  }
  const std::optional<std::string>& reuse() const { return reuse_; }
  std::size_t blocks() const { return plaintexts_.size(); }

 private:
  std::map<CounterBlock, CounterBlock> plaintexts_;  // by keystream
  std::optional<std::string> reuse_;
};

}  // namespace freehold
