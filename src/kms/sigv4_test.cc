#include "kms/sigv4.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace freehold {
namespace {

constexpr std::string_view kAccessKey = "AKIDEXAMPLE";
const WallTime kTime{std::chrono::seconds(1440938160)};  // 2015-08-30T12:36:00Z

SecretBytes Secret() {
  return SecretBytes::CopyOf(AsBytes("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"));
}

// A case of AWS's published Signature Version 4 test suite; host and x-amz-date come first, as in
// the suite, and are added to every request.
struct SuiteCase {
  std::string name;
  std::string method;
  std::string target;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::string signature;
};

SigV4Request RequestOf(const SuiteCase& vector) {
  SigV4Request request{vector.method,
                       vector.target,
                       {{"host", "example.amazonaws.com"}, {"x-amz-date", "20150830T123600Z"}},
                       vector.body};
  for (const auto& header : vector.headers) request.headers.push_back(header);
  return request;
}

const std::vector<SuiteCase>& Suite() {
  static const std::string unreserved =
      "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  static const std::vector<SuiteCase> suite = {
      {"get-vanilla",
       "GET",
       "/",
       {},
       "",
       "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
      {"get-vanilla-query-order-key-case",
       "GET",
       "/?Param2=value2&Param1=value1",
       {},
       "",
       "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
      {"get-vanilla-query-unreserved",
       "GET",
       "/?" + unreserved + "=" + unreserved,
       {},
       "",
       "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"},
      {"get-vanilla-utf8-query",
       "GET",
       "/?\u1234=bar",
       {},
       "",
       "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"},
      {"get-unreserved",
       "GET",
       "/" + unreserved,
       {},
       "",
       "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
      {"get-utf8",
       "GET",
       "/\u1234",
       {},
       "",
       "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
      {"get-space",
       "GET",
       "/example space/",
       {},
       "",
       "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"},
      {"get-slashes",
       "GET",
       "//example//",
       {},
       "",
       "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84"},
      {"get-slash-dot-slash",
       "GET",
       "/./",
       {},
       "",
       "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
      {"get-relative",
       "GET",
       "/example/..",
       {},
       "",
       "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
      {"get-header-key-duplicate",
       "GET",
       "/",
       {{"my-header1", "value2"}, {"my-header1", "value2"}, {"my-header1", "value1"}},
       "",
       "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"},
      {"get-header-value-order",
       "GET",
       "/",
       {{"my-header1", "value4"},
        {"my-header1", "value1"},
        {"my-header1", "value3"},
        {"my-header1", "value2"}},
       "",
       "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01"},
      {"get-header-value-trim",
       "GET",
       "/",
       {{"my-header1", " value1"}, {"my-header2", " \"a   b   c\""}},
       "",
       "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},
      {"post-vanilla",
       "POST",
       "/",
       {},
       "",
       "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
      {"post-x-www-form-urlencoded",
       "POST",
       "/",
       {{"content-type", "application/x-www-form-urlencoded"}},
       "Param1=value1",
       "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
      {"post-sts-header-before",
       "POST",
       "/",
       {{"x-amz-security-token",
         "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmx"
         "fpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0K"
         "PkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZb"
         "qBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="}},
       "",
       "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"},
  };
  return suite;
}

TEST(SigV4, SignsThePublishedTestSuite) {
  for (const SuiteCase& vector : Suite()) {
    const std::string header = SigV4Authorization(RequestOf(vector), {"us-east-1", "service"},
                                                  kAccessKey, Secret(), kTime);
    EXPECT_THAT(header, testing::HasSubstr("Signature=" + vector.signature)) << vector.name;
  }
}

TEST(SigV4, WritesTheWholeHeaderAsPublished) {
  EXPECT_EQ(SigV4Authorization(RequestOf(Suite()[0]), {"us-east-1", "service"}, kAccessKey,
                               Secret(), kTime),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
            "SignedHeaders=host;x-amz-date, "
            "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
}

TEST(SigV4, CheckingGivesWhatSigningGave) {
  for (const SuiteCase& vector : Suite()) {
    SigV4Request request = RequestOf(vector);
    auto presented = ParseSigV4Authorization(
        SigV4Authorization(request, {"us-east-1", "service"}, kAccessKey, Secret(), kTime));
    ASSERT_TRUE(presented.ok());
    request.headers.emplace_back("user-agent", "not signed");
    EXPECT_EQ(SigV4ExpectedSignature(request, *presented, "20150830T123600Z", Secret()),
              presented->signature)
        << vector.name;
    request.body += "x";
    EXPECT_NE(SigV4ExpectedSignature(request, *presented, "20150830T123600Z", Secret()),
              presented->signature);
  }
}

TEST(SigV4, TakesAHeaderApart) {
  auto presented = ParseSigV4Authorization(
      "AWS4-HMAC-SHA256 Credential=AKID/20150830/eu-west-1/kms/aws4_request,"
      "SignedHeaders=host;x-amz-date,Signature=abc");
  ASSERT_TRUE(presented.ok());
  EXPECT_EQ(presented->access_key_id, "AKID");
  EXPECT_EQ(presented->date, "20150830");
  EXPECT_EQ(presented->scope.region, "eu-west-1");
  EXPECT_EQ(presented->scope.service, "kms");
  EXPECT_THAT(presented->signed_headers, testing::ElementsAre("host", "x-amz-date"));
  EXPECT_EQ(presented->signature, "abc");
}

TEST(SigV4, RefusesHeadersThatAreNotSigV4) {
  for (const char* header :
       {"", "Bearer x", "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA256 Credential",
        "AWS4-HMAC-SHA256 Credential=a/b/c, SignedHeaders=host, Signature=x",
        "AWS4-HMAC-SHA256 Credential=a/20150830/r/s/aws4_request, SignedHeaders=host",
        "AWS4-HMAC-SHA256 Credential=a/20150830/r/s/aws5_request, SignedHeaders=h, Signature=x",
        "AWS4-HMAC-SHA256 Signature=a, Signature=b, Credential=c"}) {
    EXPECT_FALSE(ParseSigV4Authorization(header).ok()) << header;
  }
}

TEST(SigV4, WritesDatesWithoutPunctuation) { EXPECT_EQ(SigV4Date(kTime), "20150830T123600Z"); }

}  // namespace
}  // namespace freehold
