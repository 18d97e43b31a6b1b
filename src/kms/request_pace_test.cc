#include "kms/request_pace.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "gtest/gtest.h"

namespace freehold {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Lane = RequestPace::Lane;

class RequestPaceTest : public testing::Test {
 protected:
  RequestPaceTest() { EXPECT_NE(mkdtemp(root_.data()), nullptr); }
  ~RequestPaceTest() override { std::filesystem::remove_all(root_); }

  // Ten operations a second, as another process would see them.
  RequestPace Pace(const std::string& below = "/pace") { return {root_ + below, 10, clock_}; }
  Duration Wait(Lane lane = Lane::kOthers) { return Pace().TakeTurn(key_, lane).value(); }
  void UseUpTheBurst(Lane lane = Lane::kOthers) {
    for (int i = 0; i < RequestPace::kBurst; ++i) EXPECT_EQ(Wait(lane), Duration(0));
  }
  // Between two that wait.
  Duration Spacing() {
    while (Wait() == Duration(0)) {
    }
    const Duration first = Wait();
    return Wait() - first;
  }
  std::vector<std::string> Files() {
    std::vector<std::string> files;
    for (const auto& file : std::filesystem::directory_iterator(root_ + "/pace")) {
      files.push_back(file.path());
    }
    return files;
  }

  std::string root_ = "/tmp/freehold-pace-XXXXXX";
  FakeClock clock_;
  const KeyUri key_ = *KeyUri::Parse("arn:aws:kms:eu-west-1:111122223333:key/k");
  const KeyUri elsewhere_ = *KeyUri::Parse("arn:aws:kms:eu-west-2:111122223333:key/k");
};

TEST_F(RequestPaceTest, TurnsAreEvenlySpacedAfterABurst) {
  UseUpTheBurst();
  EXPECT_EQ(Wait(), milliseconds(100));
  EXPECT_EQ(Wait(), milliseconds(200));
  clock_.Advance(milliseconds(200));
  EXPECT_EQ(Wait(), milliseconds(100));
  clock_.Advance(seconds(60));  // a rest gives one burst, not sixty
  UseUpTheBurst();
  EXPECT_EQ(Wait(), milliseconds(100));
}

TEST_F(RequestPaceTest, EachKmsHasItsOwn) {
  UseUpTheBurst();
  EXPECT_EQ(Pace().TakeTurn(elsewhere_, Lane::kOthers).value(), Duration(0));
  const KeyUri token = *KeyUri::Parse("pkcs11:token=t;object=k");
  for (int i = 0; i < 100; ++i) EXPECT_EQ(Pace().TakeTurn(token, Lane::kOthers), Duration(0));
}

TEST_F(RequestPaceTest, ProbesNeverWaitForOpenings) {
  for (int i = 0; i < 300; ++i) Wait();
  EXPECT_EQ(Wait(Lane::kProbes), Duration(0));
  for (int i = 0; i < 300; ++i) Wait(Lane::kProbes);
  EXPECT_EQ(Wait(Lane::kProbes), RequestPace::kLongestProbeWait);
}

TEST_F(RequestPaceTest, AQueueThatIsTooLongIsThrottled) {
  for (int i = 0; i < RequestPace::kBurst + 600; ++i) Wait();
  const auto refused = Pace().TakeTurn(key_, Lane::kOthers);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().meaning, KmsMeaning::kThrottled);
  clock_.Advance(seconds(1));  // who was refused took no turn
  EXPECT_TRUE(Pace().TakeTurn(key_, Lane::kOthers).has_value());
}

TEST_F(RequestPaceTest, AThrottlingSlowsAllDownForAWhile) {
  EXPECT_EQ(Spacing(), milliseconds(100));
  Pace().SlowDown(key_);
  Pace().SlowDown(key_);  // of the same moment: no news
  EXPECT_EQ(Spacing(), milliseconds(200));
  clock_.Advance(seconds(2));
  Pace().SlowDown(key_);
  EXPECT_EQ(Spacing(), milliseconds(400));
  clock_.Advance(RequestPace::kRecovery);
  EXPECT_EQ(Spacing(), milliseconds(200));
  clock_.Advance(RequestPace::kRecovery);
  EXPECT_EQ(Spacing(), milliseconds(100));
}

TEST_F(RequestPaceTest, FilesThatCannotBeUsedMeanNoPace) {
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(Pace("/absent/\0").TakeTurn(key_, Lane::kProbes).value(), Duration(0));
    EXPECT_EQ(RequestPace("", 10, clock_).TakeTurn(key_, Lane::kOthers).value(), Duration(0));
    EXPECT_EQ(RequestPace("/proc/none", 10, clock_).TakeTurn(key_, Lane::kOthers).value(),
              Duration(0));
    clock_.Advance(seconds(1));
  }
}

TEST_F(RequestPaceTest, GarbageInAFileIsForgotten) {
  UseUpTheBurst();
  for (const std::string& file : Files()) {
    std::ofstream(file, std::ios::binary) << std::string(24, '\x7f');
  }
  UseUpTheBurst();
  EXPECT_EQ(Wait(), milliseconds(100));
}

}  // namespace
}  // namespace freehold
