#include <boost/json.hpp>
#include <filesystem>

#include "gtest/gtest.h"
#include "kms/embedded/google/operation.h"
#include "kms/embedded/google/operations.h"

namespace freehold::embedded::google {
namespace {

constexpr const char* kEmail = "freehold@p.iam.gserviceaccount.com";

class AccountDeletedMeanwhile : public testing::Test {
 protected:
  AccountDeletedMeanwhile() {
    Change([](State& state) {
      state.projects = {"p"};
      state.accounts[kEmail] = {"p", "", "1", false, {{"k", {{1}, {1}}}}};
      state.policies["projects/p"]["roles/owner"] = {"serviceAccount:owner@p"};
    });
    looked_at_ = store_->Read();
    Change([](State& state) { state.accounts.erase(kEmail); });
  }
  ~AccountDeletedMeanwhile() override { std::filesystem::remove_all(directory_); }

  static std::string NewDirectory() {
    std::string path = "/tmp/freehold-test-XXXXXX";  // mkdtemp fills in the last six
    return mkdtemp(path.data());
  }

  void Change(const std::function<void(State&)>& change) {
    const auto make = [&](State& state) -> Status {
      change(state);
      return {};
    };
    const auto failed = [](const Error& error) -> Status { return error; };
    EXPECT_TRUE(store_->Update<Status>(make, failed).ok());
  }

  void ExpectNotFound(Answer (*run)(Operation&), const std::string& below) {
    const std::string path = std::string("/v1/projects/p/serviceAccounts/") + kEmail + below;
    const Target target = ParseTarget(path);
    DialectCall call;
    call.caller = "owner@p";
    Operation op{*store_, master_, looked_at_, target, body_, call, ""};
    const Answer answer = run(op);
    ASSERT_FALSE(answer.ok()) << path;
    EXPECT_EQ(answer.error().status, "NOT_FOUND") << answer.error().message;
    EXPECT_TRUE(store_->Read()->accounts.empty()) << path;
  }

  const std::string directory_ = NewDirectory();
  const MasterKey master_ = *MasterKey::Open(directory_, true);
  const std::unique_ptr<Store> store_ =
      *Store::Open(directory_ + "/google.store", master_, EncodeState, DecodeState);
  const boost::json::object body_;
  std::shared_ptr<const State> looked_at_;
};

TEST_F(AccountDeletedMeanwhile, IsNotMadeAgain) {
  ExpectNotFound(DisableServiceAccount, "");
  ExpectNotFound(EnableServiceAccount, "");
  ExpectNotFound(DeleteServiceAccount, "");
  ExpectNotFound(CreateAccountKey, "/keys");
  ExpectNotFound(DeleteAccountKey, "/keys/k");
}

}  // namespace
}  // namespace freehold::embedded::google
