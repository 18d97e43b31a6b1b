#include "node/recovery.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "base/log.h"
#include "base/posix_file.h"
#include "fmt/format.h"
#include "format/sizes.h"
#include "node/tree_walk.h"
#include "vfs/encrypted_header.h"
#include "vfs/posix_file.h"
#include "vfs/reencrypt_journal.h"

namespace freehold {
namespace {

Result<bool> HasNeverSyncedHeader(File& file, std::uint64_t size) {
  if (size == 0) return false;
  Bytes header(std::min(size, kHeaderSize));
  TRY(file.ReadAt(0, header));
  return AllZero(header);
}

// The length stays as it is throughout, so that a second crash cannot lose it.
Status Adopt(const FoundFile& found, std::uint64_t size, const VolumeKeys& keys) {
  PosixFile file(TRY(found.Open(O_RDWR)));
  // The body is emptied, durably, before a new salt comes.
  TRY(file.Allocate(AllocateMode::kPunchHole, 0, size));
  TRY(file.Sync(SyncKind::kDataAndMetadata));
  if (size < kHeaderSize) TRY(file.Truncate(0));
  if (size >= kHeaderSize) TRY(file.WriteAt(0, TRY(MakeHeader(keys)).bytes));
  return file.Sync(SyncKind::kDataAndMetadata);
}

// Nothing where there is no journal, or one whose record was never finished.
Result<std::optional<ReencryptRecord>> ReadJournal(const VolumePaths& paths,
                                                   const VolumeKeys& keys) {
  auto bytes = ReadFile(paths.reencrypt_journal(), 1 << 26);
  if (!bytes.ok()) {
    if (bytes.error().code() == ErrorCode::kNotFound) return std::optional<ReencryptRecord>();
    return bytes.error();
  }
  auto record = DecodeReencryptRecord(*bytes, keys);
  if (!record.ok()) return std::optional<ReencryptRecord>();
  return std::optional<ReencryptRecord>(std::move(*record));
}

Result<bool> Redo(const FoundFile& found, const ReencryptRecord& record, const VolumeKeys& keys) {
  PosixFile file(TRY(found.Open(O_RDWR)));
  if (!TRY(RedoReencryption(file, record, keys))) return false;
  LogInfo("recovery", fmt::format("{}: finished the chunk at {} of its re-encryption",
                                  found.relative, record.offset));
  return true;
}

Status Remember(const VolumePaths& paths, const std::string& relative) {
  UniqueFd fd = TRY(OpenFile(paths.recovered(), O_WRONLY | O_CREAT | O_APPEND, 0600));
  TRY(WriteAll(fd.get(), AsBytes(Printable(relative) + "\n")));
  if (fsync(fd.get()) != 0) return ErrnoError(errno, paths.recovered());
  return {};
}

}  // namespace

bool WasStoppedUncleanly(const VolumePaths& paths) { return PathExists(paths.open_marker()); }

Status MarkOpen(const VolumePaths& paths) {
  if (PathExists(paths.open_marker())) return {};
  return ReplaceFile(paths.open_marker(), AsBytes("open\n"), 0600);
}

Status MarkClosed(const VolumePaths& paths) {
  if (unlink(paths.open_marker().c_str()) != 0 && errno != ENOENT) {
    return ErrnoError(errno, paths.open_marker());
  }
  return SyncDirectory(paths.meta());
}

Status RecoverAfterUncleanStop(const VolumePaths& paths, const VolumeKeys& keys) {
  if (keys.cipher() == Cipher::kNull) return {};
  std::optional<ReencryptRecord> record = TRY(ReadJournal(paths, keys));
  TRY(WalkRegularFiles(paths.data(), [&](const FoundFile& found) -> Status {
    std::uint64_t size = 0;
    if (record.has_value() && TRY(Redo(found, *record, keys))) record.reset();
    {
      PosixFile file(TRY(found.Open(O_RDONLY)));
      size = TRY(file.Size());
      if (!TRY(HasNeverSyncedHeader(file, size))) return {};
    }
    LogWarning("recovery", fmt::format("{}: never synced before the last stop; its {} bytes read "
                                       "as zeros",
                                       found.relative, LogicalSizeOf({size}).bytes));
    TRY(Remember(paths, found.relative));
    return Adopt(found, size, keys);
  }));
  if (unlink(paths.reencrypt_journal().c_str()) != 0 && errno != ENOENT) {
    return ErrnoError(errno, paths.reencrypt_journal());
  }
  return {};
}

}  // namespace freehold
