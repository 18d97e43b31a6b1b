// Side: one of two directories on which the same operations are done, with descriptors and shared
// maps of its own that stay open across renames and removals.
//
// Knows nothing of the other side. Threads: one; processes that share a directory take turns.
#pragma once

#include <array>
#include <cstdint>
#include <string>

enum class Kind {
  kOpen,
  kClose,
  kWrite,
  kPwrite,
  kRead,
  kPread,
  kSeek,
  kFtruncate,
  kFallocate,
  kSync,
  kMap,
  kUnmap,
  kMapRead,
  kMapWrite,
  kMapSync,
  kReopen,
  kTruncate,
  kReadFile,
  kStat,
  kUnlink,
  kRename,
  kLink,
  kSymlink,
  kMkdir,
  kRmdir,
  kChmod,
  kList,
  kCopy,
};
inline constexpr int kKinds = 28;

struct Operation {
  Kind kind;
  int slot = 0;
  std::string name = {};
  std::string other = {};
  int flags = 0;  // of open, fallocate, rename, seek, msync; or a mode
  std::int64_t offset = 0;
  std::int64_t size = 0;
  std::uint64_t data = 0;  // what is written follows from it; 0: zeros

  std::string Text() const;
};

// What a call returned, its errno, and a digest of what it read.
struct Outcome {
  std::int64_t value = 0;
  int error = 0;
  std::uint64_t digest = 0;
  bool operator==(const Outcome&) const = default;
};

class Side {
 public:
  static constexpr int kSlots = 6;

  explicit Side(std::string root) : root_(std::move(root)) {}
  ~Side();
  Side(const Side&) = delete;
  Side& operator=(const Side&) = delete;

  Outcome Do(const Operation& operation);

 private:
  struct Slot {
    int fd = -1;
    void* map = nullptr;
    std::int64_t mapped = 0;
  };

  Outcome OnDescriptor(const Operation& operation, Slot& slot);
  Outcome OnMap(const Operation& operation, Slot& slot);
  Outcome OnName(const Operation& operation);
  Outcome ReadAll(const std::string& path);
  Outcome List(const std::string& path);
  Outcome Copy(const Operation& operation);
  void Close(Slot& slot);
  std::string Path(const std::string& name) const { return root_ + "/" + name; }

  const std::string root_;
  std::array<Slot, kSlots> slots_;
};

// Bytes that follow from a number; the digest of some bytes.
void FillWith(std::uint64_t data, char* into, std::size_t size);
std::uint64_t DigestOf(const char* bytes, std::size_t size);
