#include "kms/embedded/google/state.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace freehold::embedded::google {
namespace {

WallTime At(int seconds) { return WallTime{std::chrono::seconds(seconds)}; }

State Everything() {
  State state;
  state.projects = {"p"};
  state.key_rings["projects/p/locations/l/keyRings/r"] = At(1);
  CryptoKey key;
  key.created = At(2);
  key.primary = 2;
  key.protection_level = "HSM";
  key.rotation_period = 86400;
  key.next_rotation = At(3);
  key.destroy_wait = 60;
  key.import_only = true;
  key.labels = {{"a", "b"}};
  key.versions[1] = {VersionState::kDestroyed, At(4), std::nullopt, At(5), {}, "job"};
  key.versions[2] = {VersionState::kDestroyScheduled, At(6), At(7), std::nullopt, {1, 2}, ""};
  state.keys["projects/p/locations/l/keyRings/r/cryptoKeys/k"] = key;
  state.import_jobs["job"] = {At(8), At(9), "RSA_OAEP_3072_SHA256", "HSM", {3}, "PEM"};
  state.accounts["a@p"] = {"p", "name", "1", true, {{"id", {{4}, {5}}}}};
  state.policies["projects/p"] = {{"roles/owner", {"serviceAccount:a@p"}}};
  state.first_accounts["customer"] = {"a@p", "id", {6}};
  return state;
}

TEST(GoogleState, IsReadBackAsItWasWritten) {
  const std::string text = EncodeState(Everything());
  const auto read = DecodeState(text);
  ASSERT_TRUE(read.ok()) << read.error().message();
  EXPECT_EQ(EncodeState(*read), text);
  const CryptoKey& key = read->keys.begin()->second;
  EXPECT_EQ(key.versions.at(2).destroy, At(7));
  EXPECT_EQ(key.versions.at(2).state, VersionState::kDestroyScheduled);
  EXPECT_EQ(read->accounts.at("a@p").keys.at("id").exponent, Bytes{5});
}

TEST(GoogleState, RefusesWhatItDidNotWrite) {
  const std::string text = EncodeState(Everything());
  for (std::size_t size = 0; size < text.size(); ++size) {
    EXPECT_FALSE(DecodeState(text.substr(0, size)).ok()) << size;
  }
  std::string other_primary = text;
  other_primary.replace(other_primary.find("\"primary\":2"), 11, "\"primary\":3");
  EXPECT_FALSE(DecodeState(other_primary).ok());
  for (std::size_t at = 0; at < text.size(); ++at) {
    std::string damaged = text;
    damaged[at] ^= 1;
    const auto read = DecodeState(damaged);  // nothing but an answer is asked for
    EXPECT_TRUE(read.ok() || read.error().code() == ErrorCode::kFileCorrupt);
  }
}

}  // namespace
}  // namespace freehold::embedded::google
