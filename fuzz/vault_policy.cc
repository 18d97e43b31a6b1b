// A policy that a customer writes into the embedded Vault: kms/embedded/vault/acl.h; and its store.
//
// Input: a byte that chooses, then the text.
#include <boost/json.hpp>

#include "fuzz/fuzzing.h"
#include "kms/embedded/vault/acl.h"
#include "kms/embedded/vault/vault_state.h"

using namespace freehold::embedded::vault;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  freehold::FuzzInput input(data, size);
  if (input.Byte() % 2 == 0) {
    const auto rules = ParseAcl(input.RestText());
    if (rules.ok()) (void)Allows(*rules, "transit/decrypt/k", "update", {{"ciphertext", "x"}});
    return 0;
  }
  const auto state = DecodeVaultState(input.RestText());
  if (!state.ok()) return 0;
  const std::string encoded = EncodeVaultState(*state);
  const auto again = DecodeVaultState(encoded);
  FUZZ_EXPECT(again.ok() && EncodeVaultState(*again) == encoded);
  return 0;
}
