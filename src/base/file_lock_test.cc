#include "base/file_lock.h"

#include <fcntl.h>
#include <unistd.h>

#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace freehold {
namespace {

using std::chrono_literals::operator""ms;

class FileLock : public testing::Test {
 protected:
  FileLock() {
    char name[] = "/tmp/freehold-lock-XXXXXX";  // mkstemp(3) fills it in
    const UniqueFd made(mkstemp(name));
    path_ = name;
  }
  ~FileLock() override { unlink(path_.c_str()); }

  UniqueFd Open() const { return *OpenFile(path_, O_RDWR); }
  Status Lock(const UniqueFd& fd, Duration patience) const {
    return LockAlone(fd, path_, "another one has it", patience);
  }

  std::string path_;
};

TEST_F(FileLock, IsHeldByOneUntilItsDescriptorIsClosed) {
  UniqueFd first = Open();
  const UniqueFd second = Open();
  ASSERT_TRUE(Lock(first, 0ms).ok());
  const Status refused = Lock(second, 10ms);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kBusy);
  EXPECT_EQ(refused.error().message(), "another one has it");
  first.Reset();
  EXPECT_TRUE(Lock(second, 0ms).ok());
}

// As when a process is killed while it starts a child.
TEST_F(FileLock, WaitsForWhoHoldsItForAMoment) {
  UniqueFd first = Open();
  ASSERT_TRUE(Lock(first, 0ms).ok());
  UniqueFd inherited(dup(first.get()));
  first.Reset();
  std::jthread ending([&] {
    std::this_thread::sleep_for(20ms);  // until the other one waits, most likely
    inherited.Reset();
  });
  EXPECT_TRUE(Lock(Open(), std::chrono::minutes(1)).ok());
}

}  // namespace
}  // namespace freehold
