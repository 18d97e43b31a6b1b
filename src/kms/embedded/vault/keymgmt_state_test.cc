#include "gtest/gtest.h"
#include "kms/embedded/vault/vault_state.h"

namespace freehold::embedded::vault {
namespace {

VaultState Example() {
  VaultState state;
  ManagedKey key;
  key.versions = {{Bytes{1, 2}, WallTime{std::chrono::hours(1)}},
                  {Bytes{3}, WallTime{std::chrono::hours(2)}}};
  key.min_enabled_version = 2;
  key.deletion_allowed = true;
  key.last_suffix = 1'700'000'000;
  key.distribution = Distribution{"awskms", "hashicorp/k-1700000000", "hsm", {"one", "two"}};
  state.managed_keys["keymgmt/k"] = key;
  state.managed_keys["keymgmt/other"].versions = {{Bytes{4}, WallTime{}}};
  state.kms_entries["keymgmt/awskms"] = {"awskms", "us-east-1", Bytes{5, 6}};
  return state;
}

TEST(KeymgmtState, IsReadAsItWasWritten) {
  const std::string text = EncodeVaultState(Example());
  const auto read = DecodeVaultState(text);
  ASSERT_TRUE(read.ok()) << read.error().message();
  EXPECT_EQ(EncodeVaultState(*read), text);
  EXPECT_EQ(read->managed_keys.at("keymgmt/k").distribution->versions.size(), 2u);
  EXPECT_FALSE(read->managed_keys.at("keymgmt/other").distribution.has_value());
  EXPECT_EQ(read->kms_entries.at("keymgmt/awskms").credentials, (Bytes{5, 6}));
}

TEST(KeymgmtState, WhatCannotBeIsRefused) {
  VaultState state = Example();
  state.managed_keys["keymgmt/k"].distribution->versions.pop_back();
  EXPECT_EQ(DecodeVaultState(EncodeVaultState(state)).error().code(), ErrorCode::kFileCorrupt);
  state = Example();
  state.managed_keys["keymgmt/k"].versions.clear();
  EXPECT_EQ(DecodeVaultState(EncodeVaultState(state)).error().code(), ErrorCode::kFileCorrupt);
}

TEST(KeymgmtState, AStoreOfAnEarlierReleaseHasNone) {
  const auto read = DecodeVaultState("{}");
  ASSERT_TRUE(read.ok());
  EXPECT_TRUE(read->managed_keys.empty() && read->kms_entries.empty());
}

}  // namespace
}  // namespace freehold::embedded::vault
