#include "kms/embedded/accounts.h"

#include <algorithm>

#include "crypto/crypto.h"
#include "kms/embedded/ids.h"

namespace freehold::embedded {

Status AddAccount(KeyStore& store, const std::string& account, const std::string& profile,
                  WallTime now) {
  const bool profile_fits = !profile.empty() && profile.size() <= 64 &&
                            std::all_of(profile.begin(), profile.end(), [](unsigned char c) {
                              return std::isalnum(c) != 0 || c == '-' || c == '_';
                            });
  if (!IsAccountId(account) || !profile_fits) {
    return Error(ErrorCode::kInvalidArgument,
                 "an account is 12 digits, its profile letters, digits, '-' and '_'");
  }
  const auto current = store.Read();  // held: another thread may publish the next one meanwhile
  for (const auto& [id, name] : current->accounts) {
    if (id == account || name == profile) {
      return Error(ErrorCode::kAlreadyExists,
                   fmt::format("account {} has the profile {} already", id, name));
    }
  }
  AccessKey access{NewUniqueId("AKIA"), account, "", {}, now};
  access.sealed_secret = TRY(store.Seal(NewSecretAccessKey(), access.id));
  const auto updated = store.Update([&](State& state) -> AwsStatus {
    state.accounts.emplace(account, profile);
    state.access.emplace(access.id, access);
    return {};
  });
  if (!updated.ok()) return Error(ErrorCode::kIo, updated.error().message);
  return {};
}

Status WriteCredentials(const KeyStore& store) {
  const auto state = store.Read();
  std::string text =
      "# Written by freehold kms serve. Whoever reads this file owns the accounts.\n";
  for (const auto& [id, access] : state->access) {
    if (!access.user.empty()) continue;
    const auto profile = state->accounts.find(access.account);
    if (profile == state->accounts.end()) continue;
    const SecretBytes secret = TRY(store.Unseal(access.sealed_secret, id));
    text += fmt::format("\n[{}]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
                        profile->second, id, AsText(secret.ExposeSecret()));
  }
  return ReplaceFile(store.directory() + "/credentials", AsBytes(text), 0600);
}

Status WriteConfig(const KeyStore& store, const std::string& url) {
  std::string text = fmt::format(
      "# Written by freehold kms serve at every start. Use it with\n"
      "#   export AWS_CONFIG_FILE={0}/config AWS_SHARED_CREDENTIALS_FILE={0}/credentials\n"
      "#   aws --profile customer --endpoint-url {1} kms list-keys\n"
      "# AWS CLI from 2.13 on reads endpoint_url by itself.\n",
      store.directory(), url);
  const auto state = store.Read();
  for (const auto& [account, profile] : state->accounts) {
    text += fmt::format("\n[profile {}]\n# account {}\nregion = us-east-1\nendpoint_url = {}\n",
                        profile, account, url);
  }
  return ReplaceFile(store.directory() + "/config", AsBytes(text), 0600);
}

}  // namespace freehold::embedded
