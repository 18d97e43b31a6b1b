// freehold_slow_flush BACKING MOUNTPOINT: a mount on which a flush takes a millisecond at least.
//
// For benchmarks: below a loop device it makes a disk of any speed look like one that has to flush
// for real. Prints "ready" when mounted; ends when its standard input does.
#include <time.h>
#include <unistd.h>

#include <cstdio>

#include "adapters/fuse/mount.h"
#include "vfs/file.h"

namespace freehold {
namespace {

constexpr long kFlushNanoseconds = 1'000'000;

class SlowFlushFile : public File {
 public:
  explicit SlowFlushFile(std::unique_ptr<File> backing) : backing_(std::move(backing)) {}

  Result<std::size_t> ReadAt(std::uint64_t offset, MutableByteView into) override {
    return backing_->ReadAt(offset, into);
  }
  Status WriteAt(std::uint64_t offset, ByteView data) override {
    return backing_->WriteAt(offset, data);
  }
  Result<std::uint64_t> Size() override { return backing_->Size(); }
  Status Truncate(std::uint64_t size) override { return backing_->Truncate(size); }
  Status Allocate(AllocateMode mode, std::uint64_t offset, std::uint64_t length) override {
    return backing_->Allocate(mode, offset, length);
  }
  Status Sync(SyncKind kind) override {
    timespec until{};
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += kFlushNanoseconds;
    until.tv_sec += until.tv_nsec / 1'000'000'000;
    until.tv_nsec %= 1'000'000'000;
    const Status synced = backing_->Sync(kind);
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
    return synced;
  }
  Result<std::uint64_t> SeekData(std::uint64_t offset) override {
    return backing_->SeekData(offset);
  }
  Result<std::uint64_t> SeekHole(std::uint64_t offset) override {
    return backing_->SeekHole(offset);
  }

 private:
  const std::unique_ptr<File> backing_;
};

class SlowFlushLayer : public FileLayer {
 public:
  Result<std::unique_ptr<File>> Open(std::unique_ptr<File> backing) override {
    return std::unique_ptr<File>(std::make_unique<SlowFlushFile>(std::move(backing)));
  }
  std::uint64_t VisibleSize(std::uint64_t backing_size) const override { return backing_size; }
};

int Run(const char* backing, const char* mount_point) {
  SlowFlushLayer layer;
  fuse::MountOptions options;
  options.backing_directory = backing;
  options.mount_point = mount_point;
  options.source = "slow-flush";
  options.workers = 4;  // one may wait in a flush while others read and write
  options.direct = {"*"};
  auto mount = fuse::Mount::Start(options, layer);
  if (!mount.ok()) {
    std::fprintf(stderr, "slow_flush: %s\n", mount.error().message().c_str());
    return 1;
  }
  std::puts("ready");
  std::fflush(stdout);
  char byte = 0;
  while (read(STDIN_FILENO, &byte, 1) > 0) {
  }
  (*mount)->Abort();
  return 0;
}

}  // namespace
}  // namespace freehold

int main(int argc, char** argv) { return argc == 3 ? freehold::Run(argv[1], argv[2]) : 2; }
