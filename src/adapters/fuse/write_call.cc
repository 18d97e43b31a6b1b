#include "adapters/fuse/write_call.h"

#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

#include "base/posix_file.h"
#include "fmt/format.h"

namespace freehold::fuse {
namespace {

constexpr std::size_t kMostParts = 1024;  // IOV_MAX

std::string ReadProc(pid_t thread, const std::string& name) {
  auto fd = OpenFile(fmt::format("/proc/{}/{}", thread, name), O_RDONLY);
  if (!fd.ok()) return "";
  auto bytes = ReadUntilEnd(fd->get(), 4096);
  return bytes.ok() ? std::string(AsText(*bytes)) : "";
}

struct Call {
  long number = -1;
  std::array<std::uint64_t, 6> arguments{};
};

Call CallOf(pid_t thread) {
  std::string line = ReadProc(thread, "syscall");
  // It has sent its request and is on its way to sleep.
  for (int again = 0; again < 1000 && line.starts_with("running"); ++again) {
    sched_yield();
    line = ReadProc(thread, "syscall");
  }
  Call call;
  std::istringstream fields(line);
  if (!(fields >> call.number)) return {};
  for (std::uint64_t& argument : call.arguments) fields >> std::hex >> argument;
  return call;
}

struct Descriptor {
  std::optional<std::uint64_t> position;
  unsigned long flags = 0;
};

Descriptor DescriptorOf(pid_t thread, std::uint64_t fd) {
  std::istringstream lines(ReadProc(thread, fmt::format("fdinfo/{}", fd)));
  Descriptor descriptor;
  std::string name;
  std::string value;
  while (lines >> name >> value) {
    if (name == "pos:") descriptor.position = std::strtoull(value.c_str(), nullptr, 10);
    if (name == "flags:") descriptor.flags = std::strtoul(value.c_str(), nullptr, 8);
  }
  return descriptor;
}

bool IsPastTheCache(pid_t thread, std::uint64_t fd) {
  return (DescriptorOf(thread, fd).flags & O_DIRECT) != 0;
}

std::optional<std::uint64_t> PositionOf(pid_t thread, std::uint64_t fd) {
  const Descriptor descriptor = DescriptorOf(thread, fd);
  return (descriptor.flags & O_APPEND) != 0 ? std::nullopt : descriptor.position;
}

// Where a write that names its offset begins: O_APPEND counts more than the offset.
std::optional<std::uint64_t> OffsetOf(pid_t thread, std::uint64_t fd, std::uint64_t named) {
  return PositionOf(thread, fd).has_value() ? std::optional(named) : std::nullopt;
}

template <typename T>
bool ReadArray(pid_t thread, std::uint64_t address, std::vector<T>& into) {
  const iovec here{into.data(), into.size() * sizeof(T)};
  const iovec there{reinterpret_cast<void*>(address), here.iov_len};
  const ssize_t got = process_vm_readv(thread, &here, 1, &there, 1, 0);
  return got >= 0 && static_cast<std::size_t>(got) == here.iov_len;
}

// The bytes of an array of iovec in the thread's memory. What cannot be read counts as a lot.
std::uint64_t SizeOf(pid_t thread, std::uint64_t address, std::uint64_t count) {
  std::vector<iovec> parts(std::min<std::uint64_t>(count, kMostParts));
  if (!ReadArray(thread, address, parts)) return std::uint64_t{1} << 30;
  std::uint64_t size = 0;
  for (const iovec& part : parts) size += part.iov_len;
  return size;
}

// What libaio hands over, from the first byte of its writes to the last: one at a time as a rule.
std::optional<WriteCall> SubmittedBy(pid_t thread, std::uint64_t count, std::uint64_t address) {
  const WriteCall unknown{std::nullopt, 1};
  std::vector<std::uint64_t> places(std::min<std::uint64_t>(count, kMostParts));
  if (!ReadArray(thread, address, places)) return unknown;
  std::optional<WriteCall> all;
  for (const std::uint64_t place : places) {
    std::vector<iocb> one(1);
    if (!ReadArray(thread, place, one)) return unknown;
    const bool vectored = one[0].aio_lio_opcode == IOCB_CMD_PWRITEV;
    if (!vectored && one[0].aio_lio_opcode != IOCB_CMD_PWRITE) continue;
    if (IsPastTheCache(thread, one[0].aio_fildes)) continue;
    const auto offset = static_cast<std::uint64_t>(one[0].aio_offset);
    if (!OffsetOf(thread, one[0].aio_fildes, offset).has_value()) return unknown;
    const std::uint64_t size =
        vectored ? SizeOf(thread, one[0].aio_buf, one[0].aio_nbytes) : one[0].aio_nbytes;
    if (!all.has_value()) all = WriteCall{offset, 0};
    const std::uint64_t end = std::max(*all->offset + all->size, offset + size);
    all->offset = std::min(*all->offset, offset);
    all->size = end - *all->offset;
  }
  return all;
}

// Of the calls that write to one descriptor.
std::optional<std::uint64_t> TargetOf(const Call& call) {
  switch (call.number) {
    case SYS_write:
    case SYS_writev:
    case SYS_pwrite64:
    case SYS_pwritev:
    case SYS_pwritev2:
    case SYS_sendfile:
      return call.arguments[0];
    case SYS_splice:
    case SYS_copy_file_range:
      return call.arguments[2];
    default:
      return std::nullopt;
  }
}

}  // namespace

std::optional<WriteCall> WriteCallOf(pid_t thread) {
  const Call call = CallOf(thread);
  // What does not go through the cache is written, or refused, before the call returns.
  const auto target = TargetOf(call);
  if (target.has_value() && IsPastTheCache(thread, *target)) return std::nullopt;
  const auto& [fd, data, count, where, unused, flags] = call.arguments;
  switch (call.number) {
    case SYS_write:
      return WriteCall{PositionOf(thread, fd), count};
    case SYS_writev:
      return WriteCall{PositionOf(thread, fd), SizeOf(thread, data, count)};
    case SYS_pwrite64:
      return WriteCall{OffsetOf(thread, fd, where), count};
    case SYS_pwritev:
      return WriteCall{OffsetOf(thread, fd, where), SizeOf(thread, data, count)};
    case SYS_pwritev2:
      if ((flags & RWF_APPEND) != 0) return WriteCall{std::nullopt, 1};
      return WriteCall{
          where == ~std::uint64_t{0} ? PositionOf(thread, fd) : OffsetOf(thread, fd, where),
          SizeOf(thread, data, count)};
    case SYS_io_submit:
      return SubmittedBy(thread, data, count);
    case SYS_sendfile:
    case SYS_splice:
    case SYS_copy_file_range:
      return WriteCall{std::nullopt, 1};
    default:
      return std::nullopt;
  }
}

}  // namespace freehold::fuse
