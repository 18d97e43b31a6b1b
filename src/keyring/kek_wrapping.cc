#include "keyring/kek_wrapping.h"

#include "crypto/crypto.h"

namespace freehold {
namespace {

tl::unexpected<KmsFailure> Mismatch(std::string what) {
  return tl::unexpected(OwnFailure(KmsClass::kData, "Unwrap", std::move(what)));
}

}  // namespace

KmsResult<WrappedKek> WrapCanary(KeyProvider& provider, const KeyAccess& access,
                                 const EncryptionContext& context, WallTime now) {
  WrappedKek wrapped;
  wrapped.kms_type = access.uri.type();
  wrapped.key_uri = access.uri.text();
  wrapped.principal = access.principal;
  wrapped.context = context;
  wrapped.created = now;
  const SecretBytes canary = RandomSecret(kKeySize);
  wrapped.canary_digest = Sha256(canary.ExposeSecret());
  auto wrapped_canary = provider.Wrap(canary, context);
  if (!wrapped_canary) return tl::unexpected(wrapped_canary.error());
  wrapped.canary = std::move(*wrapped_canary);
  if (auto probed = ProbeCanary(provider, wrapped); !probed) return tl::unexpected(probed.error());
  return wrapped;
}

KmsResult<void> WrapKek(KeyProvider& provider, const Kek& kek, WrappedKek& wrapped) {
  auto wrapped_kek = provider.Wrap(kek.bytes(), wrapped.context);
  if (!wrapped_kek) return tl::unexpected(wrapped_kek.error());
  wrapped.kek = std::move(*wrapped_kek);
  auto back = provider.Unwrap(wrapped.kek, wrapped.context);
  if (!back) return tl::unexpected(back.error());
  if (!back->Equals(kek.bytes()))
    return Mismatch("the key gave back other bytes than it was given");
  return {};
}

KmsResult<Kek> UnwrapKek(KeyProvider& provider, const WrappedKek& wrapped) {
  auto bytes = provider.Unwrap(wrapped.kek, wrapped.context);
  if (!bytes) return tl::unexpected(bytes.error());
  if (bytes->size() != kKeySize) return Mismatch("the unwrapped KEK is not 32 bytes long");
  return Kek(std::move(*bytes));
}

KmsResult<void> ProbeCanary(KeyProvider& provider, const WrappedKek& wrapped) {
  auto canary = provider.UnwrapCanary(wrapped.canary, wrapped.context);
  if (!canary) return tl::unexpected(canary.error());
  if (!ConstantTimeEqual(Sha256(canary->ExposeSecret()), wrapped.canary_digest)) {
    return Mismatch("the canary came back changed: this is not the key that wrapped it");
  }
  return {};
}

}  // namespace freehold
