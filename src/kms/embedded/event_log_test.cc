#include "kms/embedded/event_log.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace freehold::embedded {
namespace {

using testing::HasSubstr;

TEST(FormatEvent, PutsTimeNameOutcomeCallerKeyAndContextOnOneLine) {
  EXPECT_EQ(FormatEvent(R"({"eventTime":"2026-01-02T03:04:05Z","eventName":"Decrypt",)"
                        R"("errorCode":"DisabledException","errorMessage":"is disabled.",)"
                        R"("userIdentity":{"arn":"arn:u"},"resources":[{"ARN":"arn:k"}],)"
                        R"("requestParameters":{"encryptionContext":{"a":"b"}}})"),
            "2026-01-02T03:04:05Z Decrypt                  DisabledException          arn:u arn:k "
            "{\"a\":\"b\"} -- is disabled.");
}

TEST(FormatEvent, LetsNoControlCharactersThrough) {
  EXPECT_THAT(FormatEvent(R"({"requestParameters":{"keyId":"a\u001b[2Jb\nc"}})"),
              HasSubstr("a?[2Jb?c"));
}

TEST(FormatEvent, SurvivesLinesThatAreNoEvents) {
  EXPECT_EQ(FormatEvent("{"), "");
  EXPECT_EQ(FormatEvent("[1]"), "");
  EXPECT_THAT(FormatEvent(R"({"resources":7,"requestParameters":[],"userIdentity":null})"),
              HasSubstr("unknown caller"));
}

}  // namespace
}  // namespace freehold::embedded
