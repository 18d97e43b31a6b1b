// Kek and Dek: the two layers of keys under the customer's key, each a type of its own.
//
// A Kek wraps Deks and signs the keyring; it never touches file data. A Dek is only ever the input
// of a derivation. Both are move-only and live in locked memory. Threads: values.
// Spec: docs/format/keyring.md, "Keys".
#pragma once

#include <cstdint>

#include "base/clock.h"
#include "base/result.h"
#include "base/secret_bytes.h"
#include "format/file_header.h"

namespace freehold {

class Kek {
 public:
  static Kek Random();
  explicit Kek(SecretBytes bytes) : bytes_(std::move(bytes)) {}  // exactly 32 bytes

  // HMAC under the key: names it without saying anything about it.
  Id id() const;
  SecretBytes MacKey(const Id& volume_id) const;
  SecretBytes DekWrappingKey(const Id& volume_id) const;
  const SecretBytes& bytes() const { return bytes_; }

 private:
  SecretBytes bytes_;
};

// A DEK as the keyring keeps it: readable by nobody without the KEK.
struct WrappedDek {
  Id id{};
  std::uint32_t generation = 0;
  bool retired = false;  // decrypts old files, encrypts no new ones
  WallTime created;
  Bytes sealed;  // nonce | ciphertext | tag, bound to volume id, DEK id and generation
};

struct Dek {
  Id id{};
  std::uint32_t generation = 0;
  bool retired = false;
  SecretBytes bytes;
};

Dek RandomDek(std::uint32_t generation);
Result<WrappedDek> WrapDek(const Kek& kek, const Id& volume_id, const Dek& dek, WallTime now);
Result<Dek> UnwrapDek(const Kek& kek, const Id& volume_id, const WrappedDek& wrapped);

Id RandomId();

}  // namespace freehold
