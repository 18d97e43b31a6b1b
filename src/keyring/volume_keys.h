// VolumeKeys: the unwrapped DEKs of one open volume, handed to whoever reads and writes its files.
//
// Exists only while the volume is open; Wipe() is part of sealing and leaves nothing to find.
// Errors: kFileCorrupt for a file under an unknown DEK. Threads: reads are safe; Wipe() comes after
// the last user has stopped.
#pragma once

#include <vector>

#include "keyring/keyring.h"

namespace freehold {

class VolumeKeys {
 public:
  // Unwraps every DEK of a keyring that has been verified under `kek`.
  static Result<VolumeKeys> Unwrap(const Keyring& keyring, const Kek& kek);

  const Id& volume_id() const { return volume_id_; }
  Cipher cipher() const { return cipher_; }
  // The DEK for new files: the newest that is not retired.
  Result<const Dek*> Active() const;
  Result<const Dek*> Find(const Id& dek_id) const;
  void Wipe() { deks_.clear(); }

 private:
  Id volume_id_{};
  Cipher cipher_ = Cipher::kAes256Xts;
  std::vector<Dek> deks_;
};

}  // namespace freehold
