#include "base/clock.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace freehold {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

TEST(ParseDuration, ReadsNumbersWithTheirUnits) {
  EXPECT_EQ(*ParseDuration("250ms"), milliseconds(250));
  EXPECT_EQ(*ParseDuration("2s"), seconds(2));
  EXPECT_EQ(*ParseDuration("1.5s"), milliseconds(1500));
  EXPECT_EQ(*ParseDuration("30m"), minutes(30));
  EXPECT_EQ(*ParseDuration("1h"), hours(1));
  EXPECT_EQ(*ParseDuration("1h30m2s5ms"), hours(1) + minutes(30) + seconds(2) + milliseconds(5));
  EXPECT_EQ(*ParseDuration("0"), Duration(0));
  EXPECT_EQ(*ParseDuration("0s"), Duration(0));
}

TEST(ParseDuration, RefusesWhatDoesNotSayHowLong) {
  for (const char* text : {"", "5", "s", "-1s", "1d", "2 s", "1s2m", "1s1s", "1m30", "inf s",
                           "nans", "1e3s", "99999999h", "0x5s", "1sm"}) {
    const auto parsed = ParseDuration(text);
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_EQ(parsed.error().code(), ErrorCode::kInvalidArgument) << text;
    EXPECT_THAT(parsed.error().message(), ::testing::HasSubstr("30m")) << text;
  }
}

TEST(ParseDuration, ReadsWhatFormatDurationWrites) {
  for (const Duration duration :
       {Duration(milliseconds(250)), Duration(seconds(2)), Duration(milliseconds(1500)),
        Duration(minutes(30)), Duration(seconds(90)), Duration(0)}) {
    EXPECT_EQ(*ParseDuration(FormatDuration(duration)), duration) << FormatDuration(duration);
  }
}

}  // namespace
}  // namespace freehold
