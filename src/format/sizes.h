// Sizes: how long an encrypted file is on disk for a given length of plaintext, and back.
//
// A file is a 4096-byte header and a body at the plaintext's own offsets. The body of a length L
// with r = L mod 16 is L bytes when r is 0. Otherwise it is L + 16 bytes: the last, partial block
// is padded with zeros to 16 and encrypted, and r slack bytes follow, zero on disk. So the length
// on disk alone tells L, with no field that could disagree with it after a crash.
// Pure: no I/O. Spec: docs/format/file.md, "Sizes".
#pragma once

#include <compare>
#include <cstdint>

namespace freehold {

inline constexpr std::uint64_t kHeaderSize = 4096;
inline constexpr std::uint64_t kBlockSize = 16;
inline constexpr std::uint64_t kPageSize = 4096;  // of the kernel below: it writes page by page

struct LogicalSize {
  std::uint64_t bytes = 0;
  auto operator<=>(const LogicalSize&) const = default;
};
struct BackingSize {
  std::uint64_t bytes = 0;
  auto operator<=>(const BackingSize&) const = default;
};

// A file that was never written has no header and no body: 0 for 0 is allowed on disk too.
BackingSize BackingSizeOf(LogicalSize size);

// Lengths that no writer makes (a header cut short, a body of 1 to 15 bytes) decode to the largest
// whole length that is there.
LogicalSize LogicalSizeOf(BackingSize size);

// False for lengths that BackingSizeOf never returns, 0 excepted: the file was shortened.
bool IsPossibleBackingSize(BackingSize size);

constexpr std::uint64_t BlockFloor(std::uint64_t offset) { return offset & ~(kBlockSize - 1); }
constexpr std::uint64_t BlockCeil(std::uint64_t offset) {
  return BlockFloor(offset + kBlockSize - 1);
}
constexpr std::uint64_t BodyOffset(std::uint64_t logical_offset) {
  return kHeaderSize + logical_offset;
}

}  // namespace freehold
