#include "kms/embedded/google/operation.h"

#include "gtest/gtest.h"
#include "kms/embedded/google/api.h"

namespace freehold::embedded::google {
namespace {

TEST(GoogleTarget, IsTakenApart) {
  const Target target = ParseTarget(
      "/v1/projects/p/locations/l/keyRings/r/cryptoKeys/k:encrypt?$alt=json%3Benum-encoding=int&a");
  EXPECT_EQ(target.resource, "projects/p/locations/l/keyRings/r/cryptoKeys/k");
  EXPECT_EQ(target.pattern, "projects/*/locations/*/keyRings/*/cryptoKeys/*");
  EXPECT_EQ(target.verb, "encrypt");
  EXPECT_EQ(target.Parent(), "projects/p/locations/l/keyRings/r/cryptoKeys");
  EXPECT_EQ(target.query.at("$alt"), "json;enum-encoding=int");
  EXPECT_EQ(target.query.at("a"), "");
  ASSERT_NE(FindApi("POST", target), nullptr);
  EXPECT_EQ(FindApi("POST", target)->name, "Encrypt");
  EXPECT_EQ(FindApi("GET", target), nullptr);
}

TEST(GoogleTarget, AProjectMayHaveADomain) {
  const Target target = ParseTarget("/v1/projects/example.com%3Ap/serviceAccounts/a%40p:enable");
  EXPECT_EQ(target.resource, "projects/example.com:p/serviceAccounts/a@p");
  EXPECT_EQ(target.verb, "enable");
}

TEST(GoogleTarget, AnyTextHasOne) {
  for (const char* text : {"", "/", "/v1/", "/v1/projects//", "/v1/%", "/v1/%4", "/v1/a:b:c?&=&"}) {
    EXPECT_EQ(FindApi("GET", ParseTarget(text)), nullptr) << text;
  }
}

TEST(GoogleRequests, HaveBytesInEitherAlphabet) {
  const Bytes expected{0xfb, 0xff, 0xfe, 0};
  for (const char* text : {"+//+AA==", "-__-AA==", "-__-AA", "+__-AA"}) {
    const auto bytes = BytesIn({{"b", text}}, "b");
    ASSERT_TRUE(bytes.ok()) << text;
    EXPECT_EQ(*bytes, expected) << text;
  }
  EXPECT_FALSE(BytesIn({{"b", "!"}}, "b").ok());
  EXPECT_TRUE(BytesIn({}, "b")->empty());
}

TEST(GoogleRequests, HaveEnumsByNameOrNumber) {
  const std::vector<std::string_view> names = {"", "ONE", "TWO"};
  EXPECT_EQ(*EnumIn({{"e", 2}}, "e", names), "TWO");
  EXPECT_EQ(*EnumIn({{"e", "ONE"}}, "e", names), "ONE");
  EXPECT_EQ(*EnumIn({}, "e", names), "");
  for (const boost::json::value& wrong : {boost::json::value(3), boost::json::value(-1),
                                          boost::json::value("THREE"), boost::json::value(1.5)}) {
    EXPECT_FALSE(EnumIn({{"e", wrong}}, "e", names).ok()) << wrong;
  }
}

TEST(GoogleRequests, HaveDurationsTimesAndMasks) {
  EXPECT_EQ(*SecondsIn({{"d", "86400s"}}, "d"), 86400);
  EXPECT_EQ(*SecondsIn({}, "d"), 0);
  for (const char* wrong : {"1", "s", "-1s", "1m", "99999999999999s"}) {
    EXPECT_FALSE(SecondsIn({{"d", wrong}}, "d").ok()) << wrong;
  }
  EXPECT_EQ(FormatTime(**TimeIn({{"t", "2026-01-02T03:04:05.678Z"}}, "t")), "2026-01-02T03:04:05Z");
  for (const char* wrong : {"tomorrow", "5312-01-01T00:00:00Z", "1912-01-01T00:00:00Z"}) {
    EXPECT_FALSE(TimeIn({{"t", wrong}}, "t").ok()) << wrong;
  }
  const Target target = ParseTarget("/v1/x?updateMask=rotation_period,labels");
  EXPECT_TRUE(MaskNames(target, "rotationPeriod"));
  EXPECT_TRUE(MaskNames(target, "labels"));
  EXPECT_FALSE(MaskNames(target, "nextRotationTime"));
}

}  // namespace
}  // namespace freehold::embedded::google
