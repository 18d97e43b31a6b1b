#include "api/owner_commands.h"

#include "base/bytes.h"
#include "fmt/format.h"

namespace freehold::api {

std::string ShellQuoted(const std::string& word) {
  constexpr std::string_view kHarmless =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:@=%,+";
  if (!word.empty() && word.find_first_not_of(kHarmless) == std::string::npos) return word;
  std::string quoted = "'";
  for (const char c : Printable(word)) quoted += c == '\'' ? "'\\''" : std::string(1, c);
  return quoted + "'";
}

std::string EnableCommand(const KeyUri& uri) {
  switch (uri.type()) {
    case KmsType::kAwsKms:
      return fmt::format("aws kms enable-key --region {} --key-id {}", uri.aws().region,
                         uri.AwsArn());
    case KmsType::kGcpCloudKms:
      return fmt::format(
          "gcloud kms keys versions enable VERSION --key {} --keyring {} --location {} "
          "--project {}",
          uri.gcp().key, uri.gcp().key_ring, uri.gcp().location, ShellQuoted(uri.gcp().project));
    case KmsType::kAzureKeyVault:
      return fmt::format("az keyvault key set-attributes --enabled true --id https://{}/keys/{}",
                         uri.azure().host, uri.azure().key);
    case KmsType::kHashicorpVault:
    case KmsType::kPkcs11:
    case KmsType::kKmip:
      break;
  }
  return "";
}

std::vector<std::string> CancelDeletionCommands(const KeyUri& uri) {
  switch (uri.type()) {
    case KmsType::kAwsKms:
      return {fmt::format("aws kms cancel-key-deletion --region {} --key-id {}   # cancels it",
                          uri.aws().region, uri.AwsArn()),
              EnableCommand(uri) + "   # then: a key that was saved is disabled"};
    case KmsType::kGcpCloudKms:
      return {fmt::format("gcloud kms keys versions restore VERSION --key {} --keyring {} "
                          "--location {} --project {}   # cancels it",
                          uri.gcp().key, uri.gcp().key_ring, uri.gcp().location,
                          ShellQuoted(uri.gcp().project)),
              EnableCommand(uri) + "   # then: a version that was saved is disabled"};
    case KmsType::kAzureKeyVault:
      return {
          fmt::format("az keyvault key recover --id https://{}/deletedkeys/{}   # brings it back",
                      uri.azure().host, uri.azure().key)};
    case KmsType::kHashicorpVault:
    case KmsType::kPkcs11:
    case KmsType::kKmip:
      break;
  }
  return {};
}

}  // namespace freehold::api
