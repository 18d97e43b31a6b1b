// freehold volume import, export: a plain directory into a volume and back, by rsync.
//
// Both can be repeated: what is there already is not copied again. Without --running the whole is
// read once more at the end and compared, contents, owners, modes, times and links alike.
#include "cli/transfer_commands.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "base/posix_file.h"
#include "cli/output.h"
#include "cli/volume_access.h"
#include "cli/volume_flags.h"
#include "fmt/format.h"
#include "fmt/ranges.h"

namespace freehold::cli {
namespace {

namespace json = boost::json;
namespace fs = std::filesystem;
using Words = std::vector<std::string>;

constexpr int kVanished =
    24;  // rsync: files went away while it ran; expected of a running database
constexpr std::size_t kNamed = 5;
constexpr char kExportMark[] = ".freehold-export";
const std::string kPlaces = "/run/freehold/transfer-";  // private mount points, by volume id

// Ours: a Ctrl-C at the terminal reaches it too.
enum class Group { kOurs, kOwn };

// A process that ends when this one does.
Result<pid_t> Start(Group group, const std::string& program, const Words& words, int out, int err) {
  std::vector<char*> argv = {const_cast<char*>(program.c_str())};
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  const pid_t pid = fork();
  if (pid < 0) return ErrnoError(errno, "fork");
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    signal(SIGINT, SIG_DFL);
    if (group == Group::kOwn) setsid();
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    execvp(program.c_str(), argv.data());
    std::_Exit(127);
  }
  return pid;
}

int WaitFor(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

Result<UniqueFd> NewTemporaryFile() {
  UniqueFd fd(open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!fd.valid()) return ErrnoError(errno, "a temporary file");
  return fd;
}

Result<std::string> ReadBack(int fd) {
  lseek(fd, 0, SEEK_SET);
  const Bytes bytes = TRY(ReadUntilEnd(fd, 1 << 26));
  return std::string(AsText(bytes));
}

// The volume's mount: the one that is there, or one of our own at a private place for as long as
// the object lives.
class MountedVolume {
 public:
  static Result<std::unique_ptr<MountedVolume>> Open(const TransferOptions& options);
  ~MountedVolume();
  const std::string& mount_point() const { return mount_point_; }
  // Flushed and closed, if it was ours.
  Status Close();

 private:
  explicit MountedVolume(const TransferOptions& options)
      : flags_(options.volume), reserve_(options.reserve) {}
  Status StartOwn();
  Status WaitUntilMounted(int log);
  Error WhyItEnded(int exit_code, int log) const;

  const VolumeFlags flags_;
  const std::optional<std::uint64_t> reserve_;
  std::string mount_point_;
  pid_t daemon_ = 0;  // ours
};

Result<std::unique_ptr<MountedVolume>> MountedVolume::Open(const TransferOptions& options) {
  std::unique_ptr<MountedVolume> volume(new MountedVolume(options));
  auto daemon = TRY(FindDaemon(options.volume.directory));
  if (daemon == nullptr) {
    TRY(volume->StartOwn());
    return volume;
  }
  if (options.reserve.has_value()) {
    return Error(ErrorCode::kInvalidArgument,
                 "the volume is mounted, with a reserve of its own: --reserve cannot change it");
  }
  const json::object status = TRY(CallControl(*daemon, {{"command", "status"}}));
  if (status.at("custody").at("state").as_string() != "open") {
    return Error(ErrorCode::kSealed, "the volume is sealed");
  }
  volume->mount_point_ = status.at("mount_point").as_string();
  return volume;
}

Status MountedVolume::StartOwn() {
  const Keyring keyring = TRY(ReadKeyring(VolumePaths(flags_.directory)));
  mount_point_ = kPlaces + HexEncode(keyring.volume_id);
  TRY(MakeDirectories(mount_point_, 0700));
  Words words = {"volume",       "mount",       flags_.directory,           mount_point_,
                 "--foreground", "--ends-with", fmt::format("{}", getpid())};
  const Words of_volume = ToWords(flags_);
  words.insert(words.end(), of_volume.begin(), of_volume.end());
  if (reserve_.has_value()) words.insert(words.end(), {"--reserve", fmt::format("{}", *reserve_)});
  const UniqueFd log = TRY(NewTemporaryFile());
  daemon_ = TRY(Start(Group::kOwn, "/proc/self/exe", words, log.get(), log.get()));
  return WaitUntilMounted(log.get());
}

// Its end can be waited for, its socket can only be looked for: it comes with the mount.
Status MountedVolume::WaitUntilMounted(int log) {
  constexpr int kLookEveryMs = 20;
  const UniqueFd ended(static_cast<int>(syscall(SYS_pidfd_open, daemon_, 0)));
  if (!ended.valid()) return ErrnoError(errno, "watching the daemon");
  pollfd wait = {ended.get(), POLLIN, 0};
  while (poll(&wait, 1, kLookEveryMs) <= 0) {
    auto daemon = FindDaemon(flags_.directory);
    if (daemon.ok() && *daemon != nullptr) return {};
  }
  return WhyItEnded(WaitFor(std::exchange(daemon_, 0)), log);
}

// The daemon's own sentence and code.
Error MountedVolume::WhyItEnded(int exit_code, int log) const {
  const std::string said = ReadBack(log).ok() ? *ReadBack(log) : "";
  std::string sentence = "the volume could not be mounted";
  std::istringstream lines(said);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("freehold: ")) sentence = line.substr(10);
  }
  return Error(CodeOfExit(exit_code), sentence);
}

Status MountedVolume::Close() {
  if (daemon_ == 0) return {};
  auto unmounted = TellDaemon(flags_, {{"command", "unmount"}, {"force", false}});
  const int ended = WaitFor(std::exchange(daemon_, 0));
  if (!unmounted.ok()) return unmounted.error();
  if (ended != 0) return Error(ErrorCode::kIo, "the volume did not end in order");
  return {};
}

MountedVolume::~MountedVolume() {
  if (daemon_ != 0) {
    kill(daemon_, SIGTERM);
    WaitFor(daemon_);
  }
  if (mount_point_.starts_with(kPlaces)) rmdir(mount_point_.c_str());
}

// Everything that a directory holds, by the nanosecond.
Words CommonRsyncWords() {
  return {"--archive",         "--hard-links",    "--acls",
          "--xattrs",          "--sparse",        "--numeric-ids",
          "--delete",          "--delete-during", "--filter=P /" + std::string(kExportMark),
          "--modify-window=-1"};
}

Error RsyncFailed(int code, const std::string& said) {
  if (code == 127) return Error(ErrorCode::kNotFound, "rsync is not installed");
  const std::string first = said.substr(0, said.find('\n'));
  return Error(ErrorCode::kIo, fmt::format("rsync ended with {}: {}", code, Printable(first)));
}

// How a file that is there already is brought up to date: where it lies, or, where files are
// written once, by a new one in its place.
enum class Update { kInPlace, kReplace };

Status Copy(const std::string& from, const std::string& to, Update update, bool running) {
  Words words = CommonRsyncWords();
  if (update == Update::kInPlace) words.insert(words.end(), {"--inplace", "--no-whole-file"});
  if (isatty(STDERR_FILENO) != 0) words.emplace_back("--info=progress2");
  words.insert(words.end(), {"--", from + "/", to + "/"});
  const UniqueFd errors = TRY(NewTemporaryFile());
  const int code = WaitFor(TRY(Start(Group::kOurs, "rsync", words, STDERR_FILENO, errors.get())));
  if (code == 0 || (running && code == kVanished)) return {};
  return RsyncFailed(code, TRY(ReadBack(errors.get())));
}

// Names of what differs, after reading all of both sides.
Result<Words> Compare(const std::string& from, const std::string& to) {
  Words words = CommonRsyncWords();
  words.insert(words.end(), {"--checksum", "--dry-run", "--itemize-changes",
                             "--exclude=/" + std::string(kExportMark), "--", from + "/", to + "/"});
  const UniqueFd out = TRY(NewTemporaryFile());
  const UniqueFd errors = TRY(NewTemporaryFile());
  const int code = WaitFor(TRY(Start(Group::kOurs, "rsync", words, out.get(), errors.get())));
  if (code != 0) return RsyncFailed(code, TRY(ReadBack(errors.get())));
  Words differing;
  std::istringstream lines(TRY(ReadBack(out.get())));
  for (std::string line; std::getline(lines, line);) {
    const auto blank = line.find(' ');
    if (blank != std::string::npos) differing.push_back(Printable(line.substr(blank + 1)));
  }
  return differing;
}

Status Verify(const std::string& from, const std::string& to) {
  const Words differing = TRY(Compare(from, to));
  if (differing.empty()) return {};
  const Words named(differing.begin(), differing.begin() + static_cast<std::ptrdiff_t>(
                                                               std::min(differing.size(), kNamed)));
  return Error(ErrorCode::kVerifyFailed,
               fmt::format("{} names differ ({}{}): is the source still in use? Stop it and run "
                           "this again",
                           differing.size(), fmt::join(named, ", "),
                           differing.size() > kNamed ? ", ..." : ""));
}

Status SyncTree(const std::string& path) {
  const UniqueFd fd = TRY(OpenFile(path, O_RDONLY | O_DIRECTORY));
  return syncfs(fd.get()) == 0 ? Status{} : ErrnoError(errno, "sync of " + path);
}

bool IsEmpty(const std::string& directory) {
  std::error_code failure;
  return fs::is_empty(directory, failure) && !failure;
}

// A transfer deletes what the source does not have; so it only goes where it began itself.
Status MarkBegun(const std::string& mark, const std::string& target, const std::string& source) {
  if (PathExists(mark)) {
    const Bytes before = TRY(ReadRegularFile(mark));
    if (AsText(before) == source + "\n") return {};
    return Error(ErrorCode::kAlreadyExists,
                 fmt::format("{} was begun from {}", target, Printable(AsText(before))));
  }
  if (PathExists(target) && !IsEmpty(target)) {
    return Error(
        ErrorCode::kAlreadyExists,
        fmt::format("{} is not empty, and no transfer from {} was begun there", target, source));
  }
  return ReplaceFile(mark, AsBytes(source + "\n"), 0600);
}

Status RemoveMark(const std::string& mark) {
  if (unlink(mark.c_str()) != 0 && errno != ENOENT) return ErrnoError(errno, mark);
  return {};
}

Result<std::string> PlaceIn(const MountedVolume& volume, const std::string& below) {
  for (const fs::path& part : fs::path(below)) {
    if (part == ".." || fs::path(below).is_absolute()) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("'{}' is not a path below the volume's root", below));
    }
  }
  return below.empty() ? volume.mount_point() : volume.mount_point() + "/" + below;
}

Status CheckDirectory(const std::string& path) {
  std::error_code failure;
  if (fs::is_directory(path, failure)) return {};
  if (!PathExists(path)) return Error(ErrorCode::kNotFound, path + " does not exist");
  return Error(ErrorCode::kInvalidArgument, path + " is not a directory");
}

json::object Outcome(bool verified) { return {{"verified", verified}}; }

Result<json::object> Import(const TransferOptions& options) {
  TRY(CheckReserve(options.reserve));
  TRY(CheckDirectory(options.plain));
  const std::string source = TRY(AbsolutePath(options.plain));
  const std::string volume_directory = TRY(AbsolutePath(options.volume.directory));
  if ((source + "/").starts_with(volume_directory + "/")) {
    return Error(ErrorCode::kInvalidArgument, "the source lies inside the volume's directory");
  }
  auto volume = TRY(MountedVolume::Open(options));
  const std::string target = TRY(PlaceIn(*volume, options.below));
  const std::string mark = VolumePaths(options.volume.directory).import_mark();
  TRY(MarkBegun(mark, target, source));
  TRY(MakeDirectories(target, 0755));
  const Cipher cipher = TRY(ReadKeyring(VolumePaths(options.volume.directory))).cipher;
  const Update update = cipher == Cipher::kAes256Ctr ? Update::kReplace : Update::kInPlace;
  TRY(Copy(source, target, update, options.running));
  if (!options.running) {
    TRY(Verify(source, target));
    TRY(SyncTree(target));
    TRY(RemoveMark(mark));
  }
  TRY(volume->Close());
  return Outcome(!options.running);
}

Result<json::object> Export(const TransferOptions& options) {
  auto volume = TRY(MountedVolume::Open(options));
  const std::string source = TRY(PlaceIn(*volume, options.below));
  TRY(CheckDirectory(source));
  TRY(MakeDirectories(options.plain, 0700));
  const std::string target = TRY(AbsolutePath(options.plain));
  const std::string mark = target + "/" + kExportMark;
  TRY(MarkBegun(mark, target, TRY(AbsolutePath(options.volume.directory)) + ":" + options.below));
  TRY(Copy(source, target, Update::kInPlace, options.running));
  if (!options.running) {
    TRY(Verify(source, target));
    TRY(RemoveMark(mark));
    // The mark's coming and going touched the directory.
    struct stat st = {};
    if (stat(source.c_str(), &st) == 0) {
      const timespec times[2] = {st.st_atim, st.st_mtim};
      utimensat(AT_FDCWD, target.c_str(), times, 0);
    }
    TRY(SyncTree(target));
  }
  TRY(volume->Close());
  return Outcome(!options.running);
}

int Run(const TransferOptions& options, const char* verb,
        Result<json::object> (*transfer)(const TransferOptions&)) {
  HardenProcess();
  if (geteuid() != 0) {
    return Fail(Error(ErrorCode::kPermissionDenied, "mounting and keeping owners need root"),
                options.volume.json);
  }
  signal(SIGINT, SIG_IGN);  // rsync hears it and ends; what was begun is taken down in order
  return Show(transfer(options), options.volume.json, [&](const json::object& outcome) {
    if (outcome.at("verified").as_bool()) {
      return fmt::format("{}: complete, read back and compared", verb);
    }
    return fmt::format("{}: first pass done; stop the database and run it again without --running",
                       verb);
  });
}

}  // namespace

int RunVolumeImport(const TransferOptions& options) { return Run(options, "import", Import); }
int RunVolumeExport(const TransferOptions& options) { return Run(options, "export", Export); }

}  // namespace freehold::cli
