// Volume's changes of keys: rewrap, rekey, and the keyring's part of a re-encryption.
#include <algorithm>

#include "base/crash_point.h"
#include "node/keyring_file.h"
#include "node/volume.h"

namespace freehold {
namespace {

Error BecauseOfPresentKey(const KmsFailure& failure) {
  return failure.ToError().Because("the present key");
}
Error BecauseOfNewKey(const KmsFailure& failure) {
  return failure.ToError().Because("the new key");
}

// The same DEKs under another KEK.
Result<std::vector<WrappedDek>> RewrapDeks(const Keyring& keyring, const Kek& from, const Kek& to) {
  std::vector<WrappedDek> deks;
  for (const WrappedDek& old : keyring.deks) {
    const Dek dek = TRY(UnwrapDek(from, keyring.volume_id, old));
    deks.push_back(TRY(WrapDek(to, keyring.volume_id, dek, old.created)));
  }
  return deks;
}

std::uint32_t NextDekGeneration(const Keyring& keyring) {
  std::uint32_t newest = 0;
  for (const WrappedDek& dek : keyring.deks) newest = std::max(newest, dek.generation);
  return newest + 1;
}

}  // namespace

// Both keys are checked before anything is asked of either with the KEK.
Result<Volume::CheckedKeys> Volume::CheckKeys(const KeyAccess& new_access,
                                              KeyProviderFactory& factory, const Clock& clock) {
  TRY(CheckAllowed(allow_keys_, new_access.uri.text()));
  // A replica unwraps what the present key wrapped: the Region that is left need not answer.
  const bool moves = new_access.uri.IsReplicaOf(access_.uri);
  CheckedKeys keys{
      factory.NewProvider(moves ? new_access : access_), factory.NewProvider(new_access), {}};
  if (auto probed = ProbeCanary(*keys.present, wrapped_kek()); !probed) {
    return BecauseOfPresentKey(probed.error());
  }
  auto wrapped = WrapCanary(*keys.next, new_access, wrapped_kek().context, clock.Wall());
  if (!wrapped) return BecauseOfNewKey(wrapped.error());
  keys.wrapped = std::move(*wrapped);
  return keys;
}

Result<Kek> Volume::PresentKek(KeyProvider& provider) {
  auto kek = UnwrapKek(provider, wrapped_kek());
  if (!kek) return BecauseOfPresentKey(kek.error());
  TRY(VerifyKeyring(keyring_bytes_, keyring_, *kek));
  return std::move(*kek);
}

Status Volume::Rewrap(const KeyAccess& new_access, KeyProviderFactory& factory,
                      const Clock& clock) {
  CheckedKeys keys = TRY(CheckKeys(new_access, factory, clock));
  const Kek kek = TRY(PresentKek(*keys.present));
  if (auto done = WrapKek(*keys.next, kek, keys.wrapped); !done) {
    return BecauseOfNewKey(done.error());
  }
  CrashPoint("rewrap.wrapped");
  Keyring next = keyring_;
  next.keks = {std::move(keys.wrapped)};
  return Promote(std::move(next), kek, new_access);
}

Result<VolumeKeys> Volume::Rekey(const KeyAccess& new_access, NewDek new_dek,
                                 KeyProviderFactory& factory, const Clock& clock) {
  CheckedKeys keys = TRY(CheckKeys(new_access, factory, clock));
  const Kek old_kek = TRY(PresentKek(*keys.present));
  const Kek new_kek = Kek::Random();
  if (auto done = WrapKek(*keys.next, new_kek, keys.wrapped); !done) {
    return BecauseOfNewKey(done.error());
  }
  CrashPoint("rewrap.wrapped");
  Keyring next = keyring_;
  next.kek_id = new_kek.id();
  next.keks = {std::move(keys.wrapped)};
  next.deks = TRY(RewrapDeks(keyring_, old_kek, new_kek));
  if (new_dek == NewDek::kAdd) {
    const Dek dek = RandomDek(NextDekGeneration(keyring_));
    next.deks.push_back(TRY(WrapDek(new_kek, keyring_.volume_id, dek, clock.Wall())));
  }
  TRY(Promote(std::move(next), new_kek, new_access));
  return VolumeKeys::Unwrap(keyring_, new_kek);
}

Result<VolumeKeys> Volume::DropOldDeks(KeyProviderFactory& factory) {
  const auto provider = factory.NewProvider(access_);
  const Kek kek = TRY(PresentKek(*provider));
  Keyring next = keyring_;
  const std::uint32_t newest = NextDekGeneration(keyring_) - 1;
  std::erase_if(next.deks, [&](const WrappedDek& dek) { return dek.generation != newest; });
  TRY(Promote(std::move(next), kek, access_));
  return VolumeKeys::Unwrap(keyring_, kek);
}

// Both keys, and both KEKs, are allowed until the new keyring is on the disk.
Status Volume::Promote(Keyring next, const Kek& kek, const KeyAccess& new_access) {
  next.generation = keyring_.generation + 1;
  Bytes bytes = EncodeKeyring(next, kek);
  Pin both = pin_;
  both.allowed = {access_};
  if (new_access != access_) both.allowed.push_back(new_access);
  both.next_kek_id = next.kek_id;
  TRY(pins_.Save(both));
  CrashPoint("rewrap.pinned");
  const auto committed = ReplaceKeyring(paths_, bytes);
  if (!committed.ok() && !IsInPlace(paths_, bytes)) return committed;
  keyring_bytes_ = std::move(bytes);
  keyring_ = std::move(next);
  access_ = new_access;
  if (!committed.ok()) {
    pin_ = std::move(both);  // as it was saved: a crash may bring the old keyring back
    return committed.error().Because(
        "the new keyring is in place, but the disk did not confirm it; keep both keys until the "
        "volume has been opened again");
  }
  pin_ = Pin{keyring_.volume_id,  keyring_.kek_id, std::nullopt,
             keyring_.generation, {access_},       pin_.revoked};
  auto saved = pins_.Save(pin_);
  CrashPoint("rewrap.promoted");
  TRY(EraseOtherKeyrings(paths_));  // even if the pin could not be saved: it allows both keys still
  return saved;
}

}  // namespace freehold
