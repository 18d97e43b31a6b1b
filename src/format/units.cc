#include "format/units.h"

#include <array>
#include <bitset>
#include <cstring>

#include "format/sizes.h"

namespace freehold {
namespace {

constexpr std::size_t kBlocksPerUnit = kUnitSize / kBlockSize;
using ZeroBlocks = std::bitset<kBlocksPerUnit>;

bool IsZeroBlock(const std::uint8_t* block) {
  std::uint64_t halves[2];
  std::memcpy(halves, block, sizeof halves);
  return (halves[0] | halves[1]) == 0;
}

ZeroBlocks FindZeroBlocks(ByteView unit) {
  ZeroBlocks zeros;
  for (std::size_t block = 0; block < unit.size() / kBlockSize; ++block) {
    if (IsZeroBlock(unit.data() + block * kBlockSize)) zeros.set(block);
  }
  return zeros;
}

}  // namespace

Status DecodeRun(UnitCipher& cipher, std::uint64_t first_unit, MutableByteView run) {
  for (std::size_t at = 0; at < run.size(); at += kUnitSize, ++first_unit) {
    MutableByteView unit = run.subspan(at, std::min(kUnitSize, run.size() - at));
    const ZeroBlocks zeros = FindZeroBlocks(unit);
    if (zeros.count() == unit.size() / kBlockSize) continue;
    TRY(cipher.Decrypt(first_unit, unit, unit));
    if (zeros.none()) continue;
    for (std::size_t block = 0; block < unit.size() / kBlockSize; ++block) {
      if (zeros[block]) std::memset(unit.data() + block * kBlockSize, 0, kBlockSize);
    }
  }
  return {};
}

}  // namespace freehold
