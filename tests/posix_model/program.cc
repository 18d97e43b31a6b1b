#include "program.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

namespace {

constexpr std::int64_t kSizes[] = {0,   1,    5,    15,   16,   17,   31,    32,    100,  511,
                                   512, 4080, 4095, 4096, 4097, 8192, 20000, 65536, 70001};
constexpr const char* kNames[] = {"a", "b", "c", "d", "e", "f", "g"};
constexpr const char* kDirectories[] = {"", "", "x/", "y/", "x/z/"};
constexpr const char* kPlaces[] = {"x", "y", "x/z", "y/w"};
constexpr int kOpenFlags[] = {
    O_RDWR,
    O_RDWR | O_CREAT,
    O_RDWR | O_CREAT,
    O_RDWR | O_CREAT | O_EXCL,
    O_RDWR | O_CREAT | O_TRUNC,
    O_RDWR | O_APPEND | O_CREAT,
    O_WRONLY | O_CREAT,
    O_WRONLY | O_TRUNC,
    O_RDONLY,
};
constexpr int kFallocateFlags[] = {
    0,
    FALLOC_FL_KEEP_SIZE,
    FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
    FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
    FALLOC_FL_ZERO_RANGE,
    FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
};
constexpr int kSeeks[] = {SEEK_SET, SEEK_END, SEEK_CUR};
constexpr int kRenameFlags[] = {0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE};
constexpr int kModes[] = {0600, 0644, 0755};
constexpr int kMapSyncs[] = {MS_SYNC, MS_ASYNC};

constexpr struct {
  Kind kind;
  unsigned weight;
} kWeights[] = {
    {Kind::kOpen, 12},     {Kind::kClose, 2},    {Kind::kWrite, 8},   {Kind::kPwrite, 14},
    {Kind::kRead, 3},      {Kind::kPread, 10},   {Kind::kSeek, 3},    {Kind::kFtruncate, 7},
    {Kind::kFallocate, 7}, {Kind::kSync, 1},     {Kind::kMap, 4},     {Kind::kUnmap, 1},
    {Kind::kMapRead, 8},   {Kind::kMapWrite, 8}, {Kind::kMapSync, 1}, {Kind::kReopen, 1},
    {Kind::kTruncate, 4},  {Kind::kReadFile, 6}, {Kind::kStat, 5},    {Kind::kUnlink, 2},
    {Kind::kRename, 4},    {Kind::kLink, 2},     {Kind::kSymlink, 1}, {Kind::kMkdir, 2},
    {Kind::kRmdir, 1},     {Kind::kChmod, 1},    {Kind::kList, 1},    {Kind::kCopy, 2},
};

constexpr unsigned TotalWeight() {
  unsigned total = 0;
  for (const auto& one : kWeights) total += one.weight;
  return total;
}

}  // namespace

std::int64_t Program::Size() {
  constexpr int kBeside[] = {0, 0, 0, -1, 1, 7};
  return std::max<std::int64_t>(0, Pick(kSizes) + Pick(kBeside));
}

std::string Program::Name() { return std::string(Pick(kDirectories)) + Pick(kNames); }

Operation Program::Next() {
  unsigned left = chance_() % TotalWeight();
  const auto* chosen = kWeights;
  while (left >= chosen->weight) left -= (chosen++)->weight;
  Operation op{chosen->kind};
  op.slot = static_cast<int>(chance_() % Side::kSlots);
  op.name = Name();
  op.other = Name();
  op.offset = Size();
  op.size = Size();
  op.data = Data();
  switch (op.kind) {
    case Kind::kOpen:
      op.flags = Pick(kOpenFlags);
      break;
    case Kind::kFallocate:
      op.flags = Pick(kFallocateFlags);
      break;
    case Kind::kSeek:
      op.flags = Pick(kSeeks);
      break;
    case Kind::kRename:
      op.flags = Pick(kRenameFlags);
      break;
    case Kind::kChmod:
      op.flags = Pick(kModes);
      break;
    case Kind::kMapSync:
      op.flags = Pick(kMapSyncs);
      break;
    case Kind::kSync:
      op.flags = OneIn(2) ? 1 : 0;
      break;
    case Kind::kMkdir:
    case Kind::kRmdir:
      if (!OneIn(4)) op.name = Pick(kPlaces);
      break;
    case Kind::kList:
      op.name = OneIn(2) ? "." : Pick(kPlaces);
      break;
    default:
      break;
  }
  return op;
}

Operation Program::NextWithin(std::int64_t start, std::int64_t length) {
  constexpr Kind kKindsWithin[] = {Kind::kPwrite,  Kind::kPwrite,   Kind::kPread,
                                   Kind::kMapRead, Kind::kMapWrite, Kind::kFallocate};
  constexpr int kKeepSize[] = {FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                               FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE};
  Operation op{Pick(kKindsWithin)};
  op.offset = start + static_cast<std::int64_t>(chance_() % static_cast<std::uint64_t>(length - 1));
  op.size = std::clamp<std::int64_t>(Size(), 1, start + length - op.offset);
  op.data = Data();
  op.flags = Pick(kKeepSize);
  return op;
}
