// Keys for tests: a keyring without a KMS. Test code only.
#pragma once

#include "crypto/crypto.h"
#include "keyring/volume_keys.h"

namespace freehold {

// A keyring, and what it unwraps to, to which DEKs can be added and from which they can be dropped.
class TestVolume {
 public:
  explicit TestVolume(Cipher cipher = Cipher::kAes256Xts) : kek_(Kek::Random()) {
    keyring_.volume_id = RandomId();
    keyring_.kek_id = kek_.id();
    keyring_.cipher = cipher;
    AddDek();
  }
  VolumeKeys Keys() const { return *VolumeKeys::Unwrap(keyring_, kek_); }
  void AddDek() {
    keyring_.deks.push_back(
        *WrapDek(kek_, keyring_.volume_id, RandomDek(next_generation_++), WallTime{}));
  }
  void DropOldestDek() { keyring_.deks.erase(keyring_.deks.begin()); }

 private:
  Kek kek_;
  Keyring keyring_;
  std::uint32_t next_generation_ = 1;
};

inline VolumeKeys TestKeys(Cipher cipher = Cipher::kAes256Xts) { return TestVolume(cipher).Keys(); }

}  // namespace freehold
