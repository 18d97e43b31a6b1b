#include "base/locked_arena.h"

#include <sys/mman.h>
#include <sys/resource.h>

#include <bit>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>

namespace freehold {
namespace {

// Size classes are powers of two from 32 bytes to 512 KiB; freed blocks go to their class's list.
// Larger requests get a mapping of their own.
constexpr std::size_t kHeader = 16;
constexpr std::size_t kSmallest = 5;
constexpr std::size_t kLargest = 19;
constexpr std::size_t kChunk = std::size_t{1} << 20;

struct BlockHeader {
  std::uint32_t size_class;  // log2 of the block with its header; 0 for a mapping of its own
  std::uint32_t unused;
  std::uint64_t size;  // bytes asked for
};
static_assert(sizeof(BlockHeader) == kHeader);

struct FreeBlock {
  FreeBlock* next;
};

[[noreturn]] void Fail(const char* what) {
  std::fprintf(stderr,
               "freehold: %s: %s. Keys must stay in locked memory; raise the limit "
               "(ulimit -l, LimitMEMLOCK=) or run as root.\n",
               what, std::strerror(errno));
  std::_Exit(1);
}

void* MapLocked(std::size_t size) {
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) Fail("no memory for keys");
  if (mlock(memory, size) != 0) Fail("cannot lock memory for keys");
  if (madvise(memory, size, MADV_DONTDUMP) != 0) Fail("cannot keep key memory out of core files");
  if (madvise(memory, size, MADV_WIPEONFORK) != 0) Fail("cannot keep key memory from forks");
  return memory;
}

class Arena {
 public:
  void* Allocate(std::size_t size) {
    const std::size_t need = size + kHeader;
    std::lock_guard lock(mutex_);
    in_use_ += size;
    BlockHeader* header = nullptr;
    if (need > (std::size_t{1} << kLargest)) {
      header = static_cast<BlockHeader*>(MapLocked(need));
      header->size_class = 0;
    } else {
      const std::size_t size_class = std::max<std::size_t>(kSmallest, std::bit_width(need - 1));
      header = static_cast<BlockHeader*>(TakeBlock(size_class));
      header->size_class = static_cast<std::uint32_t>(size_class);
    }
    header->size = size;
    return header + 1;
  }

  void Free(void* block) {
    BlockHeader* header = static_cast<BlockHeader*>(block) - 1;
    WipeMemory(block, header->size);
    std::lock_guard lock(mutex_);
    in_use_ -= header->size;
    if (header->size_class == 0) {
      munmap(header, header->size + kHeader);
      return;
    }
    const std::size_t size_class = header->size_class;
    auto* free_block = reinterpret_cast<FreeBlock*>(header);
    free_block->next = free_[size_class];
    free_[size_class] = free_block;
  }

  static std::size_t SizeOf(void* block) { return (static_cast<BlockHeader*>(block) - 1)->size; }

  std::size_t in_use() {
    std::lock_guard lock(mutex_);
    return in_use_;
  }

 private:
  void* TakeBlock(std::size_t size_class) {
    if (FreeBlock* block = free_[size_class]; block != nullptr) {
      free_[size_class] = block->next;
      return block;
    }
    const std::size_t size = std::size_t{1} << size_class;
    if (static_cast<std::size_t>(end_ - next_) < size) {
      next_ = static_cast<std::uint8_t*>(MapLocked(kChunk));
      end_ = next_ + kChunk;
    }
    void* block = next_;
    next_ += size;
    return block;
  }

  std::mutex mutex_;
  std::size_t in_use_ = 0;
  std::uint8_t* next_ = nullptr;
  std::uint8_t* end_ = nullptr;
  FreeBlock* free_[kLargest + 1] = {};
};

// Never destroyed: libcrypto frees its memory after our static destructors have run.
Arena& TheArena() {
  static Arena* arena = new Arena;
  return *arena;
}

}  // namespace

void* LockedAllocate(std::size_t size) { return TheArena().Allocate(size); }

void* LockedReallocate(void* block, std::size_t size) {
  if (block == nullptr) return LockedAllocate(size);
  void* larger = LockedAllocate(size);
  std::memcpy(larger, block, std::min(size, Arena::SizeOf(block)));
  LockedFree(block);
  return larger;
}

void LockedFree(void* block) {
  if (block != nullptr) TheArena().Free(block);
}

std::size_t LockedBytesInUse() { return TheArena().in_use(); }

void WipeMemory(void* memory, std::size_t size) {
  if (size != 0) explicit_bzero(memory, size);
}

}  // namespace freehold
