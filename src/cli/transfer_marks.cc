#include "cli/transfer_marks.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "base/posix_file.h"
#include "base/wire.h"
#include "crypto/crypto.h"
#include "fmt/format.h"

namespace freehold::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::uint16_t kVersion = 1;

std::string PathAt(const Transfer& transfer, const std::string& place) {
  if (!place.empty()) return transfer.root + "/" + place;
  return transfer.root.empty() ? "/" : transfer.root;
}

bool IsEmpty(const std::string& directory) {
  std::error_code failure;
  return fs::is_empty(directory, failure) && !failure;
}

std::string NameOf(const Transfer& transfer, const std::string& place) {
  if (transfer.root_name.empty()) return PathAt(transfer, place);
  return place.empty() ? "the root of " + transfer.root_name
                       : fmt::format("{} in {}", place, transfer.root_name);
}

const char* VerbOf(Transfer::Way way) {
  return way == Transfer::Way::kImport ? "import" : "export";
}

}  // namespace

struct TransferMarks::Mark {
  Id volume_id{};
  std::string source;
  // Of the directory: when it was made is not known everywhere, and is 0 then.
  std::uint64_t inode = 0;
  std::uint64_t made_seconds = 0;
  std::uint32_t made_nanoseconds = 0;
  bool operator==(const Mark&) const = default;

  static Result<Mark> Of(const Transfer& transfer, const std::string& place);
  static Result<Mark> Decode(ByteView bytes);
  Bytes Encode() const;
  bool IsOfSameDirectory(const Mark& other) const {
    return inode == other.inode && made_seconds == other.made_seconds &&
           made_nanoseconds == other.made_nanoseconds;
  }
};

Result<TransferMarks::Mark> TransferMarks::Mark::Of(const Transfer& transfer,
                                                    const std::string& place) {
  const std::string path = PathAt(transfer, place);
  struct statx st = {};
  if (statx(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW, STATX_INO | STATX_BTIME, &st) != 0) {
    return ErrnoError(errno, path);
  }
  Mark mark{transfer.volume_id, transfer.source, st.stx_ino};
  if ((st.stx_mask & STATX_BTIME) != 0) {
    mark.made_seconds = static_cast<std::uint64_t>(st.stx_btime.tv_sec);
    mark.made_nanoseconds = st.stx_btime.tv_nsec;
  }
  return mark;
}

Bytes TransferMarks::Mark::Encode() const {
  Writer writer;
  writer.U16(kVersion);
  writer.Raw(volume_id);
  writer.String(source);
  writer.U64(inode);
  writer.U64(made_seconds);
  writer.U32(made_nanoseconds);
  return writer.Take();
}

Result<TransferMarks::Mark> TransferMarks::Mark::Decode(ByteView bytes) {
  Reader reader(bytes);
  if (TRY(reader.U16()) != kVersion) {
    return Error(ErrorCode::kUnsupportedVersion, "written by a newer release");
  }
  Mark mark;
  mark.volume_id = TRY(reader.Array<16>());
  mark.source = TRY(reader.String());
  mark.inode = TRY(reader.U64());
  mark.made_seconds = TRY(reader.U64());
  mark.made_nanoseconds = TRY(reader.U32());
  return mark;
}

std::string TransferMarks::PathOf(const Transfer& transfer, const std::string& place) const {
  std::string destination(1, static_cast<char>(transfer.way));
  if (transfer.way == Transfer::Way::kImport) destination += HexEncode(transfer.volume_id) + "/";
  destination += place;
  const Digest256 digest = Sha256(AsBytes(destination));
  return fmt::format("{}/{}", directory_, HexEncode(ByteView(digest).first(16)));
}

// Only one that still counts. One that cannot be read is none: what is there is then not ours.
Result<std::optional<TransferMarks::Mark>> TransferMarks::Load(const Transfer& transfer,
                                                               const std::string& place) const {
  const std::string path = PathOf(transfer, place);
  auto bytes = ReadRegularFile(path);
  if (!bytes.ok() && bytes.error().code() == ErrorCode::kNotFound) return std::optional<Mark>();
  if (!bytes.ok()) return bytes.error();
  auto mark = Mark::Decode(*bytes);
  auto now = Mark::Of(transfer, place);
  if (!mark.ok() || !now.ok() || !mark->IsOfSameDirectory(*now) ||
      IsEmpty(PathAt(transfer, place))) {
    return std::optional<Mark>();
  }
  return std::optional<Mark>(std::move(*mark));
}

Status TransferMarks::CheckPlace(const Transfer& transfer) const {
  for (fs::path inner(transfer.place); !inner.empty() && inner != inner.parent_path();) {
    inner = inner.parent_path();
    const auto mark = TRY(Load(transfer, inner.string()));
    if (mark.has_value()) {
      return Error(ErrorCode::kAlreadyExists,
                   fmt::format("{} lies in {}, where an {} from {} was begun and is not complete: "
                               "run that one again, or empty that directory",
                               NameOf(transfer, transfer.place), NameOf(transfer, inner.string()),
                               VerbOf(transfer.way), mark->source));
    }
    // One of an empty directory would count again with what we put there.
    if (unlink(PathOf(transfer, inner.string()).c_str()) != 0 && errno != ENOENT) {
      return ErrnoError(errno, PathOf(transfer, inner.string()));
    }
  }
  return {};
}

Status TransferMarks::Begin(const Transfer& transfer) const {
  const Mark ours = TRY(Mark::Of(transfer, transfer.place));
  const auto before = TRY(Load(transfer, transfer.place));
  if (before == ours) return {};
  const std::string target = NameOf(transfer, transfer.place);
  if (before.has_value()) {
    return Error(ErrorCode::kAlreadyExists,
                 fmt::format("{} is not empty: an {} from {} was begun there and is not complete; "
                             "run that one again, or empty the directory",
                             target, VerbOf(transfer.way), before->source));
  }
  if (!IsEmpty(PathAt(transfer, transfer.place))) {
    return Error(ErrorCode::kAlreadyExists,
                 fmt::format("{} is not empty, and no {} from {} was begun there: choose another "
                             "place, or empty the directory",
                             target, VerbOf(transfer.way), transfer.source));
  }
  TRY(MakeDirectories(directory_, 0700));
  return ReplaceFile(PathOf(transfer, transfer.place), ours.Encode(), 0600);
}

Status TransferMarks::End(const Transfer& transfer) const {
  const std::string path = PathOf(transfer, transfer.place);
  if (unlink(path.c_str()) != 0 && errno != ENOENT) return ErrnoError(errno, path);
  return SyncDirectory(directory_);
}

}  // namespace freehold::cli
