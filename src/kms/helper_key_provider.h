// HelperKeyProvider: every operation in a process of its own, which ends with it.
//
// An answer with a plaintext key passes through buffers of TLS, HTTP and JSON libraries that nobody
// can wipe. Here they die with the helper; this process gets 32 bytes over a socket pair, straight
// into SecretBytes. Only probes may share a helper, as what they unwrap is a canary and no key: it
// keeps its connections to the KMS, and nothing else, from one probe to the next
// (docs/decisions/0013-connections.md). Operations wait for their turn (request_pace.h) before
// their deadline begins.
// Errors: the helper's KmsFailure; too slow is kUnreachable (the helper is killed and reaped);
// crashed, interrupted or not understood is kAmbiguous.
// Threads: one caller at a time; different providers are independent. Spec: helper_protocol.h.
#pragma once

#include <memory>
#include <mutex>

#include "kms/helper_process.h"
#include "kms/key_provider.h"

namespace freehold {

class HelperKeyProvider : public KeyProvider {
 public:
  explicit HelperKeyProvider(KeyAccess access, HelperOptions options = {});

  KmsResult<WrappedKey> Wrap(const SecretBytes& plaintext,
                             const EncryptionContext& context) override;
  KmsResult<SecretBytes> Unwrap(const WrappedKey& wrapped,
                                const EncryptionContext& context) override;
  KmsResult<SecretBytes> UnwrapCanary(const WrappedKey& wrapped,
                                      const EncryptionContext& context) override;
  KmsResult<KeyFacts> Describe() override;
  KmsResult<std::string> Identify() override;

 private:
  KmsResult<HelperAnswer> Ask(const HelperRequest& request);
  Result<HelperAnswer> AskOnce(const HelperRequest& request);
  Result<HelperAnswer> AskResident(const HelperRequest& request);
  KmsResult<void> WaitForTurn(bool probes);

  const KeyAccess access_;
  const HelperOptions options_;
  std::unique_ptr<HelperProcess> resident_;  // for probes; null: none yet, or it failed
};

class HelperKeyProviderFactory : public KeyProviderFactory {
 public:
  explicit HelperKeyProviderFactory(HelperOptions options = {}) : options_(std::move(options)) {}
  std::unique_ptr<KeyProvider> NewProvider(const KeyAccess& access) override {
    const std::lock_guard lock(mutex_);
    return std::make_unique<HelperKeyProvider>(access, options_);
  }
  // For providers that are made from now on: how long one operation may take, and how often they
  // will be asked to probe. Threads: beside NewProvider.
  void SetPace(Duration request_timeout, Duration check_interval);

 private:
  std::mutex mutex_;  // guards what follows
  HelperOptions options_;
};

}  // namespace freehold
