// Contents: open, read, write, sync, allocate, seek.
#include <fcntl.h>
#include <linux/falloc.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "adapters/fuse/operations.h"
#include "base/crash_point.h"
#include "base/secret_bytes.h"

namespace freehold::fuse {
namespace {

int ErrnoOf(const Error& error) { return InfoOf(error.code()).errno_value; }

// The contents of a node, or an answer with the error and null.
std::shared_ptr<File> ContentsOrReply(fuse_req_t request, fuse_ino_t id) {
  NodePtr node = NodeOrReply(request, id);
  if (node == nullptr) return nullptr;
  auto file = StateOf(request).nodes.Contents(*node);
  if (!file) {
    fuse_reply_err(request, file.error());
    return nullptr;
  }
  return *file;
}

void Open(fuse_req_t request, fuse_ino_t id, fuse_file_info* info) {
  if (IsAuditor(request)) {
    info->keep_cache = 1;
    fuse_reply_open(request, info);
    return;
  }
  FREEHOLD_ENTER(request);
  NodePtr node = NodeOrReply(request, id);
  if (node == nullptr) return;
  auto file = state.nodes.Contents(*node);
  if (!file) return void(fuse_reply_err(request, file.error()));
  state.nodes.AddOpening(*node);
  SetCaching(*node, info);
  if (state.full_disk.low()) {
    const auto size = (*file)->Size();
    state.full_disk.PrepareOpening(*node, size.ok() ? *size : 0, info);
  }
  if (fuse_reply_open(request, info) != 0) state.nodes.DropOpening(node);
}

void Release(fuse_req_t request, fuse_ino_t id, fuse_file_info*) {
  MountState& own = StateOf(request);
  if (NodePtr node = own.nodes.Get(id); node != nullptr && !own.gate.closed()) {
    SetToldModified(own, *node);
    own.nodes.DropOpening(node);
  }
  fuse_reply_err(request, 0);
}

void Read(fuse_req_t request, fuse_ino_t id, std::size_t size, off_t offset, fuse_file_info*) {
  FREEHOLD_ENTER(request);
  auto file = ContentsOrReply(request, id);
  if (file == nullptr) return;
  thread_local WipedBuffer buffer;
  buffer.GrowTo(size + 16);
  auto got = file->ReadAt(static_cast<std::uint64_t>(offset), buffer.First(size));
  if (!got.ok()) return void(fuse_reply_err(request, ErrnoOf(got.error())));
  fuse_reply_buf(request, reinterpret_cast<const char*>(buffer.data()), *got);
}

// `accepted`: the kernel has told the writer already that it is written.
Status WriteContents(MountState& state, const NodePtr& node, File& file, std::uint64_t offset,
                     ByteView data, bool accepted) {
  FullDisk& disk = state.full_disk;
  const std::uint64_t end = offset + data.size();
  const auto write = [&] { return file.WriteAt(offset, data); };
  if (accepted) {
    if (end > TRY(file.Size())) state.late_attributes.Grew(node);
    return disk.Write(Reserve::Purpose::kAccepted, data.size(), write);
  }
  if (disk.MayUseReserve(*node, end)) {
    return disk.Write(Reserve::Purpose::kLogs, data.size(), write);
  }
  if (disk.RefusesGrowth(*node, end, TRY(file.Size()))) {
    return Error(ErrorCode::kNoSpace, "the disk is full");
  }
  return write();
}

void Write(fuse_req_t request, fuse_ino_t id, const char* data, std::size_t size, off_t offset,
           fuse_file_info* info) {
  FREEHOLD_ENTER(request);
  NodePtr node = NodeOrReply(request, id);
  if (node == nullptr) return;
  auto file = state.nodes.Contents(*node);
  if (!file) {
    // A late page of a file that was deleted meanwhile: nobody can ever read it.
    if (file.error() == ESTALE && info->writepage != 0) {
      return void(fuse_reply_write(request, size));
    }
    return void(fuse_reply_err(request, file.error()));
  }
  auto written = WriteContents(state, node, **file, static_cast<std::uint64_t>(offset),
                               AsBytes(std::string_view(data, size)), info->writepage != 0);
  const bool landed = written.ok();
  node->wrong_mtime = landed && info->writepage != 0;
  // Past the kernel's cache a synchronous write is ours to sync; through it the kernel asks for it.
  if (written.ok() && info->writepage == 0 && (info->flags & (O_SYNC | O_DSYNC)) != 0) {
    const bool all = (info->flags & O_SYNC) == O_SYNC;
    written = (*file)->Sync(all ? SyncKind::kDataAndMetadata : SyncKind::kData);
  }
  if (written.ok() && info->writepage == 0) DropPrivilegeBits(request, *node);
  const int error = written.ok() ? 0 : ErrnoOf(written.error());
  if (landed && info->writepage == 0 && node->may_be_cached) {
    return state.fresh_pages.DropAndAnswer({id, offset, size}, request, error);
  }
  if (error == 0) return void(fuse_reply_write(request, size));
  fuse_reply_err(request, error);
  if (info->writepage != 0 && node->write_once) state.fresh_pages.Drop({id, offset, size});
}

void Fsync(fuse_req_t request, fuse_ino_t id, int data_only, fuse_file_info*) {
  FREEHOLD_ENTER(request);
  auto file = ContentsOrReply(request, id);
  if (file == nullptr) return;
  if (IsMutant("fsync-ignored")) return void(fuse_reply_err(request, 0));
  auto synced = file->Sync(data_only != 0 ? SyncKind::kData : SyncKind::kDataAndMetadata);
  fuse_reply_err(request, synced.ok() ? 0 : ErrnoOf(synced.error()));
}

std::optional<AllocateMode> ModeOf(int flags) {
  switch (flags) {
    case 0:
      return AllocateMode::kExtend;
    case FALLOC_FL_KEEP_SIZE:
      return AllocateMode::kKeepSize;
    case FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE:
      return AllocateMode::kPunchHole;
    case FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE:
    case FALLOC_FL_ZERO_RANGE:
      return AllocateMode::kZeroRange;
    default:
      return std::nullopt;
  }
}

void Fallocate(fuse_req_t request, fuse_ino_t id, int flags, off_t offset, off_t length,
               fuse_file_info*) {
  FREEHOLD_ENTER(request);
  const auto mode = ModeOf(flags);
  if (!mode.has_value()) return void(fuse_reply_err(request, EOPNOTSUPP));
  NodePtr node = NodeOrReply(request, id);
  if (node == nullptr) return;
  auto file = ContentsOrReply(request, id);
  if (file == nullptr) return;
  const auto start = static_cast<std::uint64_t>(offset);
  const auto size = static_cast<std::uint64_t>(length);
  // What is inside of the file may have its space already, and must ask the disk.
  if (*mode != AllocateMode::kPunchHole) {
    const auto now = file->Size();
    if (now.ok() && state.full_disk.RefusesGrowth(*node, start + size, *now)) {
      return void(fuse_reply_err(request, ENOSPC));
    }
  }
  auto done = file->Allocate(*mode, start, size);
  // ZERO_RANGE without KEEP_SIZE may also grow the file.
  if (done.ok() && flags == FALLOC_FL_ZERO_RANGE) {
    auto now = file->Size();
    if (now.ok() && *now < start + size) done = file->Allocate(AllocateMode::kExtend, start, size);
  }
  if (done.ok()) DropPrivilegeBits(request, *node);
  fuse_reply_err(request, done.ok() ? 0 : ErrnoOf(done.error()));
}

void Lseek(fuse_req_t request, fuse_ino_t id, off_t offset, int whence, fuse_file_info*) {
  FREEHOLD_ENTER(request);
  // Data that the kernel has not handed over yet would look like a hole, and a copy would lose it.
  // The kernel then answers by itself: data up to the end, and no holes.
  if (state.writeback) return void(fuse_reply_err(request, ENOSYS));
  auto file = ContentsOrReply(request, id);
  if (file == nullptr) return;
  const auto from = static_cast<std::uint64_t>(offset);
  auto found = whence == SEEK_DATA ? file->SeekData(from) : file->SeekHole(from);
  if (!found.ok()) {
    const bool past_end = found.error().code() == ErrorCode::kNotFound;
    return void(fuse_reply_err(request, past_end ? ENXIO : ErrnoOf(found.error())));
  }
  fuse_reply_lseek(request, static_cast<off_t>(*found));
}

}  // namespace

void AddDataOperations(fuse_lowlevel_ops& ops) {
  ops.open = Open;
  ops.release = Release;
  ops.read = Read;
  ops.write = Write;
  ops.fsync = Fsync;
  ops.fallocate = Fallocate;
  ops.lseek = Lseek;
}

}  // namespace freehold::fuse
