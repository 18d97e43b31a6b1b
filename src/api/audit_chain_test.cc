#include "api/audit_chain.h"

#include <boost/json.hpp>

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace freehold::api {
namespace {

namespace json = boost::json;
using testing::HasSubstr;

std::vector<json::object> Entries(int count, const std::string& organization = "o1") {
  std::vector<json::object> entries;
  Digest256 seal{};
  for (int n = 1; n <= count; ++n) {
    const std::string text = fmt::format(R"({{"organization_id":"{}", "n":{}}})", organization, n);
    seal = SealOf(seal, organization, static_cast<std::uint64_t>(n), text);
    entries.push_back(*EntryJson(static_cast<std::uint64_t>(n), HexEncode(seal), text));
  }
  return entries;
}

Status Read(AuditChain& chain, const std::vector<json::object>& entries) {
  for (const json::object& entry : entries) TRY(chain.Take(entry));
  return {};
}

std::string BreakOf(const std::vector<json::object>& entries) {
  AuditChain chain("o1");
  const Status read = Read(chain, entries);
  if (read.ok()) return "";
  EXPECT_EQ(read.error().code(), ErrorCode::kVerifyFailed);
  return read.error().message();
}

AuditHead HeadOf(const AuditChain& chain, const SigningKey& key) {
  AuditHead head{
      chain.organization(), chain.position(), chain.seal(), "2026-01-02T03:04:05Z", {}, ""};
  EXPECT_TRUE(Sign(head, key).ok());
  return head;
}

TEST(AuditChain, SaysWhereItBreaks) {
  const auto entries = Entries(4);
  EXPECT_EQ(BreakOf(entries), "");

  auto removed = entries;
  removed.erase(removed.begin() + 1);
  EXPECT_THAT(BreakOf(removed), HasSubstr("entry 2 is missing"));

  auto swapped = entries;
  std::swap(swapped[1], swapped[2]);
  EXPECT_THAT(BreakOf(swapped), HasSubstr("entry 2 is missing"));
  swapped[1]["position"] = 2;
  swapped[2]["position"] = 3;
  EXPECT_THAT(BreakOf(swapped), HasSubstr("entry 2 was changed"));

  auto changed = entries;
  changed[2]["text"] = R"({"organization_id":"o1", "n":7})";
  EXPECT_THAT(BreakOf(changed), HasSubstr("entry 3 was changed"));

  auto shown = entries;
  shown[2]["n"] = 7;
  EXPECT_THAT(BreakOf(shown), HasSubstr("entry 3 shows something else"));

  auto others = Entries(4, "o2");
  EXPECT_THAT(BreakOf(others), HasSubstr("entry 1 was changed"));
  EXPECT_THAT(BreakOf({json::object{}}), HasSubstr("entry 1 is missing"));
}

TEST(AuditChain, AKeptHeadIsOnItOrItWasRewritten) {
  const auto key = SigningKey::Generate();
  AuditChain earlier("o1");
  ASSERT_TRUE(Read(earlier, Entries(2)).ok());
  const AuditHead kept = HeadOf(earlier, *key);
  AuditChain later("o1");
  EXPECT_THAT(later.Holds(kept).error().message(), HasSubstr("entry 1 is missing"));
  ASSERT_TRUE(Read(later, Entries(5)).ok());
  EXPECT_TRUE(later.Holds(kept).ok());
  EXPECT_TRUE(later.Holds(HeadOf(AuditChain("o1"), *key)).ok());  // of the time before any entry
  AuditHead other = kept;
  other.seal[0] ^= 1;
  EXPECT_THAT(later.Holds(other).error().message(), HasSubstr("rewritten at entry 2 or before"));
}

TEST(AuditHead, IsSignedInAllItsFields) {
  const auto key = SigningKey::Generate();
  const auto keys = *VerifyingKey::AllInPem(key->PublicPem());
  AuditChain chain("o1");
  ASSERT_TRUE(Read(chain, Entries(3)).ok());
  const AuditHead head =
      *ParseAuditHead(json::parse(json::serialize(ToJson(HeadOf(chain, *key)))).as_object());
  EXPECT_TRUE(CheckSignature(head, keys).ok());
  for (const auto& change : std::vector<std::function<void(AuditHead&)>>{
           [](AuditHead& one) { one.organization = "o2"; },
           [](AuditHead& one) { one.position = 2; }, [](AuditHead& one) { one.seal[31] ^= 1; },
           [](AuditHead& one) { one.at = "2026-01-02T03:04:06Z"; },
           [](AuditHead& one) { one.signature[0] ^= 1; },
           [](AuditHead& one) { one.key_id = "another"; }}) {
    AuditHead changed = head;
    change(changed);
    EXPECT_EQ(CheckSignature(changed, keys).error().code(), ErrorCode::kVerifyFailed);
  }
}

}  // namespace
}  // namespace freehold::api
