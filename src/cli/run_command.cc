#include "cli/run_command.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "adapters/fuse/mount_point.h"
#include "cli/output.h"
#include "cli/volume_flags.h"
#include "fmt/format.h"
#include "node/control_socket.h"
#include "node/database_workload.h"
#include "node/hook_workload.h"
#include "node/run_lock.h"
#include "node/supervisor.h"

namespace freehold::cli {
namespace {

// Beside the binary as it is built, beside it as it is installed, and the machine's own.
std::vector<std::string> ProfileDirectories(const std::string& given) {
  std::vector<std::string> directories;
  if (!given.empty()) directories.push_back(given);
  std::error_code failure;
  const auto here = std::filesystem::read_symlink("/proc/self/exe", failure).parent_path();
  directories.emplace_back("/etc/freehold/profiles");
  for (const char* beside :
       {"profiles", "../profiles", "../../profiles", "../share/freehold/profiles"}) {
    directories.push_back((here / beside).lexically_normal());
  }
  directories.emplace_back("/usr/share/freehold/profiles");
  return directories;
}

Result<std::map<std::string, std::string>> ParseSet(const std::vector<std::string>& pairs) {
  std::map<std::string, std::string> values;
  for (const std::string& pair : pairs) {
    const auto equals = pair.find('=');
    if (equals == std::string::npos || equals == 0) {
      return Error(ErrorCode::kInvalidArgument, fmt::format("--set '{}' is not NAME=VALUE", pair));
    }
    values[pair.substr(0, equals)] = pair.substr(equals + 1);
  }
  return values;
}

struct Work {
  std::unique_ptr<Workload> workload;
  std::vector<std::string> direct;  // files that its database wants to bypass the cache
};

Result<Work> NewWork(const RunOptions& options, const std::string& volume,
                     const std::string& mount) {
  if (options.no_supervise) {
    const Hooks hooks{options.on_open, options.on_seal, volume, mount};
    return Work{std::make_unique<HookWorkload>(hooks, SystemClock()), {}};
  }
  if (options.profile.empty()) {
    return Error(
        ErrorCode::kInvalidArgument,
        "say which database: --profile NAME, or --no-supervise with --on-open and --on-seal");
  }
  if (!options.on_open.empty() || !options.on_seal.empty()) {
    return Error(ErrorCode::kInvalidArgument, "--on-open and --on-seal go with --no-supervise");
  }
  const Profile profile =
      TRY(FindProfile(options.profile, ProfileDirectories(options.profile_dir)));
  auto set = TRY(ParseSet(options.set));
  DatabasePlan plan = TRY(ResolveProfile(profile, {mount, options.version, std::move(set)}));
  User user = TRY(FindUser(plan.user));
  std::vector<std::string> direct = plan.direct;
  return Work{std::make_unique<DatabaseWorkload>(std::move(plan), std::move(user), SystemClock()),
              std::move(direct)};
}

// The daemon is this program's `volume mount`, with every flag said, so that no file adds to them;
// those of custody, which may change, are added at each start.
std::vector<std::string> DaemonArguments(const RunOptions& options, const std::string& volume,
                                         const std::string& mount,
                                         const std::vector<std::string>& direct) {
  std::vector<std::string> words = {
      "--config", "/dev/null",    "volume",         "mount",       volume,
      mount,      "--foreground", "--wait-for-key", "--ends-with", fmt::format("{}", getpid())};
  const auto add = [&](const char* flag, const std::string& value) {
    if (value.empty()) return;
    words.emplace_back(flag);
    words.push_back(value);
  };
  if (options.reserve.has_value()) add("--reserve", fmt::format("{}", *options.reserve));
  const std::vector<std::string> of_volume = ToWords(options.volume);
  words.insert(words.end(), of_volume.begin(), of_volume.end());
  for (const std::string& pattern : direct) add("--direct", pattern);
  return words;
}

// A mount of this volume that nobody serves any more is a dead process's; any other is not ours.
Status ClearMountPoint(const std::string& volume, const std::string& mount) {
  if (!fuse::IsMountPoint(mount)) return {};
  if (fuse::SourceOfMount(mount) != volume) {
    return Error(ErrorCode::kBusy, fmt::format("something else is mounted at {}", mount));
  }
  auto daemon = ConnectControl(VolumePaths(volume).control_socket());
  if (!daemon.ok()) fuse::AbortMountPoint(mount);
  return {};
}

Result<int> Supervise(const RunOptions& options) {
  if (geteuid() != 0) {
    return Error(ErrorCode::kPermissionDenied, "mounting and namespaces need root");
  }
  const std::string volume = TRY(AbsolutePath(options.volume.directory));
  const std::string mount = TRY(AbsolutePath(options.mount_point));
  const CustodySettings custody = TRY(ParseCustodyFlags(options.custody));
  TRY(CheckReserve(options.reserve));
  TRY(ReadKeyring(VolumePaths(volume)));  // "there is no volume at ..." before anything starts
  const UniqueFd alone = TRY(LockRun(VolumePaths(volume)));
  Work work = TRY(NewWork(options, volume, mount));
  TRY(ClearMountPoint(volume, mount));
  SupervisorOptions supervisor;
  supervisor.mount_point = mount;
  supervisor.control_path = VolumePaths(volume).control_socket();
  supervisor.daemon_arguments = DaemonArguments(options, volume, mount, work.direct);
  supervisor.custody = custody;
  supervisor.adopts_orphans = !options.no_supervise;
  return Supervisor(std::move(supervisor), std::move(work.workload), SystemClock()).Run();
}

}  // namespace

int RunRun(const RunOptions& options) {
  // No keys here, but the environment's credentials.
  RefuseCoreFiles();
  auto exit_code = Supervise(options);
  return exit_code.ok() ? *exit_code : Fail(exit_code.error());
}

}  // namespace freehold::cli
