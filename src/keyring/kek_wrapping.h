// Wrapping and unwrapping a KEK at a KMS, and the canary that custody probes with.
//
// The only code that turns a KeyProvider's answers into a Kek. Errors are KmsFailure, so that
// custody sees the class. Threads: one at a time per provider. Spec: design sections 3 and 4.
#pragma once

#include "keyring/keyring.h"

namespace freehold {

// Checks a key by wrapping a fresh canary and unwrapping it again (one wrap, one unwrap). The
// result has everything but the KEK itself.
KmsResult<WrappedKek> WrapCanary(KeyProvider& provider, const KeyAccess& access,
                                 const EncryptionContext& context, WallTime now);

// Wraps the KEK beside its canary, unwraps what came back and compares in constant time (one wrap,
// one unwrap): what is stored has been shown to open.
KmsResult<void> WrapKek(KeyProvider& provider, const Kek& kek, WrappedKek& wrapped);

// One unwrap.
KmsResult<Kek> UnwrapKek(KeyProvider& provider, const WrappedKek& wrapped);

// The probe: unwraps the canary and compares it. Anything but an exact match is a failure.
KmsResult<void> ProbeCanary(KeyProvider& provider, const WrappedKek& wrapped);

}  // namespace freehold
