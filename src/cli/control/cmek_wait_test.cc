#include "cli/control/cmek_wait.h"

#include <boost/json.hpp>

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "net/scripted_server.h"

namespace freehold::cli {
namespace {

boost::json::object Info(const std::string& status, const std::string& custody = "") {
  boost::json::object region = {
      {"region", "r1"}, {"status", status}, {"key_infos", {{{"user_message", "the KMS says no"}}}}};
  if (!custody.empty()) region["custody"] = {{"state", custody}};
  return {{"status", status}, {"region_infos", {region}}};
}

TEST(CmekWaitTest, AnEnableGoesOnUntilItIsEnabledOrFailed) {
  for (const char* status : {"ENABLING", "ROTATING", "DISABLING"}) {
    EXPECT_EQ(ProgressOf(Info(status), CmekGoal::kEnabled), CmekProgress::kGoesOn) << status;
  }
  EXPECT_EQ(ProgressOf(Info("ENABLED"), CmekGoal::kEnabled), CmekProgress::kReached);
  for (const char* status : {"ENABLE_FAILED", "ROTATE_FAILED", "REVOKING", "REVOKED", "DISABLED"}) {
    EXPECT_EQ(ProgressOf(Info(status), CmekGoal::kEnabled), CmekProgress::kFailed) << status;
  }
}

TEST(CmekWaitTest, ARevocationEndsWhenEveryNodeHasConfirmedIt) {
  EXPECT_EQ(ProgressOf(Info("REVOKING"), CmekGoal::kRevoked), CmekProgress::kGoesOn);
  EXPECT_EQ(ProgressOf(Info("REVOKED"), CmekGoal::kRevoked), CmekProgress::kReached);
  for (const char* status : {"REVOKE_FAILED", "ENABLED", "ENABLING"}) {
    EXPECT_EQ(ProgressOf(Info(status), CmekGoal::kRevoked), CmekProgress::kFailed) << status;
  }
}

TEST(CmekWaitTest, ARestoreEndsWhenTheNodesAreOpenAgain) {
  EXPECT_EQ(ProgressOf(Info("ENABLED", "sealed"), CmekGoal::kRestored), CmekProgress::kGoesOn);
  EXPECT_EQ(ProgressOf(Info("ENABLED", "open"), CmekGoal::kRestored), CmekProgress::kReached);
  EXPECT_EQ(ProgressOf(Info("ENABLED"), CmekGoal::kRestored), CmekProgress::kReached);
  EXPECT_EQ(ProgressOf(Info("ENABLED", "sealed"), CmekGoal::kEnabled), CmekProgress::kReached);
}

TEST(CmekWaitTest, GoesOnThroughAnOutageAndEndsWithTheKmsWords) {
  const auto answer = [](const std::string& status) {
    return HttpResponse{200, {}, boost::json::serialize(Info(status))};
  };
  ScriptedServer server({answer("ENABLING"), HttpResponse{503, {}, ""}, answer("ENABLE_FAILED")});
  ApiClient client({server.Url(), "", SecretBytes::CopyOf(AsBytes("fhk_x"))});
  const auto end = WaitForCmek(client, "/cmek", CmekGoal::kEnabled, std::chrono::minutes(1));
  ASSERT_FALSE(end.ok());
  EXPECT_EQ(end.error().code(), ErrorCode::kPrecondition);
  EXPECT_EQ(end.error().message(), "the keys are ENABLE_FAILED; r1: the KMS says no");
  ScriptedServer refusing({HttpResponse{404, {}, R"({"code":5,"message":"gone"})"}});
  ApiClient other({refusing.Url(), "", SecretBytes::CopyOf(AsBytes("fhk_x"))});
  EXPECT_EQ(WaitForCmek(other, "/cmek", CmekGoal::kEnabled, std::chrono::minutes(1)).error().code(),
            ErrorCode::kNotFound);
}

}  // namespace
}  // namespace freehold::cli
