// What a Vault, or whoever answers in its place, may send: kms/vault/.
//
// Input: a byte that chooses the request, the status, the headers, the body.
#include "fuzz/fuzzing.h"
#include "fuzz/no_network.h"
#include "kms/vault/classify.h"
#include "kms/vault/vault_key_provider.h"

using namespace freehold;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzInput input(data, size);
  const std::uint8_t which = input.Byte();
  HttpResponse answer;
  answer.status = std::atoi(input.Line().substr(0, 3).c_str());
  answer.headers = input.Headers();
  answer.body = input.RestText();
  AnswerEveryRequestWith(answer);

  Surroundings surroundings;
  surroundings.pause = [](Duration) {};
  surroundings.environment = [which](const std::string& name) -> std::optional<std::string> {
    if (name == "VAULT_ADDR") return "https://127.0.0.1:8200";
    if (name == (which % 2 == 0 ? "VAULT_TOKEN" : "VAULT_ROLE_ID")) return "t";
    return std::nullopt;
  };
  // The authority that no_network.cc finds in every URL.
  const auto uri = KeyUri::Parse("hcvault://nowhere:443/transit/keys/k");
  vault::VaultKeyProvider provider({*uri, "", ""}, surroundings);
  switch (which / 2 % 4) {
    case 0:
      return void(provider.Wrap(SecretBytes::CopyOf(Bytes(32, 1)), {})), 0;
    case 1: {
      const auto key = provider.Unwrap({ToBytes(AsBytes("vault:v1:AAAA")), "1", ""}, {});
      FUZZ_EXPECT(!key.has_value() || key->size() == 32);
      return 0;
    }
    case 2:
      return void(provider.Describe()), 0;
    default:
      return void(provider.Identify()), 0;
  }
}
