#include "control/project_keys.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace freehold::control {
namespace {

using testing::HasSubstr;

api::RegionSpec Spec(const std::string& region, const std::string& key) {
  return {region, {"AWS_KMS", "arn:aws:kms:us-east-1:111122223333:key/" + key, ""}};
}

class ProjectKeys : public testing::Test {
 protected:
  ProjectKeys() {
    organization_.cmek_granted = true;
    project_.cmek_enabled = true;
    for (const char* name : {"east", "west"}) cluster_.regions.push_back({name, 1, {}, 0});
  }

  Organization organization_;
  Project project_;
  Cluster cluster_;
};

TEST_F(ProjectKeys, AreSortedAndStayWhatTheyAre) {
  ASSERT_TRUE(AddKeys(project_, organization_, {Spec("west", "k1"), Spec("east", "k2")}).ok());
  EXPECT_EQ(project_.keys, (std::vector{Spec("east", "k2"), Spec("west", "k1")}));
  EXPECT_TRUE(AddKeys(project_, organization_, {Spec("west", "k1")}).ok());
  const Status other = AddKeys(project_, organization_, {Spec("a", "k1"), Spec("west", "k3")});
  EXPECT_EQ(other.error().code(), ErrorCode::kPrecondition);
  EXPECT_EQ(project_.keys.size(), 2u);
}

TEST_F(ProjectKeys, AreReplacedByNameAndTheClustersThatHaveThemFollow) {
  ASSERT_TRUE(AddKeys(project_, organization_, {Spec("east", "k1"), Spec("west", "k2")}).ok());
  cluster_.regions[0].keys.emplace_back().spec = Spec("east", "k1").key_spec;
  cluster_.regions[1].keys.emplace_back().spec = Spec("west", "own").key_spec;
  ASSERT_TRUE(ReplaceKeys(project_, organization_, {Spec("east", "k3")}).ok());
  EXPECT_EQ(project_.keys, (std::vector{Spec("east", "k3"), Spec("west", "k2")}));
  EXPECT_EQ(project_.past_keys, (std::vector{Spec("east", "k1")}));
  const auto follows = SpecsToFollow(project_, cluster_, {Spec("east", "k3")});
  ASSERT_TRUE(follows.ok());
  EXPECT_THAT(*follows, testing::ElementsAre(Spec("east", "k3")));
  const auto own = SpecsToFollow(project_, cluster_, {Spec("west", "k2")});
  EXPECT_EQ(own.error().code(), ErrorCode::kPrecondition);
  EXPECT_THAT(own.error().message(), HasSubstr("'west' is its own"));
  // Back to the first: it is past no more.
  ASSERT_TRUE(ReplaceKeys(project_, organization_, {Spec("east", "k1")}).ok());
  EXPECT_EQ(project_.past_keys, (std::vector{Spec("east", "k3")}));
}

TEST_F(ProjectKeys, StayAsTheyAreWhileTheProjectIsRevoked) {
  project_.revoked = Revocation{};
  EXPECT_EQ(ReplaceKeys(project_, organization_, {Spec("east", "k")}).error().code(),
            ErrorCode::kPrecondition);
}

TEST_F(ProjectKeys, NeedAProjectThatTakesThemAndAnOperatorWhoGrantsThem) {
  organization_.allowed_kms_types = {{"east", {"PKCS11"}}};
  EXPECT_EQ(AddKeys(project_, organization_, {Spec("east", "k")}).error().code(),
            ErrorCode::kForbidden);
  EXPECT_TRUE(AddKeys(project_, organization_, {Spec("west", "k")}).ok());
  organization_.cmek_granted = false;
  EXPECT_EQ(AddKeys(project_, organization_, {Spec("west", "k")}).error().code(),
            ErrorCode::kForbidden);
  project_.cmek_enabled = false;
  EXPECT_EQ(AddKeys(project_, organization_, {Spec("west", "k")}).error().code(),
            ErrorCode::kPrecondition);
}

TEST_F(ProjectKeys, AClusterTakesWhatItDoesNotBring) {
  project_.keys = {Spec("east", "k1"), Spec("north", "k3"), Spec("west", "k2")};
  std::vector<api::RegionSpec> specs = {Spec("west", "own")};
  ASSERT_TRUE(TakeProjectKeys(project_, cluster_, specs).ok());
  EXPECT_THAT(specs, testing::ElementsAre(Spec("west", "own"), Spec("east", "k1")));
  // A region that has keys keeps them.
  cluster_.regions[0].keys.push_back({});
  specs.clear();
  ASSERT_TRUE(TakeProjectKeys(project_, cluster_, specs).ok());
  EXPECT_THAT(specs, testing::ElementsAre(Spec("west", "k2")));
}

TEST_F(ProjectKeys, ARegionWithoutOneIsRefusedByName) {
  project_.keys = {Spec("east", "k1")};
  std::vector<api::RegionSpec> specs;
  EXPECT_THAT(TakeProjectKeys(project_, cluster_, specs).error().message(),
              HasSubstr("no key for the region 'west'"));
  project_.cmek_enabled = false;
  specs.clear();
  EXPECT_TRUE(TakeProjectKeys(project_, cluster_, specs).ok());
  EXPECT_TRUE(specs.empty());
}

// A record that an older release wrote has no keys in it.
TEST_F(ProjectKeys, AreKeptAndReadBack) {
  project_.id = "p";
  project_.keys = {Spec("east", "k1")};
  Record record = ToRecord(project_);
  EXPECT_EQ(FromRecord<Project>(record)->keys, project_.keys);
  record.body = R"({"id":"p","cmek_enabled":true})";
  EXPECT_TRUE(FromRecord<Project>(record)->keys.empty());
}

}  // namespace
}  // namespace freehold::control
