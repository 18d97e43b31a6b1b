#include "api/cmek.h"

#include <boost/json.hpp>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace freehold::api {
namespace {

using testing::HasSubstr;

constexpr const char* kArn = "arn:aws:kms:us-east-1:111122223333:key/k1";

// What reading this body as region specs says; "" when it is good.
std::string FaultIn(const std::string& text) {
  const auto body = ParseObject(text, "the body");
  if (!body.ok()) return body.error().message();
  JsonReader reader(*body, "");
  ReadRegionSpecs(reader, "region_specs");
  const Status read = reader.Finish();
  return read.ok() ? "" : read.error().message();
}

std::string Spec(const std::string& region, const std::string& key) {
  return R"({"region":")" + region + R"(","key_spec":)" + key + "}";
}

std::string Key(const std::string& type, const std::string& uri, const std::string& more = "") {
  return R"({"type":")" + type + R"(","uri":")" + uri + "\"" + more + "}";
}

std::string Specs(const std::string& list) { return R"({"region_specs":[)" + list + "]}"; }

TEST(RegionSpecs, AreReadAsTheContractHasThem) {
  const auto body = *ParseObject(
      Specs(Spec("us-east-1",
                 Key("AWS_KMS", kArn, R"(,"auth_principal":"arn:aws:iam::111122223333:role/r")"))),
      "the body");
  JsonReader reader(body, "");
  const auto specs = ReadRegionSpecs(reader, "region_specs");
  ASSERT_TRUE(reader.Finish().ok());
  ASSERT_EQ(specs.size(), 1u);
  EXPECT_EQ(specs[0].region, "us-east-1");
  EXPECT_EQ(specs[0].key_spec, (KeySpec{"AWS_KMS", kArn, "arn:aws:iam::111122223333:role/r"}));
}

TEST(RegionSpecs, SayInOneSentenceWhatIsWrong) {
  EXPECT_THAT(FaultIn("nonsense"), HasSubstr("the body is not JSON"));
  EXPECT_THAT(FaultIn("[]"), HasSubstr("is not a JSON object"));
  EXPECT_EQ(FaultIn("{}"), "region_specs: is missing or empty");
  EXPECT_EQ(FaultIn(R"({"region_specs":{}})"), "region_specs: is not a list");
  EXPECT_EQ(FaultIn(R"({"region_specs":[7]})"), "region_specs[0]: is not an object");
  EXPECT_EQ(FaultIn(Specs("{}")), "region_specs[0].region: is missing");
  EXPECT_EQ(FaultIn(Specs(R"({"region":7})")), "region_specs[0].region: is not a text");
  EXPECT_EQ(FaultIn(Specs(R"({"region":"a"})")), "region_specs[0].key_spec: is missing");
  EXPECT_THAT(FaultIn(Specs(Spec("a", Key("AZURE", kArn)))), HasSubstr("AZURE"));
  EXPECT_THAT(FaultIn(Specs(Spec("a", Key("GCP_CLOUD_KMS", kArn)))),
              HasSubstr("is a key of AWS_KMS, not of GCP_CLOUD_KMS"));
  EXPECT_THAT(FaultIn(Specs(Spec("a", Key("AWS_KMS", kArn, R"(,"role":"x")")))),
              HasSubstr("region_specs[0].key_spec.role: is not a field"));
  const std::string good = Spec("a", Key("AWS_KMS", kArn));
  EXPECT_EQ(FaultIn(Specs(good)), "");
  EXPECT_EQ(FaultIn(Specs(good + "," + good)), "region_specs[1].region: 'a' is there twice");
  EXPECT_EQ(FaultIn(R"({"region_specs":[)" + good + R"(],"more":1})"),
            "more: is not a field of this request");
}

TEST(CmekNames, AreClosedAndRoundTrip) {
  for (int i = 0; i < 11; ++i) {
    const auto status = static_cast<CmekStatus>(i);
    EXPECT_EQ(*CmekStatusFromName(NameOf(status)), status);
  }
  EXPECT_FALSE(CmekStatusFromName("enabled").ok());
  EXPECT_EQ(*CmekActionFromName("RESTORE"), CmekAction::kRestore);
  EXPECT_FALSE(CmekActionFromName("UNREVOKE").ok());
}

}  // namespace
}  // namespace freehold::api
