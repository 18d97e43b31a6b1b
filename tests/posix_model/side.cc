#include "side.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>
#include <vector>

namespace {

// errno goes with the outcome only when the call failed.
Outcome Returned(std::int64_t value, std::uint64_t digest = 0) {
  return {value, value < 0 ? errno : 0, digest};
}

std::int64_t SizeOf(int fd) {
  struct stat st = {};
  return fstat(fd, &st) == 0 ? st.st_size : -1;
}

thread_local std::vector<char> buffer;

char* Buffer(std::int64_t size) {
  if (static_cast<std::int64_t>(buffer.size()) < size) buffer.resize(size);
  return buffer.data();
}

}  // namespace

void FillWith(std::uint64_t data, char* into, std::size_t size) {
  if (data == 0) return void(std::memset(into, 0, size));
  for (std::size_t at = 0; at < size; at += 8) {
    data = data * 6364136223846793005U + 1442695040888963407U;
    const std::uint64_t mixed = data ^ (data >> 29);
    std::memcpy(into + at, &mixed, std::min<std::size_t>(8, size - at));
  }
}

std::uint64_t DigestOf(const char* bytes, std::size_t size) {
  std::uint64_t digest = 1469598103934665603U + size;
  for (std::size_t at = 0; at < size; at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes + at, std::min<std::size_t>(8, size - at));
    digest = (digest ^ word) * 1099511628211U;
    digest ^= digest >> 31;
  }
  return digest;
}

std::string Operation::Text() const {
  static constexpr const char* kNames[] = {
      "open",      "close",     "write",    "pwrite",    "read",  "pread",    "seek",
      "ftruncate", "fallocate", "sync",     "map",       "unmap", "map-read", "map-write",
      "map-sync",  "reopen",    "truncate", "read-file", "stat",  "unlink",   "rename",
      "link",      "symlink",   "mkdir",    "rmdir",     "chmod", "list",     "copy"};
  static_assert(std::size(kNames) == kKinds);
  char text[300];
  snprintf(text, sizeof text, "%s slot %d '%s' '%s' flags %#x at %lld size %lld data %llx",
           kNames[static_cast<int>(kind)], slot, name.c_str(), other.c_str(),
           static_cast<unsigned>(flags), static_cast<long long>(offset),
           static_cast<long long>(size), static_cast<unsigned long long>(data));
  return text;
}

Side::~Side() {
  for (Slot& slot : slots_) Close(slot);
}

void Side::Close(Slot& slot) {
  if (slot.map != nullptr) munmap(slot.map, slot.mapped);
  if (slot.fd >= 0) close(slot.fd);
  slot = {};
}

Outcome Side::Do(const Operation& operation) {
  Slot& slot = slots_[operation.slot];
  if (operation.kind == Kind::kOpen) {
    Close(slot);
    slot.fd = open(Path(operation.name).c_str(), operation.flags | O_CLOEXEC, 0644);
    const Outcome outcome = Returned(slot.fd < 0 ? -1 : 0);
    struct stat st = {};  // positions in a directory are each file system's own
    if (slot.fd >= 0 && fstat(slot.fd, &st) == 0 && S_ISDIR(st.st_mode)) Close(slot);
    return outcome;
  }
  if (operation.kind == Kind::kReopen) {
    for (Slot& one : slots_) Close(one);
    return {};
  }
  if (operation.kind <= Kind::kSync) {
    return slot.fd < 0 ? Outcome{} : OnDescriptor(operation, slot);
  }
  if (operation.kind < Kind::kReopen) return slot.fd < 0 ? Outcome{} : OnMap(operation, slot);
  return OnName(operation);
}

Outcome Side::OnDescriptor(const Operation& op, Slot& slot) {
  switch (op.kind) {
    case Kind::kClose:
      Close(slot);
      return {};
    case Kind::kWrite:
    case Kind::kPwrite: {
      FillWith(op.data, Buffer(op.size), op.size);
      const auto done = op.kind == Kind::kWrite ? write(slot.fd, Buffer(0), op.size)
                                                : pwrite(slot.fd, Buffer(0), op.size, op.offset);
      return Returned(done, SizeOf(slot.fd));
    }
    case Kind::kRead:
    case Kind::kPread: {
      char* const into = Buffer(op.size);
      const auto got = op.kind == Kind::kRead ? read(slot.fd, into, op.size)
                                              : pread(slot.fd, into, op.size, op.offset);
      return Returned(got, got > 0 ? DigestOf(into, got) : 0);
    }
    case Kind::kSeek:
      return Returned(lseek(slot.fd, op.offset, op.flags));
    case Kind::kFtruncate:
      return Returned(ftruncate(slot.fd, op.size), SizeOf(slot.fd));
    case Kind::kFallocate:
      return Returned(fallocate(slot.fd, op.flags, op.offset, op.size), SizeOf(slot.fd));
    default:
      return Returned(op.flags != 0 ? fsync(slot.fd) : fdatasync(slot.fd));
  }
}

// A map is touched only as far as the file goes: behind that there is a signal.
Outcome Side::OnMap(const Operation& op, Slot& slot) {
  if (op.kind == Kind::kMap) {
    if (slot.map != nullptr) munmap(slot.map, slot.mapped);
    slot.map = nullptr;
    slot.mapped = op.size + 1;
    void* const made = mmap(nullptr, slot.mapped, PROT_READ | PROT_WRITE, MAP_SHARED, slot.fd, 0);
    if (made == MAP_FAILED) return Returned(-1);
    slot.map = made;
    return {};
  }
  if (slot.map == nullptr) return {};
  if (op.kind == Kind::kUnmap) {
    munmap(slot.map, slot.mapped);
    slot.map = nullptr;
    return {};
  }
  if (op.kind == Kind::kMapSync) return Returned(msync(slot.map, slot.mapped, op.flags));
  const std::int64_t end = std::min({SizeOf(slot.fd), slot.mapped, op.offset + op.size});
  if (end <= op.offset) return {};
  char* const at = static_cast<char*>(slot.map) + op.offset;
  if (op.kind == Kind::kMapRead) return {end, 0, DigestOf(at, end - op.offset)};
  FillWith(op.data, Buffer(op.size), op.size);
  std::memcpy(at, Buffer(0), end - op.offset);
  return {end, 0, 0};
}

Outcome Side::OnName(const Operation& op) {
  const std::string path = Path(op.name);
  const std::string other = Path(op.other);
  switch (op.kind) {
    case Kind::kTruncate:
      return Returned(truncate(path.c_str(), op.size));
    case Kind::kReadFile:
      return ReadAll(path);
    case Kind::kStat: {
      struct stat st = {};
      if (lstat(path.c_str(), &st) != 0) return Returned(-1);
      const std::uint64_t size = S_ISDIR(st.st_mode) ? 0 : st.st_size;
      return {static_cast<std::int64_t>(size), 0, st.st_mode * 1000U + st.st_nlink};
    }
    case Kind::kUnlink:
      return Returned(unlink(path.c_str()));
    case Kind::kRename:
      return Returned(renameat2(AT_FDCWD, path.c_str(), AT_FDCWD, other.c_str(), op.flags));
    case Kind::kLink:
      return Returned(link(path.c_str(), other.c_str()));
    case Kind::kSymlink:
      return Returned(symlink(op.other.c_str(), path.c_str()));
    case Kind::kMkdir:
      return Returned(mkdir(path.c_str(), 0755));
    case Kind::kRmdir:
      return Returned(rmdir(path.c_str()));
    case Kind::kChmod:
      return Returned(chmod(path.c_str(), op.flags));
    case Kind::kList:
      return List(path);
    default:
      return Copy(op);
  }
}

Outcome Side::ReadAll(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Returned(-1);
  const std::int64_t size = SizeOf(fd) + 10;
  const auto got = read(fd, Buffer(size), size);
  const Outcome outcome = Returned(got, got > 0 ? DigestOf(Buffer(0), got) : 0);
  close(fd);
  return outcome;
}

Outcome Side::List(const std::string& path) {
  DIR* const directory = opendir(path.c_str());
  if (directory == nullptr) return Returned(-1);
  std::set<std::string> names;
  while (const dirent* entry = readdir(directory)) names.insert(entry->d_name);
  closedir(directory);
  std::string all;
  for (const std::string& name : names) all += name + "\n";
  return {static_cast<std::int64_t>(names.size()), 0, DigestOf(all.data(), all.size())};
}

// In the kernel, as cp does it.
Outcome Side::Copy(const Operation& op) {
  const int from = open(Path(op.name).c_str(), O_RDONLY | O_CLOEXEC);
  if (from < 0) return Returned(-1);
  const int to = open(Path(op.other).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  Outcome outcome = Returned(to < 0 ? -1 : 0);
  struct stat one = {};
  struct stat two = {};
  if (to >= 0 && fstat(from, &one) == 0 && fstat(to, &two) == 0 && one.st_ino != two.st_ino) {
    std::int64_t left = one.st_size;
    while (left > 0) {
      const auto done = copy_file_range(from, nullptr, to, nullptr, left, 0);
      if (done <= 0) break;
      left -= done;
    }
    outcome = {left, 0, static_cast<std::uint64_t>(SizeOf(to))};
  }
  if (to >= 0) close(to);
  close(from);
  return outcome;
}
