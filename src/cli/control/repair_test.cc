#include "cli/control/repair.h"

#include <boost/json.hpp>

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace freehold::cli {
namespace {

namespace json = boost::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

json::object Cluster(const std::string& state = "running") {
  return {{"name", "orders"}, {"organization_id", "org"}, {"service_state", state}};
}

json::object Region(const std::string& status, const std::string& state, const std::string& reason,
                    const std::string& uri =
                        "arn:aws:kms:us-east-1:111122223333:key/"
                        "11111111-2222-3333-4444-555555555555") {
  return {{"region", "us-east-1"},
          {"status", status},
          {"key_infos", {{{"spec", {{"uri", uri}, {"auth_principal", "arn:aws:iam::1:role/r"}}}}}},
          {"custody", {{"state", state}, {"reason", reason}}}};
}

TEST(RepairTest, NothingIsToBeDoneWhereNothingIsAmiss) {
  EXPECT_THAT(RepairsOf(Cluster(), Region("ENABLED", "open", ""), {}), IsEmpty());
  EXPECT_THAT(RepairsOf(Cluster(), Region("ROTATING", "open", ""), {}), IsEmpty());
}

TEST(RepairTest, ADeniedKeyIsEnabledByItsOwnerAndChecked) {
  EXPECT_THAT(
      RepairsOf(Cluster(), Region("ENABLED", "sealed", "denied"), {}),
      ElementsAre(StartsWith("aws kms enable-key --region us-east-1 --key-id arn:aws:kms:"),
                  AllOf(StartsWith("freehold key check aws-kms://arn:aws:kms:us-east-1:"),
                        HasSubstr("--principal arn:aws:iam::1:role/r --external-id org "))));
}

TEST(RepairTest, EachKmsHasItsOwnCommand) {
  const auto first = [](const std::string& uri) {
    return RepairsOf(Cluster(), Region("ENABLED", "sealed", "denied", uri), {}).front();
  };
  EXPECT_THAT(first("projects/acme-1/locations/global/keyRings/r/cryptoKeys/k"),
              StartsWith("gcloud kms keys versions enable VERSION --key k --keyring r "
                         "--location global --project acme-1"));
  EXPECT_THAT(first("https://acme.vault.azure.net/keys/k"),
              StartsWith("az keyvault key set-attributes --enabled true --id "
                         "https://acme.vault.azure.net/keys/k"));
  EXPECT_THAT(first("pkcs11:token=t;object=k"),
              StartsWith("freehold key check 'pkcs11:token=t;object=k'"));
}

TEST(RepairTest, AnOutageIsLookedAtAndNothingIsEnabled) {
  for (const char* state : {"grace", "sealed"}) {
    EXPECT_THAT(RepairsOf(Cluster(), Region("ENABLED", state, "grace"), {}),
                ElementsAre(StartsWith("freehold key check ")));
  }
}

TEST(RepairTest, WhatWasRevokedIsRestoredWhateverElseIsAmiss) {
  EXPECT_THAT(RepairsOf(Cluster(), Region("REVOKED", "sealed", "denied"), {}),
              ElementsAre(StartsWith("freehold cmek restore orders ")));
  EXPECT_THAT(RepairsOf(Cluster(), Region("REVOKING", "open", ""), {}),
              ElementsAre(StartsWith("freehold cluster nodes orders ")));
}

TEST(RepairTest, AFailedChangeIsMadeAgainAndAStoppedClusterStarted) {
  EXPECT_THAT(RepairsOf(Cluster(), Region("ENABLE_FAILED", "open", ""), {}),
              ElementsAre(StartsWith("freehold key check "),
                          StartsWith("freehold cmek rotate orders -f MANIFEST")));
  EXPECT_THAT(RepairsOf(Cluster("stopped"), Region("ENABLED", "sealed", "stopped"), {}),
              ElementsAre("freehold cluster start orders --wait"));
}

TEST(RepairTest, TheOperatorsKeyIsTheOneThatTheNodesName) {
  const json::object region = {{"status", "DISABLED"},
                               {"key_infos", json::array()},
                               {"custody", {{"state", "sealed"}, {"reason", "denied"}}}};
  const json::array nodes = {{{"key_uri",
                               "aws-kms://arn:aws:kms:us-east-1:444455556666:key/"
                               "11111111-2222-3333-4444-555555555555"}}};
  EXPECT_THAT(RepairsOf(Cluster(), region, nodes),
              ElementsAre(HasSubstr("here the operator"), StartsWith("freehold key check ")));
  EXPECT_THAT(RepairsOf(Cluster(), region, {}), IsEmpty());
}

TEST(RepairTest, WhatOthersNamedIsQuotedForAShell) {
  json::object cluster = Cluster();
  cluster["name"] = "a'; rm -rf /";
  EXPECT_THAT(RepairsOf(cluster, Region("REVOKED", "sealed", "revoked"), {}).front(),
              StartsWith("freehold cmek restore 'a'\\''; rm -rf /' "));
}

}  // namespace
}  // namespace freehold::cli
