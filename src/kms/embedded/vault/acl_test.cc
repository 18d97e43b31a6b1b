#include "kms/embedded/vault/acl.h"

#include "gtest/gtest.h"

namespace freehold::embedded::vault {
namespace {

bool May(std::string_view rules, std::string_view path, std::string_view capability,
         const boost::json::object& parameters = {}) {
  const auto parsed = ParseAcl(rules);
  EXPECT_TRUE(parsed.ok()) << rules;
  return parsed.ok() && Allows(*parsed, path, capability, parameters);
}

TEST(VaultAcl, AllowsWhatARuleSaysAndNothingElse) {
  const char* rules = R"(# comment
    path "transit/decrypt/k" { capabilities = ["update", "read"] })";
  EXPECT_TRUE(May(rules, "transit/decrypt/k", "update"));
  EXPECT_FALSE(May(rules, "transit/decrypt/k", "delete"));
  EXPECT_FALSE(May(rules, "transit/decrypt/k2", "update"));
  EXPECT_FALSE(May(rules, "transit/decrypt", "update"));
  EXPECT_FALSE(May("", "transit/decrypt/k", "update"));
}

TEST(VaultAcl, TheBestFittingRuleDecides) {
  const char* rules = R"(path "transit/*" { capabilities = ["update"] }
                         path "transit/+/secret" { capabilities = ["deny"] }
                         path "transit/decrypt/secret" { capabilities = ["update"] })";
  EXPECT_TRUE(May(rules, "transit/encrypt/k", "update"));
  EXPECT_FALSE(May(rules, "transit/encrypt/secret", "update"));
  EXPECT_TRUE(May(rules, "transit/decrypt/secret", "update"));
}

TEST(VaultAcl, ParametersCanBeHeldToValues) {
  const char* rules = R"(path "p" { capabilities = ["update"]
    allowed_parameters = { "ciphertext" = [], "associated_data" = ["e30="] } })";
  EXPECT_TRUE(May(rules, "p", "update", {{"ciphertext", "x"}, {"associated_data", "e30="}}));
  EXPECT_FALSE(May(rules, "p", "update", {{"associated_data", "other"}}));
  EXPECT_FALSE(May(rules, "p", "update", {{"context", "x"}}));
}

TEST(VaultAcl, RefusesWhatItDoesNotUnderstand) {
  for (const char* rules :
       {"path", "path \"p\"", "path \"p\" {", "path \"p\" { capabilities = }",
        "path \"p\" { capabilities = [\"fly\"] }", "path \"p\" { max_wrapping_ttl = \"1s\" }",
        "path \"p { }", "path \"p\" { capabilities = [ }", "%", "path \"a\\\"b\" { }"}) {
    EXPECT_EQ(ParseAcl(rules).error().code(), ErrorCode::kInvalidArgument) << rules;
  }
}

}  // namespace
}  // namespace freehold::embedded::vault
