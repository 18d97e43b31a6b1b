// The key policies that services ask their customers for (requirements/), each held to its letter:
// accepted, sufficient, and every action removed from it takes away just that operation.
#include "kms/embedded/authorize.h"

#include <boost/json.hpp>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace freehold::embedded {
namespace {

namespace json = boost::json;
using testing::HasSubstr;

constexpr const char* kCustomer = "111122223333";
constexpr const char* kServiceAccount = "576599896960";

Call CallOf(Principal caller) {
  Call call;
  call.caller = std::move(caller);
  call.region = "us-west-2";
  return call;
}
Principal Root(const char* account) { return {Principal::Kind::kRoot, account, "", "", account}; }
Principal Session(const char* account, const char* role) {
  return {Principal::Kind::kRoleSession, account, role, "session", "AROAX:session"};
}

constexpr const char* kAllowAll =
    R"({"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}})";
constexpr const char* kAdministration =
    R"({"Sid":"Admin","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},)"
    R"("Action":"kms:*","Resource":"*"})";

State WithRole(const char* account, const char* name, bool with_identity_policy) {
  State state;
  state.accounts[kCustomer] = "customer";
  Role role;
  role.account = account;
  role.name = name;
  if (with_identity_policy) role.policies["all"] = kAllowAll;
  state.roles[{account, name}] = role;
  return state;
}

Key KeyWith(const std::string& policy) {
  Key key;
  key.id = "1234abcd-12ab-34cd-56ef-1234567890ab";
  key.account = kCustomer;
  key.region = "us-west-2";
  key.policy = policy;
  return key;
}

bool May(const State& state, const Principal& caller, const std::string& policy,
         const std::string& action) {
  return AuthorizeKey(state, CallOf(caller), action, KeyWith(policy)).ok();
}

std::string PolicyOf(const json::object& statement) {
  return json::serialize(
      json::object{{"Version", "2012-10-17"},
                   {"Id", "policy"},
                   {"Statement", json::array({statement, json::parse(kAdministration)})}});
}

const std::vector<std::string> kOperations = {"Encrypt",
                                              "Decrypt",
                                              "ReEncryptFrom",
                                              "ReEncryptTo",
                                              "DescribeKey",
                                              "GetPublicKey",
                                              "GenerateDataKey",
                                              "GenerateDataKeyWithoutPlaintext",
                                              "GenerateDataKeyPair",
                                              "GetKeyRotationStatus",
                                              "PutKeyPolicy",
                                              "ScheduleKeyDeletion"};

// Removes each action of the statement in turn: exactly what it matched is lost.
void EveryActionCarriesItsOperation(const State& state, const Principal& caller,
                                    const json::object& statement) {
  ASSERT_TRUE(
      CheckKeyPolicy(state, CallOf(Root(kCustomer)), KeyWith(""), PolicyOf(statement), false).ok());
  const json::array actions = statement.at("Action").as_array();
  for (std::size_t removed = 0; removed <= actions.size(); ++removed) {
    json::array left = actions;
    if (removed < actions.size()) left.erase(left.begin() + static_cast<long>(removed));
    json::object changed = statement;
    changed["Action"] = left;
    for (const std::string& operation : kOperations) {
      bool listed = false;
      for (const json::value& action : left) {
        listed |= GlobMatch(std::string(action.as_string()), "kms:" + operation);
      }
      EXPECT_EQ(May(state, caller, PolicyOf(changed), operation), listed)
          << operation << " without action " << removed;
    }
  }
}

TEST(RequiredPolicies, ClickHouseNamesItsOwnAccountsRole) {
  const State state = WithRole(kServiceAccount, "prod-kms-request-role", true);
  const json::object statement =
      json::parse(R"({"Sid": "Allow ClickHouse Access", "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::576599896960:role/prod-kms-request-role"},
        "Action": ["kms:GetPublicKey", "kms:Decrypt", "kms:GenerateDataKeyPair", "kms:Encrypt",
                   "kms:GetKeyRotationStatus", "kms:GenerateDataKey", "kms:DescribeKey"],
        "Resource": "*"})")
          .as_object();
  EveryActionCarriesItsOperation(state, Session(kServiceAccount, "prod-kms-request-role"),
                                 statement);
  EXPECT_FALSE(May(state, Session(kServiceAccount, "other"), PolicyOf(statement), "Decrypt"));
  EXPECT_FALSE(May(state, Root(kServiceAccount), PolicyOf(statement), "Decrypt"));
}

TEST(RequiredPolicies, CockroachNamesARoleInTheCustomersAccount) {
  // The role needs no policy of its own: within an account the key's policy is enough.
  const State state = WithRole(kCustomer, "CockroachCloudCmek", false);
  const json::object statement =
      json::parse(R"({"Sid": "Allow use of the key for CMEK", "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::111122223333:role/CockroachCloudCmek"},
        "Action": ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey*", "kms:DescribeKey",
                   "kms:ReEncrypt*"],
        "Resource": "*"})")
          .as_object();
  EveryActionCarriesItsOperation(state, Session(kCustomer, "CockroachCloudCmek"), statement);
}

TEST(RequiredPolicies, TidbNamesAnAccountAndUseThroughAService) {
  const State state = WithRole(kServiceAccount, "backup", true);
  const json::object backup =
      json::parse(R"({"Sid": "Allow TiDB cloud role to use KMS to store encrypted backup to S3",
        "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::576599896960:root"},
        "Action": ["kms:Decrypt", "kms:GenerateDataKey"], "Resource": "*"})")
          .as_object();
  EveryActionCarriesItsOperation(state, Session(kServiceAccount, "backup"), backup);
  EXPECT_TRUE(May(state, Root(kServiceAccount), PolicyOf(backup), "Decrypt"));

  const json::object ebs = json::parse(R"({"Sid": "Allow access through EBS", "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*",
                   "kms:CreateGrant", "kms:DescribeKey"],
        "Resource": "*",
        "Condition": {"StringEquals": {"kms:CallerAccount": "576599896960",
                                       "kms:ViaService": "ec2.us-west-2.amazonaws.com"}}})")
                               .as_object();
  const auto policy = Policy::Parse(PolicyOf(ebs), PolicyKind::kKey);
  ASSERT_TRUE(policy.ok());
  PolicyRequest request{Session(kServiceAccount, "backup"), "kms:Encrypt", "arn", {}};
  request.conditions = {{"kms:calleraccount", {kServiceAccount}},
                        {"kms:viaservice", {"ec2.us-west-2.amazonaws.com"}}};
  EXPECT_TRUE(policy->Evaluate(request).allowed);
  request.conditions["kms:calleraccount"] = {kCustomer};
  EXPECT_FALSE(policy->Evaluate(request).allowed);
  // Nobody reaches this KMS through another service, so on the wire the statement never applies.
  EXPECT_FALSE(May(state, Session(kServiceAccount, "backup"), PolicyOf(ebs), "Encrypt"));
}

TEST(AuthorizeKey, NeedsBothSidesAcrossAccounts) {
  const std::string policy =
      PolicyOf(json::parse(R"({"Effect":"Allow","Principal":{"AWS":"*"},"Action":"kms:Decrypt",
                               "Resource":"*"})")
                   .as_object());
  EXPECT_TRUE(
      May(WithRole(kServiceAccount, "r", true), Session(kServiceAccount, "r"), policy, "Decrypt"));
  const auto refused =
      AuthorizeKey(WithRole(kServiceAccount, "r", false), CallOf(Session(kServiceAccount, "r")),
                   "Decrypt", KeyWith(policy));
  EXPECT_THAT(refused.error().message,
              HasSubstr("User: arn:aws:sts::576599896960:assumed-role/r/session is not authorized "
                        "to perform: kms:Decrypt on resource: arn:aws:kms:us-west-2:111122223333:"
                        "key/1234abcd-12ab-34cd-56ef-1234567890ab because no identity-based"));
  EXPECT_FALSE(May(WithRole(kServiceAccount, "r", true), Root(kServiceAccount),
                   PolicyOf({{"Effect", "Allow"},
                             {"Principal", {{"AWS", kCustomer}}},
                             {"Action", "kms:*"},
                             {"Resource", "*"}}),
                   "Decrypt"));
}

TEST(AuthorizeKey, LetsAnExplicitDenyWin) {
  const json::object deny =
      json::parse(R"({"Effect":"Deny","Principal":"*","Action":"kms:Decrypt","Resource":"*"})")
          .as_object();
  EXPECT_FALSE(May(State(), Root(kCustomer), PolicyOf(deny), "Decrypt"));
  EXPECT_TRUE(May(State(), Root(kCustomer), PolicyOf(deny), "Encrypt"));
}

TEST(CheckKeyPolicy, RefusesToLockOutItsAuthorUnlessTold) {
  const std::string policy =
      R"({"Statement":{"Effect":"Allow","Principal":"*","Action":"kms:Decrypt","Resource":"*"}})";
  const auto check = [&](bool bypass) {
    return CheckKeyPolicy(State(), CallOf(Root(kCustomer)), KeyWith(""), policy, bypass);
  };
  EXPECT_EQ(check(false).error().code, "MalformedPolicyDocumentException");
  EXPECT_TRUE(check(true).ok());
}

TEST(CheckKeyPolicy, RefusesPrincipalsThatDoNotExistHere) {
  const json::object statement{{"Effect", "Allow"},
                               {"Principal", {{"AWS", "arn:aws:iam::111122223333:role/nobody"}}},
                               {"Action", "kms:Decrypt"},
                               {"Resource", "*"}};
  const auto checked =
      CheckKeyPolicy(WithRole(kCustomer, "somebody", false), CallOf(Root(kCustomer)), KeyWith(""),
                     PolicyOf(statement), false);
  EXPECT_THAT(checked.error().message, HasSubstr("invalid principals"));
}

TEST(AuthorizeAssumeRole, WantsTheExternalIdOfTheTrustPolicy) {
  State state;
  Role role;
  role.account = kCustomer;
  role.name = "r";
  role.trust_policy = R"({"Statement":{"Effect":"Allow","Principal":{"AWS":"444455556666"},
      "Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"org-1"}}}})";
  const Call call = CallOf(Root("444455556666"));
  EXPECT_TRUE(AuthorizeAssumeRole(state, call, role, {"s", "org-1"}).ok());
  EXPECT_FALSE(AuthorizeAssumeRole(state, call, role, {"s", "org-2"}).ok());
  EXPECT_FALSE(AuthorizeAssumeRole(state, call, role, {"s", ""}).ok());
  EXPECT_FALSE(AuthorizeAssumeRole(state, CallOf(Root("777788889999")), role, {"s", "org-1"}).ok());
}

}  // namespace
}  // namespace freehold::embedded
