// KeyStore: the State on disk: sealed, checked, durable before anybody is told.
//
//   DIR/master.key   32 random bytes, 0600: seals every secret and authenticates the store
//   DIR/store        one line "freehold-kms-store 1 HMAC-SHA256", then the State as JSON
//   DIR/lock         held while a process serves this directory
//
// A store that is damaged, missing beside its credentials, or of another master key is refused
// and left as it is. Errors: kBusy (another process), kFileCorrupt, or the disk's.
// Threads: safe. Readers get an immutable State; updates are one at a time, all or nothing.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/posix_file.h"
#include "base/secret_bytes.h"
#include "kms/embedded/aws_failure.h"
#include "kms/embedded/state.h"

namespace freehold::embedded {

class KeyStore {
 public:
  // Makes the directory and an empty store the first time.
  static Result<std::unique_ptr<KeyStore>> Open(const std::string& directory);

  std::shared_ptr<const State> Read() const;

  // Runs `change` on a copy; on success writes it durably and publishes it. A failure of `change`
  // changes nothing and is returned; one of the disk is KMSInternalException.
  AwsStatus Update(const std::function<AwsStatus(State&)>& change);

  // Secrets under the master key; `label` says what the secret is and must match to unseal.
  Result<Bytes> Seal(const SecretBytes& secret, std::string_view label) const;
  Result<SecretBytes> Unseal(ByteView sealed, std::string_view label) const;

  const std::string& directory() const { return directory_; }
  bool is_new() const { return is_new_; }

 private:
  explicit KeyStore(std::string directory) : directory_(std::move(directory)) {}
  Status Lock();
  Status LoadMasterKey();
  Status Load();
  Status Save(const State& state) const;
  std::string StorePath() const { return directory_ + "/store"; }

  std::string directory_;
  UniqueFd lock_;
  SecretBytes sealing_key_;
  SecretBytes checking_key_;
  bool is_new_ = false;
  std::mutex writing_;  // one update at a time
  mutable std::mutex publishing_;
  std::shared_ptr<const State> state_;
};

}  // namespace freehold::embedded
