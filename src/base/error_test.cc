// docs/exit-codes.md is the table of base/error.h, word for word.
#include "base/error.h"

#include <cstring>

#include "base/page_example.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace freehold {
namespace {

using ::testing::ElementsAreArray;

const std::string kPage = FREEHOLD_SOURCE_DIR "/docs/exit-codes.md";

// "EIO", not "Input/output error".
std::string NameOfErrno(int value) { return strerrorname_np(value); }

TEST(ErrorCodeTableTest, ThePageIsTheTable) {
  std::vector<std::vector<std::string>> expected = {{"0", "", "", "", "", "it worked"}};
  for (const ErrorCodeInfo& info : ErrorCodeTable()) {
    expected.push_back({std::to_string(info.exit_code), "`" + std::string(info.name) + "`",
                        NameOfErrno(info.errno_value), std::to_string(info.http_status),
                        info.retryable ? "yes" : "no", std::string(info.meaning)});
  }
  auto rows = PageTableRows(kPage);
  ASSERT_FALSE(rows.empty());
  rows.erase(rows.begin());  // the heads
  EXPECT_THAT(rows, ElementsAreArray(expected));
}

TEST(ErrorCodeTableTest, ExitCodesAndNamesAreUniqueAndInOrder) {
  int last = 0;
  std::vector<std::string_view> names;
  for (const ErrorCodeInfo& info : ErrorCodeTable()) {
    EXPECT_GT(info.exit_code, last);
    last = info.exit_code;
    EXPECT_THAT(names, ::testing::Not(::testing::Contains(info.name)));
    names.push_back(info.name);
    EXPECT_EQ(&InfoOf(info.code), &info);
  }
  EXPECT_LT(last, 64) << "above lie the codes of shells and signals";
}

TEST(ErrnoErrorTest, CodesFitTheErrno) {
  EXPECT_EQ(ErrnoError(ENOENT, "x").code(), ErrorCode::kNotFound);
  EXPECT_EQ(ErrnoError(ENOSPC, "x").code(), ErrorCode::kNoSpace);
  EXPECT_EQ(ErrnoError(EACCES, "x").code(), ErrorCode::kPermissionDenied);
  EXPECT_EQ(ErrnoError(EIO, "/d/f").message(), std::string("/d/f: ") + std::strerror(EIO));
}

}  // namespace
}  // namespace freehold
