// HelperKeyProvider: every operation in a process of its own, which ends with it.
//
// An answer with a plaintext key passes through buffers of TLS, HTTP and JSON libraries that nobody
// can wipe. Here they die with the helper; this process gets 32 bytes over a socket pair, straight
// into SecretBytes. The helper is this very program with `internal kms-helper`; it inherits the
// environment, standard error and its end of the pair, and no other descriptor.
// Errors: the helper's KmsFailure; too slow is kUnreachable (the helper is killed and reaped);
// crashed, interrupted or not understood is kAmbiguous. Nobody else in the process may reap with
// waitpid(-1).
// Threads: one caller at a time; different providers are independent. Spec: helper_protocol.h.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "kms/helper_protocol.h"
#include "kms/key_provider.h"

namespace freehold {

struct HelperOptions {
  std::string executable = "/proc/self/exe";
  std::vector<std::string> arguments = {"internal", "kms-helper"};
  Duration deadline = std::chrono::seconds(10);  // for one operation, on the boot clock
  const Clock* clock = &SystemClock();
  // Set from another thread: no operation waits for its KMS any longer, and its helper is killed.
  std::shared_ptr<const std::atomic<bool>> interrupted = nullptr;
};

class HelperKeyProvider : public KeyProvider {
 public:
  explicit HelperKeyProvider(KeyAccess access, HelperOptions options = {});

  KmsResult<WrappedKey> Wrap(const SecretBytes& plaintext,
                             const EncryptionContext& context) override;
  KmsResult<SecretBytes> Unwrap(const WrappedKey& wrapped,
                                const EncryptionContext& context) override;
  KmsResult<KeyFacts> Describe() override;
  KmsResult<std::string> Identify() override;

 private:
  KmsResult<HelperAnswer> Ask(HelperRequest request);

  KeyAccess access_;
  HelperOptions options_;
};

class HelperKeyProviderFactory : public KeyProviderFactory {
 public:
  explicit HelperKeyProviderFactory(HelperOptions options = {}) : options_(std::move(options)) {}
  std::unique_ptr<KeyProvider> NewProvider(const KeyAccess& access) override {
    return std::make_unique<HelperKeyProvider>(access, options_);
  }

 private:
  HelperOptions options_;
};

}  // namespace freehold
