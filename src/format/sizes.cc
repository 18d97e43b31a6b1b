#include "format/sizes.h"

namespace freehold {

BackingSize BackingSizeOf(LogicalSize size) {
  const bool partial = size.bytes % kBlockSize != 0;
  return {kHeaderSize + size.bytes + (partial ? kBlockSize : 0)};
}

LogicalSize LogicalSizeOf(BackingSize size) {
  if (size.bytes <= kHeaderSize) return {0};
  const std::uint64_t body = size.bytes - kHeaderSize;
  if (body % kBlockSize == 0) return {body};
  // 1 to 15 bytes are less than one block; with 17 or more, one block is the padded tail.
  return {body < kBlockSize ? 0 : body - kBlockSize};
}

bool IsPossibleBackingSize(BackingSize size) {
  if (size.bytes == 0 || size.bytes == kHeaderSize) return true;
  return size.bytes > kHeaderSize && BackingSizeOf(LogicalSizeOf(size)) == size;
}

}  // namespace freehold
