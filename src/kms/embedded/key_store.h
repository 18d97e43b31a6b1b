// KeyStore: the State on disk: sealed, checked, durable before anybody is told.
//
//   DIR/master.key   seals every secret and authenticates the stores (master_key.h)
//   DIR/store        the State as JSON (state_store.h)
//   DIR/lock         held while a process serves this directory
//
// A store that is missing beside its credentials is refused too. Errors: kBusy (another process),
// kFileCorrupt, or the disk's. Threads: safe.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/posix_file.h"
#include "base/secret_bytes.h"
#include "kms/embedded/aws_failure.h"
#include "kms/embedded/state.h"
#include "kms/embedded/state_store.h"

namespace freehold::embedded {

class KeyStore {
 public:
  // Makes the directory and an empty store the first time.
  static Result<std::unique_ptr<KeyStore>> Open(const std::string& directory);

  std::shared_ptr<const State> Read() const { return states_->Read(); }

  // Runs `change` on a copy; on success writes it durably and publishes it. A failure of `change`
  // changes nothing and is returned; one of the disk is KMSInternalException.
  AwsStatus Update(const std::function<AwsStatus(State&)>& change);

  // Secrets under the master key; `label` says what the secret is and must match to unseal.
  Result<Bytes> Seal(const SecretBytes& secret, std::string_view label) const {
    return master_.Seal(secret, label);
  }
  Result<SecretBytes> Unseal(ByteView sealed, std::string_view label) const {
    return master_.Unseal(sealed, label);
  }
  const MasterKey& master() const { return master_; }

  const std::string& directory() const { return directory_; }
  bool is_new() const { return is_new_; }

 private:
  explicit KeyStore(std::string directory) : directory_(std::move(directory)) {}
  Status Lock();
  Status Load();

  std::string directory_;
  UniqueFd lock_;
  MasterKey master_;
  std::unique_ptr<StateStore<State>> states_;
  bool is_new_ = false;
};

}  // namespace freehold::embedded
