#include "api/custody_terms.h"

#include <boost/json.hpp>

#include "api/custody_fields.h"
#include "gtest/gtest.h"

namespace freehold::api {
namespace {

using namespace std::chrono_literals;
namespace json = boost::json;

template <typename T>
Result<T> Read(const char* text, T (*read)(JsonReader&)) {
  const json::object object = TRY(ParseObject(text, "the body"));
  JsonReader reader(object, "");
  T value = read(reader);
  TRY(reader.Finish());
  return value;
}
std::string Refusal(const char* text) { return Read(text, ReadCustodyChange).error().message(); }

TEST(CustodyTermsTest, AChangeNamesWhatItChanges) {
  const auto change = Read(R"({"check_interval":"1m30s","on_denied":"alert","open_grant":"2h"})",
                           ReadCustodyChange);
  ASSERT_TRUE(change.ok());
  const CustodyTerms terms = change->AppliedTo(CustodyTerms());
  EXPECT_EQ(terms.check_interval, 90s);
  EXPECT_EQ(terms.on_denied, OnDenied::kAlert);
  EXPECT_EQ(terms.open_grant, 2h);
  EXPECT_EQ(terms.outage_grace, CustodyTerms().outage_grace);
}

TEST(CustodyTermsTest, WhatCannotBeIsRefusedByName) {
  EXPECT_EQ(Refusal(R"({"check_interval":"99ms"})"), "check_interval: must be at least 100ms");
  EXPECT_EQ(Refusal(R"({"check_interval":"0.0001s"})"), "check_interval: must be at least 100ms");
  EXPECT_EQ(Refusal(R"({"stop_timeout":"0.0005s"})"),
            "stop_timeout: must be in whole milliseconds");
  EXPECT_EQ(Refusal(R"({"check_interval":60})"), "check_interval: is not a text");
  EXPECT_NE(Refusal(R"({"check_interval":"60"})").find("is not a duration"), std::string::npos);
  EXPECT_NE(Refusal(R"({"check_interval":""})").find("is not a duration"), std::string::npos);
  EXPECT_EQ(Refusal(R"({"open_grant":"119s"})"), "open_grant: must be at least 2m");
  EXPECT_EQ(Refusal(R"({"on_denied":"maybe"})"),
            "on_denied: cannot be 'maybe'; it is 'seal' or 'alert'");
  EXPECT_EQ(Refusal(R"({"lease":"1h"})"), "lease: is not a field of this request");
}

TEST(CustodyTermsTest, BoundsLeaveSomethingThatIsAllowed) {
  const auto words = [](const char* text) {
    return Read(text, ReadCustodyBounds).error().message();
  };
  EXPECT_EQ(words(R"({"check_interval":{"lowest":"2m","highest":"1m"}})"),
            "check_interval.highest: leaves no value that is allowed");
  EXPECT_EQ(words(R"({"check_interval":{"highest":"50ms"}})"),
            "check_interval.highest: leaves no value that is allowed");
  EXPECT_EQ(words(R"({"check_interval":"1m"})"), "check_interval: is not an object");
  EXPECT_EQ(words(R"({"on_denied":["seal","no"]})"),
            "on_denied: cannot be 'no'; it is 'seal' or 'alert'");
  const auto bounds =
      Read(R"({"check_interval":{"lowest":"2m"},"on_denied":["seal"],"seal_delay":{}})",
           ReadCustodyBounds);
  ASSERT_TRUE(bounds.ok());
  EXPECT_EQ(json::serialize(ToJson(*bounds)),
            R"({"check_interval":{"lowest":"2m"},"on_denied":["seal"]})");
}

TEST(CustodyTermsTest, TermsAndBoundsAreKeptAsTheyAre) {
  CustodyTerms terms;
  terms.check_interval = 1500ms;
  terms.on_key_return = OnKeyReturn::kManual;
  EXPECT_EQ(*DecodeBody<CustodyTerms>(EncodeBody(terms), "terms"), terms);
  EXPECT_EQ(*DecodeBody<CustodyTerms>("{}", "terms"), CustodyTerms());
  CustodyBounds bounds;
  bounds.durations["outage_grace"] = {std::nullopt, 1h};
  bounds.on_denied = {OnDenied::kSeal};
  const auto kept = DecodeBody<CustodyBounds>(EncodeBody(bounds), "bounds");
  ASSERT_TRUE(kept.ok());
  EXPECT_EQ(json::serialize(ToJson(*kept)), json::serialize(ToJson(bounds)));
}

TEST(CustodyTermsTest, AStrangersTermsAreLookedAt) {
  CustodyTerms terms;
  EXPECT_TRUE(CheckTerms(terms).ok());
  terms.outage_grace = Duration::max();
  EXPECT_FALSE(CheckTerms(terms).ok());
  terms.outage_grace = -1s;
  EXPECT_FALSE(CheckTerms(terms).ok());
}

}  // namespace
}  // namespace freehold::api
