#include "node/profile.h"

#include <signal.h>

#include "base/posix_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace freehold {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kSmall[] = R"(
name = "small"
user = ""
data = "{mount}/db"
initialized_if = "{data}/made"
log = "{mount}/log"
init = [["sh", "-c", "touch {data}/made"]]
start = ["sleep", "{seconds}"]
ready = ["true"]
private_tmpfs = []
survives_kill = "all"
survives_power_loss = "all"
[parameters]
seconds = "60"
)";

std::string Replaced(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

std::string Complaint(const std::string& toml) {
  const auto parsed = ParseProfile(toml, "x.toml");
  if (parsed.ok()) return "accepted";
  EXPECT_EQ(parsed.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(parsed.error().message(), HasSubstr("profile x.toml: "));
  return parsed.error().message();
}

DatabasePlan Plan(const std::string& toml, const ProfileSettings& settings) {
  return *ResolveProfile(*ParseProfile(toml, "x.toml"), settings);
}

TEST(Profile, FillsItsPlaceholders) {
  const DatabasePlan plan = Plan(kSmall, {"/mnt/v", "", {}});
  EXPECT_EQ(plan.data, "/mnt/v/db");
  EXPECT_EQ(plan.initialized_if, "/mnt/v/db/made");
  EXPECT_THAT(plan.start, ElementsAre("sleep", "60"));
  EXPECT_EQ(plan.stop_signal, SIGTERM);
}

TEST(Profile, InitialisesBesideTheDataSoThatHalfOfItIsNeverTakenForAll) {
  const DatabasePlan plan = Plan(kSmall, {"/mnt/v", "", {}});
  EXPECT_EQ(plan.init_data, "/mnt/v/db.freehold-init");
  EXPECT_THAT(plan.init.at(0), Contains("touch /mnt/v/db.freehold-init/made"));
  EXPECT_EQ(plan.init_initialized, "/mnt/v/db.freehold-init/made");
}

TEST(Profile, TakesParametersFromTheCommandLineAndRefusesUnknownOnes) {
  EXPECT_THAT(Plan(kSmall, {"/m", "", {{"seconds", "5"}}}).start, ElementsAre("sleep", "5"));
  const auto refused =
      ResolveProfile(*ParseProfile(kSmall, "x.toml"), {"/m", "", {{"minutes", "5"}}});
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message(), HasSubstr("it has seconds"));
}

TEST(Profile, SaysOfEveryMistakeWhatIsWrong) {
  EXPECT_THAT(Complaint("name = "), HasSubstr("line 1"));
  EXPECT_THAT(Complaint("[#"), HasSubstr("line 1: Error while parsing key"));
  EXPECT_THAT(Complaint(Replaced(kSmall, "user = \"\"\n", "")), HasSubstr("user is missing"));
  EXPECT_THAT(Complaint(Replaced(kSmall, "user", "usr")), HasSubstr("'usr' is no field"));
  EXPECT_THAT(Complaint(Replaced(kSmall, "user = \"\"", "user = 5")), HasSubstr("user must be"));
  EXPECT_THAT(Complaint(Replaced(kSmall, "{seconds}", "{second}")),
              HasSubstr("start: '{second}' is no placeholder; there are"));
  EXPECT_THAT(Complaint(Replaced(kSmall, "{seconds}", "{seconds")), HasSubstr("no placeholder"));
  EXPECT_THAT(Complaint(Replaced(kSmall, "[[\"sh\"", "[\"x\", [\"sh\"")),
              HasSubstr("list of commands"));
  EXPECT_THAT(Complaint(Replaced(kSmall, "\"{mount}/db\"", "\"/var/lib/db\"")),
              HasSubstr("not below {mount}"));
  EXPECT_THAT(Complaint(Replaced(kSmall, "\"{mount}/log\"", "\"{mount}/../log\"")),
              HasSubstr("not below {mount}"));
  EXPECT_THAT(Complaint(Replaced(kSmall, "ready =", "stop_signal = \"KILL\"\nready =")),
              HasSubstr("none of TERM"));
  EXPECT_THAT(Complaint(Replaced(kSmall, "seconds = \"60\"", "seconds = \"60\"\nmount = \"/x\"")),
              HasSubstr("Freehold's own"));
  EXPECT_THAT(Complaint(Replaced(kSmall, "ready =", "bin = [\"/b\"]\nready =")),
              HasSubstr("program is missing"));
}

TEST(Profile, TakesLettersBeyondAsciiOnlyAsEscapes) {
  EXPECT_THAT(Complaint("\xc7\xbfJ"), HasSubstr("line 1: a character beyond ASCII"));
  EXPECT_THAT(Complaint(Replaced(kSmall, "seconds = \"60\"", "seconds = \"\xc3\xa9\"")),
              HasSubstr("line 14: a character beyond ASCII"));
  const std::string toml = Replaced(kSmall, "seconds = \"60\"", "seconds = \"\\u00E9\"");
  EXPECT_THAT(Plan(toml, {"/m", "", {}}).start, ElementsAre("sleep", "\xc3\xa9"));
}

TEST(Profile, RefusesASocketPathThatNoClientCouldName) {
  const std::string toml =
      Replaced(kSmall, "ready =", "sockets = [\"{mount}/run/.s.PGSQL.5432\"]\nready =");
  const auto refused =
      ResolveProfile(*ParseProfile(toml, "x.toml"), {"/" + std::string(100, 'm'), "", {}});
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message(), HasSubstr("shorter mount point"));
}

TEST(Profile, NamesThoseThatThereAre) {
  char directory[] = "/tmp/freehold-profile-XXXXXX";
  ASSERT_NE(mkdtemp(directory), nullptr);
  const std::string path = std::string(directory) + "/small.toml";
  ASSERT_TRUE(ReplaceFile(path, AsBytes(kSmall), 0644).ok());
  EXPECT_TRUE(FindProfile("small", {"/nonexistent", directory}).ok());
  EXPECT_TRUE(FindProfile(path, {}).ok());
  const auto missing = FindProfile("oracle", {directory});
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(missing.error().message(), HasSubstr("there are small"));
  unlink(path.c_str());
  rmdir(directory);
}

TEST(Profile, SaysWhichDatabaseIsNotInstalled) {
  const std::string toml =
      Replaced(kSmall, "ready =",
               "versions = [\"2\"]\nbin = [\"/nonexistent/{version}\"]\nprogram = \"db\"\nready =");
  const auto missing = ResolveProfile(*ParseProfile(toml, "x.toml"), {"/m", "", {}});
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(missing.error().message(), HasSubstr("/nonexistent/2/db"));
}

}  // namespace
}  // namespace freehold
