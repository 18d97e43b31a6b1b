#include "store/postgresql/database_url.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace freehold::store {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(DatabaseUrl, OfThisMachineNeedsNoTls) {
  for (const char* url :
       {"postgresql://", "postgres:///freehold", "postgresql://localhost/freehold",
        "postgresql://u:secret@127.0.0.1:5433/freehold?sslmode=disable",
        "postgresql://[::1]:5433/freehold", "postgresql:///freehold?host=/run/postgresql",
        "postgresql:///freehold?host=/run/one,/run/two&port=1,2"}) {
    EXPECT_TRUE(DatabaseUrl::Parse(url, "").ok()) << url;
  }
}

TEST(DatabaseUrl, OfAnotherMachineNeedsTls) {
  for (const char* url :
       {"postgresql://db.example/freehold", "postgresql://db.example/freehold?sslmode=prefer",
        "postgresql://db.example/freehold?sslmode=disable", "postgresql://127.0.0.1,db.example/f",
        "postgresql://127.0.0.1.example/f", "postgresql:///f?host=10.0.0.1",
        "postgresql://localhost/f?hostaddr=10.0.0.1"}) {
    const auto refused = DatabaseUrl::Parse(url, "");
    ASSERT_FALSE(refused.ok()) << url;
    EXPECT_THAT(refused.error().message(), HasSubstr("sslmode=verify-full"));
  }
  for (const char* mode : {"require", "verify-ca", "verify-full"}) {
    EXPECT_TRUE(DatabaseUrl::Parse("postgresql://db.example/f", mode).ok());
    EXPECT_TRUE(
        DatabaseUrl::Parse(std::string("postgresql://db.example/f?sslmode=") + mode, "").ok());
  }
}

TEST(DatabaseUrl, ItsPlaceNamesNeitherUserNorPassword) {
  const auto place = [](const char* url) { return DatabaseUrl::Parse(url, "require")->place(); };
  EXPECT_EQ(place("postgresql://u:p%40w@db.example:5433/freehold"), "db.example:5433/freehold");
  EXPECT_EQ(place("postgresql://u@a:1,b:2/f?application_name=x"), "a:1,b:2/f");
  EXPECT_EQ(place("postgresql:///f?host=/run/one&password=hunter2"), "/run/one/f");
}

TEST(DatabaseUrl, NoErrorHasAWordOfThePassword) {
  for (const char* url :
       {"postgresql://u:hunter2@x@db.example/f", "postgresql://u:hunter2/x@db.example/f",
        "postgresql://u:hunter2?x@db.example/f", "postgresql://u:hunter2%zz@db.example/f",
        "postgresql://u:hunter2@db.example/f", "mysql://u:hunter2@db.example/f",
        "postgresql://u:hunter2@[db/f", "postgresql://db/f?hunter2=1", "hunter2"}) {
    const auto refused = DatabaseUrl::Parse(url, "");
    ASSERT_FALSE(refused.ok()) << url;
    EXPECT_EQ(refused.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(refused.error().message(), Not(HasSubstr("hunter2"))) << url;
  }
}

}  // namespace
}  // namespace freehold::store
