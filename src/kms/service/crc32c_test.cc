#include "kms/service/crc32c.h"

#include "gtest/gtest.h"

namespace freehold {
namespace {

TEST(Crc32c, IsThatOfTheStandard) {
  EXPECT_EQ(Crc32c(AsBytes("123456789")), 0xe3069283u);
  EXPECT_EQ(Crc32c(Bytes(32, 0)), 0x8a9136aau);
  EXPECT_EQ(Crc32c({}), 0u);
}

}  // namespace
}  // namespace freehold
