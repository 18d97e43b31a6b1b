// Keyring: the small file on a volume that holds its wrapped KEK and wrapped DEKs.
//
// Readable without any key (which KMS, which key, which context), trusted only after Verify: its
// MAC is keyed from the KEK. Each change raises the generation. Errors: kKeyringCorrupt for bytes
// that are no keyring, kUnsupportedVersion for a newer one. Pure bytes; files are in
// node/volume.h. Threads: a value. Spec: docs/format/keyring.md.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "crypto/crypto.h"
#include "keyring/keys.h"
#include "kms/key_provider.h"

namespace freehold {

inline constexpr std::uint16_t kKeyringVersion = 1;

// A KEK as the customer's key wrapped it, with all that is needed to ask for it back, and a canary
// wrapped the same way, by which custody probes without touching the KEK.
struct WrappedKek {
  KmsType kms_type = KmsType::kAwsKms;
  std::string key_uri;
  std::string principal;
  EncryptionContext context;
  WrappedKey kek;
  WrappedKey canary;
  Digest256 canary_digest{};  // SHA-256 of the canary's 32 bytes
  WallTime created;
};

struct Keyring {
  std::uint64_t generation = 1;
  Id volume_id{};
  Id kek_id{};
  Cipher cipher = Cipher::kAes256Xts;
  WallTime created;
  std::vector<WrappedKek> keks;  // one per region; exactly one for a volume of its own
  std::vector<WrappedDek> deks;
};

Bytes EncodeKeyring(const Keyring& keyring, const Kek& kek);

// Fields only: whoever wrote the disk may have written them. Verify before trusting.
Result<Keyring> DecodeKeyringUnverified(ByteView bytes);
// kKeyringCorrupt unless `bytes` were encoded under this very KEK.
Status VerifyKeyring(ByteView bytes, const Keyring& decoded, const Kek& kek);

// First 16 hex digits of SHA-256 of the whole file: how a person names one keyring.
std::string KeyringFingerprint(ByteView bytes);

}  // namespace freehold
