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
#include "vfs/posix_file.h"
#include "vfs/reencrypt_journal.h"
#include "vfs/unsynced_header.h"

namespace freehold {
namespace {

// Nothing where there is no journal, or one whose record was never finished.
Result<std::optional<ReencryptRecord>> ReadJournal(const VolumePaths& paths,
                                                   const VolumeKeys& keys) {
  auto bytes = ReadRegularFile(paths.reencrypt_journal(), 1 << 26);
  if (!bytes.ok()) {
    if (bytes.error().code() == ErrorCode::kNotFound) return std::optional<ReencryptRecord>();
    return bytes.error();
  }
  auto record = DecodeReencryptRecord(*bytes, keys);
  if (!record.ok()) {
    if (record.error().code() != ErrorCode::kFileCorrupt) return record.error();
    return std::optional<ReencryptRecord>();
  }
  return std::optional<ReencryptRecord>(std::move(*record));
}

// Each file that fits: a copy that somebody made has the same file id.
Status Redo(const FoundFile& found, const ReencryptRecord& record, const VolumeKeys& keys) {
  {
    PosixFile file(TRY(found.Open(O_RDONLY)));
    if (!TRY(IsWhereTheRecordFoundIt(file, record, keys))) return {};
  }
  PosixFile file(TRY(found.Open(O_RDWR)));
  if (!TRY(RedoReencryption(file, record, keys))) return {};
  LogInfo("recovery", fmt::format("{}: finished the chunk at {} of its re-encryption",
                                  found.relative, record.offset));
  return {};
}

Status Remember(const VolumePaths& paths, const std::string& relative) {
  UniqueFd fd = TRY(OpenFile(paths.recovered(), O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK, 0600));
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
  const std::optional<ReencryptRecord> record = TRY(ReadJournal(paths, keys));
  TRY(WalkRegularFiles(paths.data(), [&](const FoundFile& found) -> Status {
    std::uint64_t size = 0;
    if (record.has_value()) TRY(Redo(found, *record, keys));
    {
      PosixFile file(TRY(found.Open(O_RDONLY)));
      if (!TRY(HasUnsyncedHeader(file))) return {};
      size = TRY(file.Size());
    }
    LogWarning("recovery", fmt::format("{}: never synced before the last stop; its {} bytes read "
                                       "as zeros",
                                       found.relative, LogicalSizeOf({size}).bytes));
    TRY(Remember(paths, found.relative));
    PosixFile file(TRY(found.Open(O_RDWR)));
    return AdoptUnsyncedFile(file, keys);
  }));
  if (unlink(paths.reencrypt_journal().c_str()) != 0 && errno != ENOENT) {
    return ErrnoError(errno, paths.reencrypt_journal());
  }
  return {};
}

}  // namespace freehold
