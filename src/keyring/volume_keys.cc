#include "keyring/volume_keys.h"

#include <utility>

#include "fmt/format.h"

namespace freehold {

Result<VolumeKeys> VolumeKeys::Unwrap(const Keyring& keyring, const Kek& kek) {
  VolumeKeys keys;
  keys.volume_id_ = keyring.volume_id;
  keys.cipher_ = keyring.cipher;
  for (const WrappedDek& wrapped : keyring.deks) {
    keys.deks_.push_back(
        std::make_shared<const Dek>(TRY(UnwrapDek(kek, keyring.volume_id, wrapped))));
  }
  return keys;
}

VolumeKeys::VolumeKeys(VolumeKeys&& other) noexcept { *this = std::move(other); }

VolumeKeys& VolumeKeys::operator=(VolumeKeys&& other) noexcept {
  if (this == &other) return *this;
  std::scoped_lock lock(mutex_, other.mutex_);
  volume_id_ = other.volume_id_;
  cipher_ = other.cipher_;
  deks_ = std::exchange(other.deks_, {});
  return *this;
}

Result<DekPtr> VolumeKeys::Active() const {
  std::lock_guard lock(mutex_);
  DekPtr newest;
  for (const DekPtr& dek : deks_) {
    if (!dek->retired && (newest == nullptr || dek->generation > newest->generation)) newest = dek;
  }
  if (newest == nullptr) return Error(ErrorCode::kSealed, "the volume has no key for new files");
  return newest;
}

Result<DekPtr> VolumeKeys::Find(const Id& dek_id) const {
  std::lock_guard lock(mutex_);
  for (const DekPtr& dek : deks_) {
    if (dek->id == dek_id) return dek;
  }
  if (deks_.empty()) return Error(ErrorCode::kSealed, "the volume is sealed");
  return Error(ErrorCode::kFileCorrupt,
               fmt::format("no DEK of this volume's keyring has the id {}", HexEncode(dek_id)));
}

Status VolumeKeys::Replace(VolumeKeys newer) {
  std::scoped_lock lock(mutex_, newer.mutex_);
  if (wiped_) return Error(ErrorCode::kSealed, "the volume is sealed");
  deks_ = std::exchange(newer.deks_, {});
  return {};
}

void VolumeKeys::Wipe() {
  std::lock_guard lock(mutex_);
  deks_.clear();
  wiped_ = true;
}

}  // namespace freehold
