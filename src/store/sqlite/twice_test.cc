// A database may ask for a change once more: whatever control/ does in one must bear that.
#include <filesystem>

#include "control/clusters.h"
#include "control/credentials.h"
#include "control/organizations.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "store/sqlite/sqlite_store.h"

namespace freehold::store {
namespace {

using control::Transaction;

// Takes each change back, and does it again.
class TwiceStore : public control::Store {
 public:
  explicit TwiceStore(control::Store& store) : store_(store) {}

  Status Change(const std::function<Status(Transaction&)>& work) override {
    const Status first = store_.Change([&](Transaction& transaction) -> Status {
      TRY(work(transaction));
      return Error(ErrorCode::kNotReady, "once more");
    });
    EXPECT_EQ(first.error().message(), "once more");
    return store_.Change(work);
  }
  Status Read(const std::function<Status(Transaction&)>& work) override {
    TRY(store_.Read(work));
    return store_.Read(work);
  }
  Result<control::StoreState> State() override { return store_.State(); }

 private:
  control::Store& store_;
};

TEST(TwiceStore, AnOrganizationWithItsKeysAndClustersIsMadeOnce) {
  std::string directory = "/tmp/freehold-store-XXXXXX";
  ASSERT_NE(mkdtemp(directory.data()), nullptr);
  const auto opened = std::move(*OpenSqliteStore(directory + "/freehold.db"));
  TwiceStore store(*opened);
  const FakeClock clock;
  control::Credentials credentials(store, clock);
  const auto caller_of = [&](const std::string& secret) {
    return *credentials.Authenticate(secret);
  };
  std::string shown;
  ASSERT_TRUE(credentials
                  .Bootstrap([&](const std::string& secret) {
                    shown += secret;
                    return Status();
                  })
                  .ok());
  const control::Caller caller = caller_of(shown);

  const auto organization =
      control::Organizations(store, clock).Create(caller, "acme", {true, {}, {}, {}});
  ASSERT_TRUE(organization.ok());
  const auto account =
      credentials.CreateAccount(caller, organization->id, "admin",
                                {{control::Role::kOrganizationAdmin, {organization->id, "", ""}}});
  ASSERT_TRUE(account.ok()) << account.error().message();
  const auto key = credentials.CreateKey(caller, account->id, "key");
  ASSERT_TRUE(key.ok());
  const control::Caller admin = caller_of(key->secret);

  control::Clusters clusters(store, clock);
  const api::KeySpec spec{"AWS_KMS", "arn:aws:kms:us-east-1:111122223333:key/k1", "role"};
  const auto made = clusters.Create(
      admin, {"orders", "", {{"us-east-1", 1}}, {api::RegionSpec{"us-east-1", spec}}});
  ASSERT_TRUE(made.ok()) << made.error().message();
  EXPECT_EQ(clusters.List(admin, {})->size(), 1u);
  EXPECT_TRUE(clusters.Act(admin, made->id, api::CmekAction::kRevoke).ok());
  ASSERT_TRUE(store
                  .Read([&](Transaction& transaction) -> Status {
                    const auto events = TRY(transaction.Events(organization->id, 0, 0));
                    EXPECT_EQ(events.size(), 5u);
                    EXPECT_EQ(events.back().position, 5u);
                    return {};
                  })
                  .ok());
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace freehold::store
