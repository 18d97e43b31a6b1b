#include "cli/control/yaml.h"

#include <boost/json.hpp>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace freehold::cli {
namespace {

std::string Read(std::string_view text) {
  const auto value = ParseYaml(text, "FILE");
  return value.ok() ? boost::json::serialize(*value) : value.error().message();
}

TEST(YamlTest, ReadsTheManifestThatPeopleWrite) {
  EXPECT_EQ(Read("---\n"
                 "# a comment\n"
                 "region_specs:\n"
                 "- region: \"us-east1\"\n"
                 "  key_spec:\n"
                 "    type: GCP_CLOUD_KMS\n"
                 "    uri: \"projects/p/locations/l/keyRings/r/cryptoKeys/k\"\n"
                 "    auth_principal: 'a@b.example'  # who\n"),
            R"({"region_specs":[{"region":"us-east1","key_spec":{"type":"GCP_CLOUD_KMS",)"
            R"("uri":"projects/p/locations/l/keyRings/r/cryptoKeys/k",)"
            R"("auth_principal":"a@b.example"}}]})");
}

TEST(YamlTest, WhatIsQuotedIsATextAndWhatIsNotMayBeMore) {
  EXPECT_EQ(Read("[1, '1', -7, 007, 1.5, true, 'true', yes, ~, null, '', x]"),
            R"([1,"1",-7,"007","1.5",true,"true","yes",null,null,"","x"])");
  EXPECT_EQ(Read("arn:aws:kms:us-east-1:111122223333:key/k"),
            R"("arn:aws:kms:us-east-1:111122223333:key/k")");
}

TEST(YamlTest, JsonIsYamlToo) { EXPECT_EQ(Read(R"({"a": [{"b": "c"}]})"), R"({"a":[{"b":"c"}]})"); }

TEST(YamlTest, RefusesWhatWouldNotBeWhatAPersonSees) {
  EXPECT_EQ(Read("a: &x 1\nb: *x\n"), "FILE, line 1: anchors are not read");
  EXPECT_EQ(Read("a: *x\n"), "FILE, line 1: aliases are not read");
  EXPECT_EQ(Read("a: !!str 1\n"), "FILE, line 1: tags are not read");
  EXPECT_EQ(Read("a: !x [1]\n"), "FILE, line 1: tags are not read");
  EXPECT_EQ(Read("a: 1\nb: 2\na: 3\n"), "FILE, line 3: 'a' is there twice");
  EXPECT_EQ(Read("a: 1\n---\nb: 2\n"), "FILE, line 2: a second document");
  EXPECT_EQ(Read("? [a]\n: b\n"), "FILE, line 1: a name must be a text");
  EXPECT_EQ(Read(""), "FILE, line 1: there is nothing in it");
  EXPECT_THAT(Read("a: [1\nb: 2\n"), testing::StartsWith("FILE, line "));
  EXPECT_THAT(Read("\xff\xfe\xfd"), testing::StartsWith("FILE, line "));
  EXPECT_EQ(Read(std::string(40, '[')), "FILE, line 1: is nested too deeply");
}

// Anything: an answer or a sentence, and no memory that is not its own.
TEST(YamlTest, DamagedManifestsNeverDoMoreThanFail) {
  const std::string whole = "region_specs:\n- region: \"r\"\n  key_spec: {type: T, uri: 'u'}\n";
  for (std::size_t i = 0; i < whole.size(); ++i) {
    for (const char c : {'\0', '\n', ':', '-', '[', '{', '&', '*', '!', '"', '\'', '\xff'}) {
      std::string damaged = whole;
      damaged[i] = c;
      EXPECT_FALSE(Read(damaged).empty());
    }
    EXPECT_FALSE(Read(whole.substr(0, i)).empty());
  }
}

}  // namespace
}  // namespace freehold::cli
