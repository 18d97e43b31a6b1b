#include "kms/embedded/google/accounts.h"

#include "crypto/crypto.h"
#include "fmt/format.h"

namespace freehold::embedded::google {
namespace {

namespace json = boost::json;

constexpr int kKeyBits = 2048;

std::string LabelOf(const std::string& key_id) { return "google service account key " + key_id; }

}  // namespace

std::string EmailOf(const std::string& id, const std::string& project) {
  return fmt::format("{}@{}.iam.gserviceaccount.com", id, project);
}

std::string NewUniqueNumber() {
  std::string number = "1";
  for (const std::uint8_t octet : RandomBytes(20)) number += static_cast<char>('0' + octet % 10);
  return number;
}

std::string NewKeyId() { return HexEncode(RandomBytes(20)); }

json::object CredentialsFile(const std::string& email, const std::string& project,
                             const std::string& key_id, const SecretBytes& private_pem,
                             const std::string& unique_id, const std::string& token_uri) {
  return {{"type", "service_account"},
          {"project_id", project},
          {"private_key_id", key_id},
          {"private_key", AsText(private_pem.ExposeSecret())},
          {"client_email", email},
          {"client_id", unique_id},
          {"auth_uri", "https://accounts.google.com/o/oauth2/auth"},
          {"token_uri", token_uri},
          {"universe_domain", "googleapis.com"}};
}

Result<FirstAccount> AddProject(State& state, const MasterKey& master, const std::string& project,
                                const std::string& account) {
  FirstAccount first{EmailOf(account, project), NewKeyId(), {}};
  const RsaKey key = TRY(RsaKey::Generate(kKeyBits));
  first.private_pem = TRY(master.Seal(key.PrivatePem(), LabelOf(first.key_id)));
  state.projects.insert(project);
  state.accounts[first.email] = {project,
                                 "owns the project",
                                 NewUniqueNumber(),
                                 false,
                                 {{first.key_id, PublicKey{key.Modulus(), key.Exponent()}}}};
  state.policies["projects/" + project]["roles/owner"].insert("serviceAccount:" + first.email);
  return first;
}

Result<SecretBytes> UnsealFirstKey(const MasterKey& master, const FirstAccount& account) {
  return master.Unseal(account.private_pem, LabelOf(account.key_id));
}

}  // namespace freehold::embedded::google
