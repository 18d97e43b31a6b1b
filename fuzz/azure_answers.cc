// What Key Vault, Entra and the instance metadata service, or whoever answers in their place, may
// send: kms/azure/.
//
// Input: a byte that chooses the credentials and the request, the status, the headers, the body of
// every answer.
#include "fuzz/fuzzing.h"
#include "fuzz/no_network.h"
#include "kms/azure/azure_key_provider.h"

using namespace freehold;

namespace {

const std::string kVersion = "0123456789abcdef0123456789abcdef";

Surroundings SurroundingsWith(bool secret) {
  Surroundings surroundings;
  surroundings.pause = [](Duration) {};
  surroundings.environment = [secret](const std::string& name) -> std::optional<std::string> {
    if (name == "AZURE_CLIENT_ID") return "app";
    if (name == "AZURE_CLIENT_SECRET" && secret) return "very-secret";
    return std::nullopt;
  };
  return surroundings;
}

void UnwrapWith(azure::AzureKeyProvider& provider, const std::string& algorithm) {
  const auto key = provider.Unwrap({{1, 2, 3}, kVersion, algorithm}, {{"freehold:cluster", "c1"}});
  if (key.has_value()) FUZZ_EXPECT(key->size() == kKeySize);
}

void Wrap(azure::AzureKeyProvider& provider) {
  const auto wrapped = provider.Wrap(SecretBytes(kKeySize), {});
  if (!wrapped.has_value()) return;
  FUZZ_EXPECT(!wrapped->ciphertext.empty());
  FUZZ_EXPECT(wrapped->key_version.size() == kVersion.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzInput input(data, size);
  const std::uint8_t which = input.Byte();
  HttpResponse answer;
  answer.status = std::atoi(input.Line().substr(0, 3).c_str());
  answer.headers = input.Headers();
  answer.body = input.RestText();
  AnswerEveryRequestWith(std::move(answer));

  const bool secret = which % 2 == 0;
  const bool pinned = which / 2 % 2 == 1;
  const std::string path = pinned ? "/" + kVersion : "";
  azure::AzureKeyProvider provider(
      {*KeyUri::Parse("https://acme.vault.azure.net/keys/orders" + path), secret ? "tenant" : "",
       ""},
      SurroundingsWith(secret));
  switch (which / 4 % 4) {
    case 0:
      Wrap(provider);
      break;
    case 1:
      UnwrapWith(provider, which / 16 % 2 == 0 ? "RSA-OAEP-256" : "A256KW");
      break;
    case 2:
      (void)provider.Describe();
      break;
    default:
      (void)provider.Identify();
  }
  return 0;
}
