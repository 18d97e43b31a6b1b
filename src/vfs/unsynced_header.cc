#include "vfs/unsynced_header.h"

#include <algorithm>

#include "format/sizes.h"
#include "vfs/encrypted_header.h"

namespace freehold {

Result<bool> HasUnsyncedHeader(File& backing) {
  const std::uint64_t size = TRY(backing.Size());
  if (size == 0) return false;
  Bytes header(std::min(size, kHeaderSize));
  TRY(backing.ReadAt(0, header));
  return AllZero(header);
}

Status AdoptUnsyncedFile(File& backing, const VolumeKeys& keys) {
  const std::uint64_t size = TRY(backing.Size());
  // The body is emptied, durably, before a new salt comes.
  TRY(backing.Allocate(AllocateMode::kPunchHole, 0, size));
  TRY(backing.Sync(SyncKind::kDataAndMetadata));
  if (size < kHeaderSize) TRY(backing.Truncate(0));
  if (size >= kHeaderSize) TRY(backing.WriteAt(0, TRY(MakeHeader(keys)).bytes));
  return backing.Sync(SyncKind::kDataAndMetadata);
}

}  // namespace freehold
