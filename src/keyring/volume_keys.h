// VolumeKeys: the unwrapped DEKs of one open volume, handed to whoever reads and writes its files.
//
// Exists only while the volume is open; Wipe() is part of sealing and leaves nothing to find. DEKs
// come and go while the volume is in use (re-encryption).
// Errors: kFileCorrupt for a file under an unknown DEK, kSealed once wiped. Threads: safe; a DEK in
// somebody's hand outlives its removal for as long as it is held.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "keyring/keyring.h"

namespace freehold {

using DekPtr = std::shared_ptr<const Dek>;

class VolumeKeys {
 public:
  // Unwraps every DEK of a keyring that has been verified under `kek`.
  static Result<VolumeKeys> Unwrap(const Keyring& keyring, const Kek& kek);

  VolumeKeys() = default;
  VolumeKeys(VolumeKeys&& other) noexcept;
  VolumeKeys& operator=(VolumeKeys&& other) noexcept;

  const Id& volume_id() const { return volume_id_; }
  Cipher cipher() const { return cipher_; }
  // The DEK for new files: the newest that is not retired.
  Result<DekPtr> Active() const;
  Result<DekPtr> Find(const Id& dek_id) const;
  // Takes over the DEKs of the keyring as it is now; kSealed, and nothing is taken, once wiped.
  Status Replace(VolumeKeys newer);
  void Wipe();

 private:
  Id volume_id_{};
  Cipher cipher_ = Cipher::kAes256Xts;
  mutable std::mutex mutex_;
  std::vector<DekPtr> deks_;
  bool wiped_ = false;
};

}  // namespace freehold
