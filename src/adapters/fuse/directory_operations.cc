// Directories: open, list, sync.
#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <mutex>
#include <string>

#include "adapters/fuse/operations.h"
#include "base/crash_point.h"

namespace freehold::fuse {
namespace {

// One open listing. The kernel may read it from several threads.
struct Listing {
  explicit Listing(DIR* open) : directory(open) {}
  ~Listing() { closedir(directory); }
  Listing(const Listing&) = delete;
  Listing& operator=(const Listing&) = delete;

  std::mutex mutex;
  DIR* directory;
  off_t position = 0;
  dirent* waiting = nullptr;  // read, and did not fit into the last answer
};

Listing* ListingOf(const fuse_file_info* info) { return reinterpret_cast<Listing*>(info->fh); }

void Opendir(fuse_req_t request, fuse_ino_t id, fuse_file_info* info) {
  FREEHOLD_ENTER(request);
  NodePtr node = NodeOrReply(request, id);
  if (node == nullptr) return;
  auto fd = state.nodes.Open(*node, O_RDONLY | O_DIRECTORY);
  if (!fd) return void(fuse_reply_err(request, fd.error()));
  DIR* directory = fdopendir(fd->get());
  if (directory == nullptr) return void(fuse_reply_err(request, errno));
  fd->Release();
  auto listing = std::make_unique<Listing>(directory);
  info->fh = reinterpret_cast<std::uint64_t>(listing.get());
  if (fuse_reply_open(request, info) == 0) listing.release();
}

// Entries from `offset` on, as many as fit into `size` bytes; or the errno.
OrErrno<std::string> ReadEntries(fuse_req_t request, Listing& listing, std::size_t size,
                                 off_t offset) {
  std::lock_guard lock(listing.mutex);
  if (offset != listing.position) {
    seekdir(listing.directory, offset);
    listing.waiting = nullptr;
    listing.position = offset;
  }
  std::string answer(size, '\0');
  std::size_t used = 0;
  for (;;) {
    if (listing.waiting == nullptr) {
      errno = 0;
      listing.waiting = readdir(listing.directory);
      if (listing.waiting == nullptr) {
        if (errno != 0 && used == 0) return tl::unexpected(errno);
        break;
      }
    }
    const dirent& entry = *listing.waiting;
    struct stat st = {};
    st.st_ino = entry.d_ino;
    st.st_mode = static_cast<mode_t>(DTTOIF(entry.d_type));
    const std::size_t need = fuse_add_direntry(request, answer.data() + used, size - used,
                                               entry.d_name, &st, entry.d_off);
    if (need > size - used) break;
    used += need;
    listing.position = entry.d_off;
    listing.waiting = nullptr;
  }
  answer.resize(used);
  return answer;
}

void Readdir(fuse_req_t request, fuse_ino_t, std::size_t size, off_t offset, fuse_file_info* info) {
  FREEHOLD_ENTER(request);
  auto answer = ReadEntries(request, *ListingOf(info), size, offset);
  // Nothing of the listing may be touched after the answer: another thread may be closing it.
  if (!answer) return void(fuse_reply_err(request, answer.error()));
  fuse_reply_buf(request, answer->data(), answer->size());
}

void Releasedir(fuse_req_t request, fuse_ino_t, fuse_file_info* info) {
  delete ListingOf(info);
  fuse_reply_err(request, 0);
}

void Fsyncdir(fuse_req_t request, fuse_ino_t id, int data_only, fuse_file_info*) {
  FREEHOLD_ENTER(request);
  NodePtr node = NodeOrReply(request, id);
  if (node == nullptr) return;
  auto fd = state.nodes.Open(*node, O_RDONLY | O_DIRECTORY);
  if (!fd) return void(fuse_reply_err(request, fd.error()));
  if (IsMutant("fsyncdir-ignored")) return void(fuse_reply_err(request, 0));
  const int result = data_only != 0 ? fdatasync(fd->get()) : fsync(fd->get());
  fuse_reply_err(request, result == 0 ? 0 : errno);
}

}  // namespace

void AddDirectoryOperations(fuse_lowlevel_ops& ops) {
  ops.opendir = Opendir;
  ops.readdir = Readdir;
  ops.releasedir = Releasedir;
  ops.fsyncdir = Fsyncdir;
}

}  // namespace freehold::fuse
