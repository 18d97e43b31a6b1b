#include "custody/custody_settings.h"

#include "gtest/gtest.h"

namespace freehold {
namespace {

using namespace std::chrono_literals;

TEST(CustodySettingsTest, TheWorstCaseHasTheDelayInIt) {
  CustodySettings settings;
  EXPECT_EQ(settings.WorstCaseDenied(), 1min + 55s);
  EXPECT_EQ(settings.WorstCaseUnreachable(), 31min + 40s);
  settings.seal_delay = 10min;
  EXPECT_EQ(settings.WorstCaseDenied(), 12min + 5s);
  EXPECT_NE(WorstCaseText(settings).find("at most 12m5s after"), std::string::npos);
  settings.on_denied = OnDenied::kAlert;
  EXPECT_NE(WorstCaseText(settings).find("only shown"), std::string::npos);
}

TEST(CustodySettingsTest, ATimeIsReadBackAsItWasWritten) {
  for (const Duration time : {Duration(0s), Duration(1ms), Duration(1250ms), Duration(90s),
                              Duration(60min), Duration(25h + 1ms), kLongestSetting}) {
    EXPECT_EQ(*ParseDuration(FormatSetting(time)), time) << FormatSetting(time);
  }
  EXPECT_EQ(FormatSetting(90s), "1m30s");
  EXPECT_EQ(FormatSetting(1250ms), "1s250ms");
}

TEST(CustodySettingsTest, WhatCannotBeIsRefusedByName) {
  CustodySettings settings;
  EXPECT_TRUE(CheckSettings(settings).ok());
  settings.check_interval = 99ms;
  EXPECT_EQ(CheckSettings(settings).error().message(), "check_interval: must be at least 100ms");
  settings.check_interval = 100ms + 1us;
  EXPECT_EQ(CheckSettings(settings).error().message(),
            "check_interval: must be in whole milliseconds");
  settings.check_interval = 1min;
  settings.seal_delay = 721h;
  EXPECT_EQ(CheckSettings(settings).error().message(), "seal_delay: must be at most 30 days");
}

}  // namespace
}  // namespace freehold
