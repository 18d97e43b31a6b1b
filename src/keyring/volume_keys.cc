#include "keyring/volume_keys.h"

#include "fmt/format.h"

namespace freehold {

Result<VolumeKeys> VolumeKeys::Unwrap(const Keyring& keyring, const Kek& kek) {
  VolumeKeys keys;
  keys.volume_id_ = keyring.volume_id;
  keys.cipher_ = keyring.cipher;
  for (const WrappedDek& wrapped : keyring.deks) {
    keys.deks_.push_back(TRY(UnwrapDek(kek, keyring.volume_id, wrapped)));
  }
  return keys;
}

Result<const Dek*> VolumeKeys::Active() const {
  const Dek* newest = nullptr;
  for (const Dek& dek : deks_) {
    if (!dek.retired && (newest == nullptr || dek.generation > newest->generation)) newest = &dek;
  }
  if (newest == nullptr) return Error(ErrorCode::kSealed, "the volume has no key for new files");
  return newest;
}

Result<const Dek*> VolumeKeys::Find(const Id& dek_id) const {
  for (const Dek& dek : deks_) {
    if (dek.id == dek_id) return &dek;
  }
  if (deks_.empty()) return Error(ErrorCode::kSealed, "the volume is sealed");
  return Error(ErrorCode::kFileCorrupt,
               fmt::format("no DEK of this volume's keyring has the id {}", HexEncode(dek_id)));
}

}  // namespace freehold
