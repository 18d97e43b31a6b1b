#include "kms/embedded/policy.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace freehold::embedded {
namespace {

using testing::HasSubstr;

constexpr const char* kAccount = "111122223333";
constexpr const char* kRole = "arn:aws:iam::111122223333:role/cmek";

Principal RoleSession() {
  return {Principal::Kind::kRoleSession, kAccount, "cmek", "s", "AROAX:s"};
}

std::string Statement(std::string_view extra, std::string_view principal = R"({"AWS":"*"})",
                      std::string_view effect = "Allow") {
  return fmt::format(
      R"({{"Version":"2012-10-17","Statement":[{{"Effect":"{}","Principal":{},"Action":"kms:Decrypt",)"
      R"("Resource":"*"{}}}]}})",
      effect, principal, extra);
}

PolicyVerdict Judge(const std::string& policy, const PolicyRequest& request) {
  const auto parsed = Policy::Parse(policy, PolicyKind::kKey);
  EXPECT_TRUE(parsed.ok()) << parsed.error().message();
  return parsed.ok() ? parsed->Evaluate(request) : PolicyVerdict();
}

PolicyRequest Decrypting(ConditionContext conditions = {}) {
  return {RoleSession(), "kms:Decrypt", "arn:aws:kms:us-east-1:111122223333:key/k",
          std::move(conditions)};
}

std::string Refusal(const std::string& policy, PolicyKind kind = PolicyKind::kKey) {
  const auto parsed = Policy::Parse(policy, kind);
  return parsed.ok() ? "" : parsed.error().message();
}

TEST(Policy, NamesARoleSessionByItsRoleItsOwnArnOrItsAccount) {
  const auto judge = [](const char* principal) {
    return Judge(Statement("", principal), Decrypting());
  };
  EXPECT_TRUE(judge(R"("*")").allowed);
  EXPECT_TRUE(judge(R"({"AWS":"arn:aws:iam::111122223333:role/cmek"})").allowed);
  EXPECT_TRUE(judge(R"({"AWS":["arn:aws:sts::111122223333:assumed-role/cmek/s"]})").allowed);
  EXPECT_FALSE(judge(R"({"AWS":"arn:aws:sts::111122223333:assumed-role/cmek/t"})").allowed);
  EXPECT_FALSE(judge(R"({"AWS":"arn:aws:iam::111122223333:role/other"})").allowed);
  for (const char* account :
       {R"({"AWS":"arn:aws:iam::111122223333:root"})", R"({"AWS":"111122223333"})"}) {
    EXPECT_FALSE(judge(account).allowed);
    EXPECT_TRUE(judge(account).delegated);
  }
  EXPECT_FALSE(judge(R"({"AWS":"arn:aws:iam::444455556666:root"})").delegated);
  EXPECT_FALSE(judge(R"({"Service":"logs.amazonaws.com"})").allowed);
}

TEST(Policy, LetsADenyOfTheAccountDenyEverybodyInIt) {
  const auto verdict = Judge(Statement("", R"({"AWS":"111122223333"})", "Deny"), Decrypting());
  EXPECT_TRUE(verdict.denied);
}

TEST(Policy, MatchesActionsWithWildcardsWhateverTheirCase) {
  for (const char* action : {"kms:*", "*", "kms:De*", "KMS:decrypt", "kms:D?crypt"}) {
    std::string policy = Statement("");
    policy.replace(policy.find("kms:Decrypt"), 11, action);
    EXPECT_TRUE(Judge(policy, Decrypting()).allowed) << action;
  }
  std::string policy = Statement("");
  policy.replace(policy.find("kms:Decrypt"), 11, "kms:Decrypt?");
  EXPECT_FALSE(Judge(policy, Decrypting()).allowed);
}

TEST(Policy, HonoursConditionsOnTheEncryptionContext) {
  const std::string policy =
      Statement(R"(,"Condition":{"StringEquals":{"kms:EncryptionContext:freehold:cluster":"c1"}})");
  EXPECT_TRUE(
      Judge(policy, Decrypting({{"kms:encryptioncontext:freehold:cluster", {"c1"}}})).allowed);
  EXPECT_FALSE(
      Judge(policy, Decrypting({{"kms:encryptioncontext:freehold:cluster", {"c2"}}})).allowed);
  EXPECT_FALSE(Judge(policy, Decrypting()).allowed);
  const std::string keys = Statement(
      R"(,"Condition":{"ForAllValues:StringEquals":{"kms:EncryptionContextKeys":["a","b"]}})");
  EXPECT_TRUE(Judge(keys, Decrypting({{"kms:encryptioncontextkeys", {"a", "b"}}})).allowed);
  EXPECT_FALSE(Judge(keys, Decrypting({{"kms:encryptioncontextkeys", {"a", "c"}}})).allowed);
  const std::string any =
      Statement(R"(,"Condition":{"ForAnyValue:StringLike":{"kms:EncryptionContextKeys":"a*"}})");
  EXPECT_TRUE(Judge(any, Decrypting({{"kms:encryptioncontextkeys", {"x", "ab"}}})).allowed);
  EXPECT_FALSE(Judge(any, Decrypting()).allowed);
}

struct OperatorCase {
  const char* condition;
  bool when_equal;      // aws:PrincipalArn is the role
  bool when_different;  // is another one
  bool when_absent;
};

class PolicyOperator : public testing::TestWithParam<OperatorCase> {};

TEST_P(PolicyOperator, DecidesAsIamDoes) {
  const std::string policy = Statement(fmt::format(
      R"(,"Condition":{{"{}":{{"aws:PrincipalArn":"{}"}}}})", GetParam().condition, kRole));
  EXPECT_EQ(Judge(policy, Decrypting({{"aws:principalarn", {kRole}}})).allowed,
            GetParam().when_equal);
  EXPECT_EQ(Judge(policy, Decrypting({{"aws:principalarn", {"arn:aws:iam::1:role/x"}}})).allowed,
            GetParam().when_different);
  EXPECT_EQ(Judge(policy, Decrypting()).allowed, GetParam().when_absent);
}

INSTANTIATE_TEST_SUITE_P(All, PolicyOperator,
                         testing::Values(OperatorCase{"StringEquals", true, false, false},
                                         OperatorCase{"StringEqualsIfExists", true, false, true},
                                         OperatorCase{"StringNotEquals", false, true, true},
                                         OperatorCase{"StringLike", true, false, false},
                                         OperatorCase{"StringNotLike", false, true, true},
                                         OperatorCase{"StringEqualsIgnoreCase", true, false, false},
                                         OperatorCase{"ArnLike", true, false, false},
                                         OperatorCase{"ArnNotEquals", false, true, true}));

TEST(Policy, UnderstandsBoolAndNull) {
  const std::string null =
      Statement(R"(,"Condition":{"Null":{"kms:EncryptionContextKeys":"true"}})");
  EXPECT_TRUE(Judge(null, Decrypting()).allowed);
  EXPECT_FALSE(Judge(null, Decrypting({{"kms:encryptioncontextkeys", {"a"}}})).allowed);
  const std::string grants =
      Statement(R"(,"Condition":{"Bool":{"kms:GrantIsForAWSResource":true}})");
  EXPECT_FALSE(Judge(grants, Decrypting()).allowed);
}

TEST(Policy, RefusesWhatItWouldNotHonour) {
  EXPECT_THAT(Refusal("nonsense"), HasSubstr("not JSON"));
  EXPECT_THAT(Refusal("[]"), HasSubstr("object"));
  EXPECT_THAT(Refusal(R"({"Version":"2012-10-17"})"), HasSubstr("no Statement"));
  EXPECT_THAT(Refusal(R"({"Version":"2020-01-01","Statement":[]})"), HasSubstr("Version"));
  EXPECT_THAT(Refusal(Statement(R"(,"NotAction":"kms:Encrypt")")), HasSubstr("NotAction"));
  EXPECT_THAT(Refusal(Statement(R"(,"NotPrincipal":"*")")), HasSubstr("NotPrincipal"));
  EXPECT_THAT(Refusal(Statement(R"(,"Condition":{"NumericEquals":{"kms:CallerAccount":"1"}})")),
              HasSubstr("NumericEquals"));
  EXPECT_THAT(Refusal(Statement(R"(,"Condition":{"StringEquals":{"aws:SourceIp":"1"}})")),
              HasSubstr("aws:SourceIp"));
  EXPECT_THAT(
      Refusal(Statement(R"(,"Condition":{"StringEquals":{"kms:EncryptionContextKeys":"a"}})")),
      HasSubstr("ForAllValues"));
  EXPECT_THAT(Refusal(Statement("", R"({"AWS":"arn:aws:iam::1:role/x"})")),
              HasSubstr("invalid principals"));
  EXPECT_THAT(Refusal(Statement("", R"({"CanonicalUser":"x"})")), HasSubstr("CanonicalUser"));
  EXPECT_THAT(Refusal(Statement("", R"("*")", "Perhaps")), HasSubstr("Effect"));
  EXPECT_THAT(Refusal(Statement(""), PolicyKind::kTrust), HasSubstr("Resource"));
  EXPECT_THAT(Refusal(Statement(""), PolicyKind::kIdentity), HasSubstr("Principal"));
  EXPECT_THAT(Refusal(std::string(33 * 1024, ' ')), HasSubstr("32 KiB"));
}

TEST(GlobMatch, AgreesWithASimpleRecursiveDefinition) {
  const std::function<bool(std::string_view, std::string_view)> simple = [&](std::string_view p,
                                                                             std::string_view t) {
    if (p.empty()) return t.empty();
    if (p[0] == '*') {
      return simple(p.substr(1), t) || (!t.empty() && simple(p, t.substr(1)));
    }
    return !t.empty() && (p[0] == '?' || p[0] == t[0]) && simple(p.substr(1), t.substr(1));
  };
  const std::string_view letters = "ab*?";
  for (int i = 0; i < 1024; ++i) {
    for (int j = 0; j < 64; ++j) {
      std::string pattern, text;
      for (int k = 0; k < 5; ++k) pattern.push_back(letters[(i >> (2 * k)) & 3]);
      for (int k = 0; k < 6; ++k) text.push_back(letters[(j >> k) & 1]);
      ASSERT_EQ(GlobMatch(pattern, text), simple(pattern, text)) << pattern << " " << text;
    }
  }
}

}  // namespace
}  // namespace freehold::embedded
