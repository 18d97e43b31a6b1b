// Keys for tests: a keyring without a KMS. Test code only.
#pragma once

#include "crypto/crypto.h"
#include "keyring/volume_keys.h"

namespace freehold {

inline VolumeKeys TestKeys(Cipher cipher = Cipher::kAes256Xts) {
  const Kek kek = Kek::Random();
  Keyring keyring;
  keyring.volume_id = RandomId();
  keyring.kek_id = kek.id();
  keyring.cipher = cipher;
  keyring.deks.push_back(*WrapDek(kek, keyring.volume_id, RandomDek(1), WallTime{}));
  return *VolumeKeys::Unwrap(keyring, kek);
}

}  // namespace freehold
