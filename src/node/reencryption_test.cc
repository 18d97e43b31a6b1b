#include "node/reencryption.h"

#include "gtest/gtest.h"

namespace freehold {
namespace {

using std::chrono::milliseconds;

constexpr std::uint64_t kRate = 64 << 20;
constexpr std::uint64_t kWritten = 1 << 20;  // which the rate allows every 15.625 ms

TEST(PauseAfter, KeepsToTheRateWhereStepsAreQuick) {
  EXPECT_EQ(PauseAfter(kWritten, milliseconds(0), kRate), std::chrono::microseconds(15625));
  EXPECT_EQ(PauseAfter(kWritten, milliseconds(3), kRate), std::chrono::microseconds(15625));
}

TEST(PauseAfter, LeavesFourFifthsOfTheTimeToOthersWhereStepsAreSlow) {
  EXPECT_EQ(PauseAfter(kWritten, milliseconds(10), kRate), milliseconds(40));
}

TEST(PauseAfter, NeverFallsBelowATenthOfTheRate) {
  EXPECT_EQ(PauseAfter(kWritten, milliseconds(1000), kRate), std::chrono::microseconds(156250));
}

TEST(PauseAfter, IsNothingAfterAHole) {
  EXPECT_EQ(PauseAfter(0, milliseconds(1000), kRate), milliseconds(0));
}

}  // namespace
}  // namespace freehold
