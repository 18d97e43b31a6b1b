#include "kms/embedded/key_store.h"

#include <fcntl.h>

#include "base/file_lock.h"
#include "base/log.h"

namespace freehold::embedded {
Result<std::unique_ptr<KeyStore>> KeyStore::Open(const std::string& directory) {
  std::unique_ptr<KeyStore> store(new KeyStore(directory));
  TRY(MakeDirectories(directory, 0700));
  TRY(store->Lock());
  TRY(store->Load());
  return store;
}

Status KeyStore::Lock() {
  lock_ = TRY(OpenFile(directory_ + "/lock", O_RDWR | O_CREAT));
  return LockAlone(lock_, directory_, fmt::format("another process serves {}", directory_));
}

Status KeyStore::Load() {
  const std::string path = directory_ + "/store";
  is_new_ = !PathExists(path);
  master_ = TRY(MasterKey::Open(directory_, is_new_));
  if (is_new_ && PathExists(directory_ + "/credentials")) return StoreRefused(path, "is missing");
  states_ = TRY(StateStore<State>::Open(path, master_, EncodeState, DecodeState));
  return {};
}

AwsStatus KeyStore::Update(const std::function<AwsStatus(State&)>& change) {
  return states_->Update<AwsStatus>(change, [](const Error& error) -> AwsStatus {
    LogError("kms", error.message());
    return InternalFailure();
  });
}

}  // namespace freehold::embedded
