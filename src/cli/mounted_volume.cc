#include "cli/mounted_volume.h"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cerrno>
#include <csignal>
#include <sstream>
#include <utility>

#include "cli/child_process.h"
#include "cli/volume_access.h"
#include "cli/volume_flags.h"
#include "fmt/format.h"

namespace freehold::cli {
namespace {

namespace json = boost::json;

const std::string kPlaces = "/run/freehold/transfer-";  // private mount points, by volume id

// An outage is no seal: files are served until its grace is used up.
Status CheckServes(const json::object& status) {
  const json::string& state = status.at("custody").at("state").as_string();
  if (state == "open" || state == "grace") return {};
  if (state == "opening") return Error(ErrorCode::kBusy, "the volume is not open yet");
  return Error(ErrorCode::kSealed, "the volume is sealed");
}

}  // namespace

Result<std::unique_ptr<MountedVolume>> MountedVolume::Open(const VolumeFlags& flags,
                                                           std::optional<std::uint64_t> reserve) {
  std::unique_ptr<MountedVolume> volume(new MountedVolume(flags, reserve));
  auto daemon = TRY(FindDaemon(flags.directory));
  if (daemon == nullptr) {
    TRY(volume->StartOwn());
    return volume;
  }
  if (reserve.has_value()) {
    return Error(ErrorCode::kInvalidArgument,
                 "the volume is mounted, with a reserve of its own: --reserve cannot change it");
  }
  const json::object status = TRY(CallControl(*daemon, {{"command", "status"}}));
  TRY(CheckServes(status));
  volume->mount_point_ = status.at("mount_point").as_string();
  return volume;
}

Status MountedVolume::StartOwn() {
  const Keyring keyring = TRY(ReadKeyring(VolumePaths(flags_.directory)));
  mount_point_ = kPlaces + HexEncode(keyring.volume_id);
  TRY(MakeDirectories(mount_point_, 0700));
  ChildProcess mount;
  mount.program = "/proc/self/exe";
  mount.words = {"volume",       "mount",       flags_.directory,           mount_point_,
                 "--foreground", "--ends-with", fmt::format("{}", getpid())};
  const Words of_volume = ToWords(flags_);
  mount.words.insert(mount.words.end(), of_volume.begin(), of_volume.end());
  if (reserve_.has_value()) {
    mount.words.insert(mount.words.end(), {"--reserve", fmt::format("{}", *reserve_)});
  }
  const UniqueFd log = TRY(NewTemporaryFile());
  mount.out = mount.err = log.get();
  daemon_ = TRY(StartChild(mount));
  return WaitUntilMounted(log);
}

// Its end can be waited for, its socket can only be looked for: it comes with the mount.
Status MountedVolume::WaitUntilMounted(const UniqueFd& log) {
  constexpr int kLookEveryMs = 20;
  const UniqueFd ended(static_cast<int>(syscall(SYS_pidfd_open, daemon_, 0)));
  if (!ended.valid()) return ErrnoError(errno, "watching the daemon");
  pollfd wait = {ended.get(), POLLIN, 0};
  while (poll(&wait, 1, kLookEveryMs) <= 0) {
    auto daemon = FindDaemon(flags_.directory);
    if (daemon.ok() && *daemon != nullptr) return {};
  }
  return WhyItEnded(WaitForChild(std::exchange(daemon_, 0)), log);
}

// The daemon's own sentence and code.
Error MountedVolume::WhyItEnded(int exit_code, const UniqueFd& log) const {
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
  // Somebody looks into it: sealed all the same, which flushes too and waits for nobody.
  if (!unmounted.ok()) kill(daemon_, SIGTERM);
  if (WaitForChild(std::exchange(daemon_, 0)) == 0) return {};
  return Error(ErrorCode::kIo, "the volume did not end in order");
}

MountedVolume::~MountedVolume() {
  if (daemon_ != 0) {
    kill(daemon_, SIGTERM);
    WaitForChild(daemon_);
  }
  if (mount_point_.starts_with(kPlaces)) rmdir(mount_point_.c_str());
}

}  // namespace freehold::cli
