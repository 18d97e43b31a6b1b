// What every Store must do, as one suite of tests: `INSTANTIATE_TYPED_TEST_SUITE_P(Name,
// StoreConformance, Opener)`, where Opener makes stores: `Open()` gives the same one again, as a
// second server would see it. For tests only.
#pragma once

#include <algorithm>
#include <thread>
#include <vector>

#include "control/store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace freehold::control {

template <typename Opener>
class StoreConformance : public testing::Test {
 protected:
  Status Put(const Record& record) {
    return store_->Change([&](Transaction& transaction) { return transaction.Put(record); });
  }
  std::optional<Record> Get(Kind kind, const std::string& id) {
    std::optional<Record> found;
    EXPECT_TRUE(store_
                    ->Read([&](Transaction& transaction) -> Status {
                      found = TRY(transaction.Get(kind, id));
                      return {};
                    })
                    .ok());
    return found;
  }
  std::vector<std::string> Ids(const std::string& owner, const Page& page) {
    std::vector<std::string> ids;
    EXPECT_TRUE(store_
                    ->Read([&](Transaction& transaction) -> Status {
                      ids.clear();
                      for (const Record& record :
                           TRY(transaction.List(Kind::kCluster, owner, page))) {
                        ids.push_back(record.id);
                      }
                      return {};
                    })
                    .ok());
    return ids;
  }
  static Record Cluster(const std::string& id, const std::string& name = "",
                        const std::string& owner = "o1") {
    return {Kind::kCluster, id, owner, name, R"({"n":"é'\"--"})", 0};
  }

  Opener opener_;
  std::unique_ptr<Store> store_ = opener_.Open();
};

TYPED_TEST_SUITE_P(StoreConformance);

TYPED_TEST_P(StoreConformance, KeepsWhatWasPutAcrossAReopening) {
  ASSERT_TRUE(this->Put(this->Cluster("c1", "first")).ok());
  this->store_ = this->opener_.Open();
  const auto found = this->Get(Kind::kCluster, "c1");
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->name, "first");
  EXPECT_EQ(found->owner, "o1");
  EXPECT_EQ(found->body, this->Cluster("c1").body);
  EXPECT_FALSE(this->Get(Kind::kNode, "c1").has_value());
}

TYPED_TEST_P(StoreConformance, ATransactionThatFailsLeavesNothing) {
  const auto before = this->store_->State();
  const Status failed = this->store_->Change([&](Transaction& transaction) -> Status {
    TRY(transaction.Put(this->Cluster("c1")));
    TRY(transaction.Append({0, "o1", "{}"}));
    return Error(ErrorCode::kPrecondition, "no");
  });
  EXPECT_EQ(failed.error().code(), ErrorCode::kPrecondition);
  EXPECT_FALSE(this->Get(Kind::kCluster, "c1").has_value());
  EXPECT_EQ(this->store_->State()->revision, before->revision);
}

TYPED_TEST_P(StoreConformance, NamesAreUniqueBelowTheirOwner) {
  ASSERT_TRUE(this->Put(this->Cluster("c1", "same")).ok());
  EXPECT_EQ(this->Put(this->Cluster("c2", "same")).error().code(), ErrorCode::kAlreadyExists);
  EXPECT_TRUE(this->Put(this->Cluster("c3", "same", "o2")).ok());
  EXPECT_TRUE(this->Put(this->Cluster("c1", "same")).ok());   // itself
  EXPECT_TRUE(this->Put(this->Cluster("c1", "other")).ok());  // renamed
  EXPECT_TRUE(this->Put(this->Cluster("c2", "same")).ok());
  EXPECT_TRUE(this->Put(this->Cluster("c4")).ok());  // no name: as many as one likes
  EXPECT_TRUE(this->Put(this->Cluster("c5")).ok());
}

TYPED_TEST_P(StoreConformance, ListsAnOwnersInPages) {
  for (const char* id : {"c3", "c1", "c5", "c2", "c4"}) {
    ASSERT_TRUE(this->Put(this->Cluster(id)).ok());
  }
  ASSERT_TRUE(this->Put(this->Cluster("c0", "", "o2")).ok());
  EXPECT_THAT(this->Ids("o1", {}), testing::ElementsAre("c1", "c2", "c3", "c4", "c5"));
  EXPECT_THAT(this->Ids("o1", {"", 2}), testing::ElementsAre("c1", "c2"));
  EXPECT_THAT(this->Ids("o1", {"c2", 2}), testing::ElementsAre("c3", "c4"));
  EXPECT_THAT(this->Ids("o1", {"c4", 2}), testing::ElementsAre("c5"));
  EXPECT_THAT(this->Ids("none", {}), testing::IsEmpty());
}

TYPED_TEST_P(StoreConformance, EveryChangeHasANewRevisionThatReadersCanFollow) {
  const std::uint64_t first = this->store_->State()->revision;
  ASSERT_TRUE(this->Put(this->Cluster("c1")).ok());
  ASSERT_TRUE(this->Put(this->Cluster("c2")).ok());
  ASSERT_TRUE(this->Put(this->Cluster("c1")).ok());
  EXPECT_EQ(this->store_->State()->revision, first + 3);
  ASSERT_TRUE(this->store_
                  ->Read([&](Transaction& transaction) -> Status {
                    const auto changed = TRY(transaction.ChangedSince(Kind::kCluster, first + 1));
                    EXPECT_EQ(changed.size(), 2u);
                    EXPECT_EQ(changed.front().id, "c2");
                    EXPECT_EQ(changed.back().id, "c1");
                    EXPECT_EQ(changed.back().revision, first + 3);
                    return {};
                  })
                  .ok());
}

TYPED_TEST_P(StoreConformance, ARaisedRevisionIsBehindAllThatFollow) {
  ASSERT_TRUE(this->Put(this->Cluster("c1")).ok());
  ASSERT_TRUE(this->store_
                  ->Change([&](Transaction& transaction) -> Status {
                    TRY(transaction.RaiseRevision(1000));
                    return transaction.Put(this->Cluster("c2"));
                  })
                  .ok());
  EXPECT_EQ(this->store_->State()->revision, 1001u);
  EXPECT_EQ(this->Get(Kind::kCluster, "c2")->revision, 1001u);
  ASSERT_TRUE(this->store_
                  ->Change([&](Transaction& transaction) -> Status {
                    TRY(transaction.RaiseRevision(7));  // it is that already
                    return transaction.Put(this->Cluster("c1"));
                  })
                  .ok());
  EXPECT_EQ(this->store_->State()->revision, 1002u);
}

TYPED_TEST_P(StoreConformance, TwoServersLoseNoChange) {
  constexpr int kEach = 40;
  const auto count_up = [this] {
    const auto store = this->opener_.Open();
    for (int i = 0; i < kEach; ++i) {
      EXPECT_TRUE(
          store
              ->Change([&](Transaction& transaction) -> Status {
                const auto present = TRY(transaction.Get(Kind::kCluster, "c"));
                const int n = present.has_value() ? std::stoi(present->body) : 0;
                return transaction.Put({Kind::kCluster, "c", "o1", "", std::to_string(n + 1), 0});
              })
              .ok());
    }
  };
  std::thread other(count_up);
  count_up();
  other.join();
  EXPECT_EQ(this->Get(Kind::kCluster, "c")->body, std::to_string(2 * kEach));
}

TYPED_TEST_P(StoreConformance, ChangesOfManyAtOnceHaveARevisionEach) {
  constexpr int kThreads = 8;
  constexpr int kEach = 10;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < kEach; ++i) {
        const Record made = this->Cluster(std::to_string(thread) + "-" + std::to_string(i));
        EXPECT_TRUE(this->Put(made).ok());
        EXPECT_FALSE(this->store_
                         ->Change([&](Transaction& transaction) -> Status {
                           TRY(transaction.Put(this->Cluster("refused")));
                           return Error(ErrorCode::kPrecondition, "no");
                         })
                         .ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::vector<std::uint64_t> revisions;
  ASSERT_TRUE(this->store_
                  ->Read([&](Transaction& transaction) -> Status {
                    revisions.clear();
                    for (const Record& record : TRY(transaction.ChangedSince(Kind::kCluster, 0))) {
                      revisions.push_back(record.revision);
                    }
                    return {};
                  })
                  .ok());
  EXPECT_EQ(revisions.size(), std::size_t{kThreads * kEach});
  EXPECT_EQ(std::adjacent_find(revisions.begin(), revisions.end()), revisions.end());
  EXPECT_EQ(this->store_->State()->revision, revisions.back());
}

TYPED_TEST_P(StoreConformance, AuditEntriesAreNumberedInTheirOrder) {
  for (const char* organization : {"o1", "o2", "o1"}) {
    ASSERT_TRUE(this->store_
                    ->Change([&](Transaction& transaction) {
                      return transaction.Append({0, organization, "{}"});
                    })
                    .ok());
  }
  ASSERT_TRUE(this->store_
                  ->Read([&](Transaction& transaction) -> Status {
                    const auto all = TRY(transaction.Unsealed(0));
                    EXPECT_EQ(all.size(), 3u);
                    EXPECT_LT(all.front().sequence, all.back().sequence);
                    EXPECT_EQ(all[1].organization, "o2");
                    EXPECT_EQ(TRY(transaction.Unsealed(2)).size(), 2u);
                    EXPECT_TRUE(TRY(transaction.Events("o1", 0, 0)).empty());
                    EXPECT_FALSE(TRY(transaction.LastSealed("o1")).has_value());
                    return {};
                  })
                  .ok());
}

TYPED_TEST_P(StoreConformance, SealedAuditEntriesAreReadByTheirPositions) {
  const auto seal = [](Transaction& transaction, std::uint64_t sequence, std::uint64_t position) {
    return transaction.PutSeal({sequence, "", "", position, "s" + std::to_string(position)});
  };
  ASSERT_TRUE(this->store_
                  ->Change([&](Transaction& transaction) -> Status {
                    for (const char* organization : {"o1", "o2", "o1", "o1"}) {
                      TRY(transaction.Append({0, organization, "{}"}));
                    }
                    TRY(seal(transaction, 1, 1));
                    TRY(seal(transaction, 2, 1));  // each organization has its own
                    return seal(transaction, 3, 2);
                  })
                  .ok());
  EXPECT_FALSE(
      this->store_->Change([&](Transaction& transaction) { return seal(transaction, 4, 2); }).ok());
  ASSERT_TRUE(this->store_
                  ->Read([&](Transaction& transaction) -> Status {
                    const auto own = TRY(transaction.Events("o1", 0, 0));
                    EXPECT_EQ(own.size(), 2u);
                    EXPECT_EQ(own.back().seal, "s2");
                    EXPECT_EQ(own.back().position, 2u);
                    EXPECT_EQ(TRY(transaction.Events("o1", 0, 1)).front().sequence, 1u);
                    EXPECT_EQ(TRY(transaction.Events("o1", 1, 0)).front().sequence, 3u);
                    EXPECT_EQ(TRY(transaction.LastSealed("o1"))->sequence, 3u);
                    EXPECT_EQ(TRY(transaction.Unsealed(0)).front().sequence, 4u);
                    return {};
                  })
                  .ok());
}

TYPED_TEST_P(StoreConformance, WhatIsRemovedIsGone) {
  ASSERT_TRUE(this->Put(this->Cluster("c1", "name")).ok());
  ASSERT_TRUE(this->store_
                  ->Change([&](Transaction& transaction) {
                    return transaction.Remove(Kind::kCluster, "c1");
                  })
                  .ok());
  EXPECT_FALSE(this->Get(Kind::kCluster, "c1").has_value());
  EXPECT_TRUE(this->Put(this->Cluster("c2", "name")).ok());
}

TYPED_TEST_P(StoreConformance, AReadDoesNotWaitForAChangeAndSeesNothingOfIt) {
  const auto before = this->store_->State();
  ASSERT_TRUE(this->store_
                  ->Change([&](Transaction& transaction) -> Status {
                    TRY(transaction.Put(this->Cluster("c1")));
                    std::thread([&] {
                      EXPECT_FALSE(this->Get(Kind::kCluster, "c1").has_value());
                      EXPECT_EQ(this->store_->State()->revision, before->revision);
                    }).join();
                    return {};
                  })
                  .ok());
  EXPECT_TRUE(this->Get(Kind::kCluster, "c1").has_value());
}

TYPED_TEST_P(StoreConformance, AReadSeesOneMoment) {
  ASSERT_TRUE(this->Put(this->Cluster("c1")).ok());
  ASSERT_TRUE(this->store_
                  ->Read([&](Transaction& transaction) -> Status {
                    EXPECT_EQ(TRY(transaction.List(Kind::kCluster, "o1", {})).size(), 1u);
                    std::thread([&] { EXPECT_TRUE(this->Put(this->Cluster("c2")).ok()); }).join();
                    EXPECT_EQ(TRY(transaction.List(Kind::kCluster, "o1", {})).size(), 1u);
                    return {};
                  })
                  .ok());
  EXPECT_THAT(this->Ids("o1", {}), testing::ElementsAre("c1", "c2"));
}

TYPED_TEST_P(StoreConformance, AnExceptionTakesBackItsTransactionAndNoMore) {
  EXPECT_THROW(static_cast<void>(this->store_->Change([&](Transaction& transaction) -> Status {
                 TRY(transaction.Put(this->Cluster("c1")));
                 throw std::bad_alloc();
               })),
               std::bad_alloc);
  EXPECT_FALSE(this->Get(Kind::kCluster, "c1").has_value());
  EXPECT_TRUE(this->Put(this->Cluster("c2")).ok());
  this->store_ = this->opener_.Open();
  EXPECT_TRUE(this->Put(this->Cluster("c3")).ok());
}

TYPED_TEST_P(StoreConformance, TextIsKeptByteForByteAndOrderedByItsBytes) {
  const std::string nul("a\0b", 3);
  Record strange = this->Cluster("z", nul);
  strange.body = R"({"n":"\u0000 $1 %s ; DROP TABLE records; --"})";
  ASSERT_TRUE(this->Put(strange).ok());
  EXPECT_EQ(this->Get(Kind::kCluster, "z")->name, nul);
  EXPECT_EQ(this->Get(Kind::kCluster, "z")->body, strange.body);
  EXPECT_TRUE(this->Put(this->Cluster("a", "a")).ok());  // another name than the one with NUL
  for (const char* id : {"B", "a-b", "ab", "'; --"}) {
    ASSERT_TRUE(this->Put(this->Cluster(id)).ok());
  }
  EXPECT_THAT(this->Ids("o1", {}), testing::ElementsAre("'; --", "B", "a", "a-b", "ab", "z"));
}

TYPED_TEST_P(StoreConformance, AReadThatWritesIsRefused) {
  EXPECT_FALSE(
      this->store_
          ->Read([&](Transaction& transaction) { return transaction.Put(this->Cluster("c1")); })
          .ok());
  EXPECT_FALSE(this->Get(Kind::kCluster, "c1").has_value());
}

TYPED_TEST_P(StoreConformance, TheEpochIsOneForTheStoresWholeLife) {
  const std::string epoch = this->store_->State()->epoch;
  EXPECT_EQ(this->opener_.Open()->State()->epoch, epoch);
  TypeParam other;
  EXPECT_NE(other.Open()->State()->epoch, epoch);
}

REGISTER_TYPED_TEST_SUITE_P(StoreConformance, KeepsWhatWasPutAcrossAReopening,
                            ATransactionThatFailsLeavesNothing, NamesAreUniqueBelowTheirOwner,
                            ListsAnOwnersInPages, EveryChangeHasANewRevisionThatReadersCanFollow,
                            ARaisedRevisionIsBehindAllThatFollow, TwoServersLoseNoChange,
                            ChangesOfManyAtOnceHaveARevisionEach,
                            AuditEntriesAreNumberedInTheirOrder,
                            SealedAuditEntriesAreReadByTheirPositions, WhatIsRemovedIsGone,
                            AReadDoesNotWaitForAChangeAndSeesNothingOfIt, AReadSeesOneMoment,
                            AnExceptionTakesBackItsTransactionAndNoMore,
                            TextIsKeptByteForByteAndOrderedByItsBytes, AReadThatWritesIsRefused,
                            TheEpochIsOneForTheStoresWholeLife);

}  // namespace freehold::control
