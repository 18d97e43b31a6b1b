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

using Words = std::uint32_t __attribute__((vector_size(16)));

Words Load(const std::uint8_t* block) {
  Words words;
  std::memcpy(&words, block, sizeof words);
  return words;
}

// False is certain. Looks at four blocks at a time, and at their first words only: nearly all units
// have no hole, and a look at each block would take a quarter of the time that decrypting takes.
bool MayHaveZeroBlock(ByteView unit) {
  Words zeros = {};
  const std::uint8_t* at = unit.data();
  const std::uint8_t* const end = at + unit.size();
  for (; end - at >= static_cast<std::ptrdiff_t>(4 * kBlockSize); at += 4 * kBlockSize) {
    const Words first = __builtin_shufflevector(Load(at), Load(at + kBlockSize), 0, 1, 4, 5);
    const Words last =
        __builtin_shufflevector(Load(at + 2 * kBlockSize), Load(at + 3 * kBlockSize), 0, 1, 4, 5);
    zeros |= static_cast<Words>(__builtin_shufflevector(first, last, 0, 2, 4, 6) == 0);
  }
  if ((zeros[0] | zeros[1] | zeros[2] | zeros[3]) != 0) return true;
  for (; at != end; at += kBlockSize) {
    if (IsZeroBlock(at)) return true;
  }
  return false;
}

ZeroBlocks FindZeroBlocks(ByteView unit) {
  ZeroBlocks zeros;
  for (std::size_t block = 0; block < unit.size() / kBlockSize; ++block) {
    if (IsZeroBlock(unit.data() + block * kBlockSize)) zeros.set(block);
  }
  return zeros;
}

Status DecodeUnit(UnitCipher& cipher, std::uint64_t number, MutableByteView unit) {
  const ZeroBlocks zeros = FindZeroBlocks(unit);
  if (zeros.count() == unit.size() / kBlockSize) return {};
  TRY(cipher.Decrypt(number, unit, unit));
  if (zeros.none()) return {};
  for (std::size_t block = 0; block < unit.size() / kBlockSize; ++block) {
    if (zeros[block]) std::memset(unit.data() + block * kBlockSize, 0, kBlockSize);
  }
  return {};
}

}  // namespace

Status DecodeRun(UnitCipher& cipher, std::uint64_t first_unit, MutableByteView run) {
  while (!run.empty()) {
    // One by one: what was looked at is in the processor's first cache when it is decrypted.
    const MutableByteView unit = run.first(std::min(kUnitSize, run.size()));
    if (MayHaveZeroBlock(unit)) {
      TRY(DecodeUnit(cipher, first_unit, unit));
    } else {
      TRY(cipher.Decrypt(first_unit, unit, unit));
    }
    run = run.subspan(unit.size());
    ++first_unit;
  }
  return {};
}

}  // namespace freehold
