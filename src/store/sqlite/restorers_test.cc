// Where accounts and API keys come from, as the store keeps it, and what follows for a restore.
#include "control/restorers.h"

#include <filesystem>

#include "control/clusters.h"
#include "control/contacts.h"
#include "control/credentials.h"
#include "control/organizations.h"
#include "control/outbox.h"
#include "control/project_clusters.h"
#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "store/sqlite/sqlite_store.h"

namespace freehold::store {
namespace {

using control::Caller;
using control::Kind;
using control::Role;
using control::Transaction;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using namespace std::chrono_literals;

constexpr Duration kWait = 72h;
const api::RegionSpec kSpec{"us-east-1",
                            {"AWS_KMS", "arn:aws:kms:us-east-1:111122223333:key/k1", "role"}};

// What a record has, whatever release it is of.
struct BodyOf {
  Status Erase(Transaction& transaction, Kind kind, const std::string& id,
               const std::string& field) {
    auto record = *TRY(transaction.Get(kind, id));
    const auto begin = record.body.find("\"" + field + "\":");
    const auto end = record.body.find_first_of(",}", begin);
    record.body.erase(begin, end + 1 - begin);
    if (!record.body.ends_with('}')) record.body.back() = '}';
    return transaction.Put(record);
  }
};

class Restorers : public testing::Test {
 protected:
  Restorers() {
    EXPECT_NE(mkdtemp(directory_.data()), nullptr);
    store_ = std::move(*OpenSqliteStore(directory_ + "/freehold.db"));
    credentials_.emplace(*store_, clock_, kWait);
    clusters_.emplace(*store_, clock_);
    EXPECT_TRUE(credentials_
                    ->Bootstrap([&](const std::string& secret) {
                      operator_ = secret;
                      return Status();
                    })
                    .ok());
    organization_ = control::Organizations(*store_, clock_)
                        .Create(Of(operator_), "acme", {true, {}, {}, {}})
                        ->id;
    admin_ = NewKey(operator_, NewAccount(operator_, Role::kOrganizationAdmin));
    clock_.Advance(1h);
  }
  ~Restorers() override { std::filesystem::remove_all(directory_); }

  Caller Of(const std::string& secret) { return *credentials_->Authenticate(secret); }
  std::string NewAccount(const std::string& by, Role role, const std::string& name = "account") {
    const auto made =
        credentials_->CreateAccount(Of(by), organization_, fmt::format("{}{}", name, ++accounts_),
                                    {{role, {organization_, "", ""}}});
    EXPECT_TRUE(made.ok()) << made.error().message();
    return made->id;
  }
  std::string NewKey(const std::string& by, const std::string& account) {
    const auto made = credentials_->CreateKey(Of(by), account, fmt::format("key{}", ++keys_));
    EXPECT_TRUE(made.ok()) << made.error().message();
    return made->secret;
  }
  std::string New(const std::string& by, Role role) { return NewKey(by, NewAccount(by, role)); }
  std::string NewCluster(const std::string& name = "orders") {
    return clusters_->Create(Of(admin_), {name, "", {{"us-east-1", 1}}, {kSpec}})->id;
  }
  Status Act(const std::string& by, const std::string& cluster, api::CmekAction action) {
    const auto done = clusters_->Act(Of(by), cluster, action);
    return done.ok() ? Status() : done.error();
  }
  Status Revoke(const std::string& by, const std::string& cluster) {
    clock_.Advance(1s);
    return Act(by, cluster, api::CmekAction::kRevoke);
  }
  Status Restore(const std::string& by, const std::string& cluster) {
    return Act(by, cluster, api::CmekAction::kRestore);
  }
  std::string RefusalOf(const std::string& by, const std::string& cluster) {
    const Status refused = Restore(by, cluster);
    return refused.ok() ? "" : refused.error().message();
  }
  // Of all messages that wait: type and text.
  std::vector<std::pair<std::string, std::string>> Messages() {
    std::map<std::string, control::Outbox::Waiting> waiting;
    control::Outbox outbox(*store_, clock_, "test", {});
    EXPECT_TRUE(outbox.Refresh(waiting).ok());
    std::vector<std::pair<std::string, std::string>> all;
    for (const auto& [id, one] : waiting) {
      const auto leased = outbox.Lease(id);
      if (!leased.ok() || !leased->has_value()) continue;
      all.emplace_back((*leased)->message.type, (*leased)->message.text);
      EXPECT_TRUE(outbox.Delivered((*leased)->message).ok());
    }
    return all;
  }
  void AddContact(control::ContactPurpose purpose, const std::string& address) {
    ASSERT_TRUE(
        control::Contacts(*store_, clock_, nullptr)
            .Create(Of(admin_), {organization_, purpose, control::ContactKind::kEmail, address})
            .ok());
  }

  std::string directory_ = "/tmp/freehold-store-XXXXXX";
  FakeClock clock_;
  std::unique_ptr<control::Store> store_;
  std::optional<control::Credentials> credentials_;
  std::optional<control::Clusters> clusters_;
  std::string operator_, organization_, admin_;
  int accounts_ = 0;
  int keys_ = 0;
};

TEST_F(Restorers, TheLastAdministratorMakesACustodianAndWaits) {
  const std::string cluster = NewCluster();
  ASSERT_TRUE(Revoke(admin_, cluster).ok());
  const std::string custodian = New(admin_, Role::kKeyCustodian);
  const WallTime from = Of(custodian).MatureAt();
  EXPECT_THAT(RefusalOf(custodian, cluster), HasSubstr("from " + FormatTime(from) + " on"));
  clock_.Advance(kWait + -1s);
  EXPECT_THAT(RefusalOf(custodian, cluster), HasSubstr(FormatTime(from)));
  clock_.Advance(1s);
  EXPECT_EQ(RefusalOf(admin_, cluster),
            "these keys are restored by another service account than the one that revoked them");
  EXPECT_TRUE(Restore(custodian, cluster).ok());
}

TEST_F(Restorers, TheYoungerOfAccountAndKeyCounts) {
  const std::string cluster = NewCluster();
  const std::string account = NewAccount(admin_, Role::kKeyCustodian);
  ASSERT_TRUE(Revoke(admin_, cluster).ok());
  clock_.Advance(24h);
  const std::string late = NewKey(admin_, account);
  clock_.Advance(kWait + -24h);
  EXPECT_THAT(RefusalOf(late, cluster), HasSubstr("may restore them from"));
  clock_.Advance(24h);
  EXPECT_TRUE(Restore(late, cluster).ok());
}

TEST_F(Restorers, WhatIsMadeAnewWaitsAnew) {
  const std::string cluster = NewCluster();
  ASSERT_TRUE(Revoke(admin_, cluster).ok());
  const std::string account = NewAccount(admin_, Role::kKeyCustodian);
  NewKey(admin_, account);
  clock_.Advance(kWait);
  ASSERT_TRUE(credentials_->DeleteAccount(Of(admin_), account).ok());
  const std::string again = New(admin_, Role::kKeyCustodian);
  EXPECT_THAT(RefusalOf(again, cluster), HasSubstr("may restore them from"));
}

TEST_F(Restorers, TheOperatorsHandIsKnownThroughWhoeverItMade) {
  const std::string cluster = NewCluster();
  const std::string old = NewAccount(admin_, Role::kOrganizationAdmin);
  const std::string custodian = New(admin_, Role::kKeyCustodian);
  ASSERT_TRUE(Revoke(custodian, cluster).ok());
  clock_.Advance(1h);
  // An account of the operator's, a key of the operator's for one that was there, and what these
  // make: an account with a key, a key for an old account, and so on.
  const std::string theirs = New(operator_, Role::kOrganizationAdmin);
  const std::string their_key = NewKey(operator_, old);
  const std::string second = New(their_key, Role::kOrganizationAdmin);
  const std::vector<std::string> made = {theirs,
                                         their_key,
                                         second,
                                         New(theirs, Role::kOrganizationAdmin),
                                         NewKey(theirs, old),
                                         New(second, Role::kOrganizationAdmin),
                                         NewKey(second, old)};
  // The customer's own key for an account of the operator's is no way around.
  const std::string mixed = NewKey(admin_, Of(theirs).service_account);
  clock_.Advance(24h * 365);
  for (const std::string& key : made) {
    EXPECT_THAT(RefusalOf(key, cluster), HasSubstr("never restores these keys"));
  }
  EXPECT_THAT(RefusalOf(mixed, cluster), HasSubstr("never restores these keys"));
  // For a later revocation all of them are as good as the first administrator was.
  ASSERT_TRUE(Restore(admin_, cluster).ok());
  ASSERT_TRUE(Revoke(custodian, cluster).ok());
  EXPECT_TRUE(Restore(second, cluster).ok());
}

TEST_F(Restorers, AThiefWhoDeletesTheOthersLeavesTheOwnerNoWayOverTheApi) {
  const std::string cluster = NewCluster();
  const std::string thief = New(admin_, Role::kOrganizationAdmin);  // by the stolen key
  ASSERT_TRUE(credentials_->DeleteAccount(Of(thief), Of(admin_).service_account).ok());
  ASSERT_TRUE(Revoke(thief, cluster).ok());
  const std::string owner = New(operator_, Role::kOrganizationAdmin);
  ASSERT_TRUE(credentials_->DeleteAccount(Of(owner), Of(thief).service_account).ok());
  const std::string custodian = New(owner, Role::kKeyCustodian);
  clock_.Advance(24h * 365);
  EXPECT_THAT(RefusalOf(owner, cluster), HasSubstr("the role ORG_ADMIN revoked"));
  EXPECT_THAT(RefusalOf(custodian, cluster), HasSubstr("never restores these keys"));
}

TEST_F(Restorers, RecordsOfOlderReleasesCountAsMadeByTheOperator) {
  const std::string cluster = NewCluster();
  const std::string old = New(admin_, Role::kKeyCustodian);
  ASSERT_TRUE(Revoke(admin_, cluster).ok());
  const std::string young = New(admin_, Role::kKeyCustodian);
  const auto forget = [&](const std::string& key) {
    const Caller caller = Of(key);
    ASSERT_TRUE(store_
                    ->Change([&](Transaction& transaction) -> Status {
                      const std::string field = "operator_touched_at";
                      TRY(BodyOf().Erase(transaction, Kind::kServiceAccount, caller.service_account,
                                         field));
                      return BodyOf().Erase(transaction, Kind::kApiKey, caller.api_key, field);
                    })
                    .ok());
    EXPECT_EQ(Of(key).operator_touched_at, Of(key).since);
  };
  forget(old);
  forget(young);
  clock_.Advance(kWait);
  EXPECT_THAT(RefusalOf(young, cluster), HasSubstr("never restores these keys"));
  EXPECT_TRUE(Restore(old, cluster).ok());
}

TEST_F(Restorers, AClockThatWasSetBackMakesNobodyOld) {
  const std::string cluster = NewCluster();
  ASSERT_TRUE(Revoke(admin_, cluster).ok());
  const WallTime revoked = clock_.Wall();
  clock_.AdvanceWallOnly(-24h * 30);
  const std::string custodian = New(admin_, Role::kKeyCustodian);
  EXPECT_EQ(Of(custodian).since, revoked);
  EXPECT_THAT(RefusalOf(custodian, cluster), HasSubstr("may restore them from"));
  New(operator_, Role::kOrganizationAdmin);
  clock_.AdvanceWallOnly(24h * 30 + kWait);
  EXPECT_TRUE(Restore(custodian, cluster).ok());
}

TEST_F(Restorers, AKeyThatWillRestoreIsToldOnceForAllThatIsRevoked) {
  AddContact(control::ContactPurpose::kSecurity, "ciso@acme.example");
  AddContact(control::ContactPurpose::kTechnical, "oncall@acme.example");
  const std::string old = NewAccount(admin_, Role::kKeyCustodian);
  for (int i = 0; i < 12; ++i) {
    ASSERT_TRUE(Revoke(admin_, NewCluster(fmt::format("c{:02}", i))).ok());
  }
  EXPECT_EQ(Messages().size(), 12u);
  const auto account = NewAccount(admin_, Role::kKeyCustodian, "spare");
  EXPECT_THAT(Messages(), IsEmpty());  // without a key it can do nothing
  const std::string key = NewKey(admin_, account);
  const auto told = Messages();
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].first, "restore.awaited");
  for (const std::string& words :
       {std::string("The service account account1 made the API key key2 of the service account "
                    "spare"),
        std::string("the cluster c"), std::string(" and 2 more were revoked"),
        "at " + FormatTime(Of(key).MatureAt()) + ":", "freehold account delete " + account,
        "freehold api-key delete " + Of(key).api_key}) {
    EXPECT_THAT(told[0].second, HasSubstr(words));
  }
  // For an account that was there already, too; and not for who will never restore any of it.
  NewKey(admin_, old);
  EXPECT_EQ(Messages().size(), 1u);
  New(admin_, Role::kOrganizationAdmin);  // the role that revoked
  New(admin_, Role::kClusterAdmin);
  New(operator_, Role::kOrganizationAdmin);
  EXPECT_THAT(Messages(), IsEmpty());
}

TEST_F(Restorers, AProjectIsToldAsAWholeAlsoWithoutClusters) {
  AddContact(control::ContactPurpose::kSecurity, "ciso@acme.example");
  control::Organizations organizations(*store_, clock_);
  control::ProjectClusters projects(*store_, clock_, *clusters_);
  for (const char* name : {"empty", "shop"}) {
    const auto project = organizations.CreateProject(Of(admin_), name, true);
    ASSERT_TRUE(projects.Update(Of(admin_), project->id, {kSpec}).ok());
    if (std::string(name) == "shop") {
      ASSERT_TRUE(
          clusters_->Create(Of(admin_), {"orders", project->id, {{"us-east-1", 1}}, {}}).ok());
    }
    const auto revoked = projects.Act(Of(admin_), project->id, api::CmekAction::kRevoke);
    ASSERT_TRUE(revoked.ok());
    EXPECT_THAT(revoked->restore_warning, HasSubstr("No other service account"));
  }
  EXPECT_THAT(Messages().at(0).second, HasSubstr("No other service account"));
  New(admin_, Role::kKeyCustodian);
  const auto told = Messages();
  ASSERT_EQ(told.size(), 1u);
  EXPECT_THAT(told[0].second, HasSubstr("the project "));
  EXPECT_THAT(told[0].second, HasSubstr("empty"));
  EXPECT_THAT(told[0].second, HasSubstr("shop"));
  EXPECT_THAT(told[0].second, Not(HasSubstr("orders")));
}

TEST_F(Restorers, ARevocationThatNobodyCouldTakeBackSaysSo) {
  AddContact(control::ContactPurpose::kSecurity, "ciso@acme.example");
  const auto warning_for = [&](const std::string& key) {
    std::string warning;
    EXPECT_TRUE(store_
                    ->Read([&](Transaction& transaction) -> Status {
                      const auto all = TRY(control::LoadAll<control::Cluster>(
                          transaction, Kind::kCluster, organization_, {}));
                      warning = TRY(control::RestoreWarning(transaction, all.front(), {}, Of(key),
                                                            clock_.Wall()));
                      return {};
                    })
                    .ok());
    return warning;
  };
  const std::string cluster = NewCluster();
  const std::string reader = New(admin_, Role::kReadOnly);
  const std::string writer = New(admin_, Role::kClusterOperator);
  NewAccount(admin_, Role::kKeyCustodian);  // without an API key: nobody is there
  EXPECT_EQ(warning_for(admin_),
            "No other service account could restore these keys now: make one with the role "
            "KEY_CUSTODIAN, and an API key for other hands; made before the revocation it may "
            "restore at once, made after it only 72h later.");
  EXPECT_EQ(warning_for(writer), "");  // the administrator could
  EXPECT_EQ(warning_for(reader), "");  // it revokes nothing
  ASSERT_TRUE(Revoke(admin_, cluster).ok());
  EXPECT_THAT(Messages().at(0).second, HasSubstr("with the role KEY_CUSTODIAN"));
  const std::string custodian = New(admin_, Role::kKeyCustodian);
  Messages();
  EXPECT_THAT(warning_for(reader), HasSubstr("No other service account"));
  clock_.Advance(kWait + 1s);
  EXPECT_EQ(warning_for(reader), "");
  ASSERT_TRUE(Restore(custodian, cluster).ok());
  EXPECT_EQ(warning_for(admin_), "");
  ASSERT_TRUE(Revoke(admin_, cluster).ok());
  const auto told = Messages();
  EXPECT_THAT(told.back().second, Not(HasSubstr("No other service account")));
}

TEST_F(Restorers, WhereOnlyTheCustodianRevokesAnAdministratorIsAskedFor) {
  const std::string custodian = New(admin_, Role::kKeyCustodian);
  const std::string cluster = NewCluster();
  ASSERT_TRUE(
      credentials_->DeleteAccount(Of(custodian), Of(admin_).service_account).error().code() ==
      ErrorCode::kForbidden);
  ASSERT_TRUE(credentials_->DeleteAccount(Of(operator_), Of(admin_).service_account).ok());
  std::string warning;
  ASSERT_TRUE(store_
                  ->Read([&](Transaction& transaction) -> Status {
                    const auto loaded = TRY(control::Load<control::Cluster>(
                        transaction, Kind::kCluster, cluster, "cluster"));
                    warning = TRY(control::RestoreWarning(transaction, loaded, {}, Of(custodian),
                                                          clock_.Wall()));
                    return {};
                  })
                  .ok());
  EXPECT_THAT(warning, HasSubstr("with the role ORG_ADMIN"));
}

}  // namespace
}  // namespace freehold::store
