#include "node/database_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "base/crash_point.h"
#include "base/log.h"
#include "base/posix_file.h"
#include "fmt/format.h"
#include "node/namespace_init.h"

namespace freehold {
namespace {

constexpr char kPath[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// The one step that needs root: the volume's root belongs to the database's user alone.
Status GiveRoot(const DatabasePlan& plan, const User& user) {
  const UniqueFd root = TRY(OpenFile(plan.mount, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  struct stat st = {};
  if (fstat(root.get(), &st) != 0) return ErrnoError(errno, plan.mount);
  if (st.st_uid == user.uid && (st.st_mode & 0777) == 0700) return {};
  if (fchown(root.get(), user.uid, user.gid) != 0 || fchmod(root.get(), 0700) != 0) {
    return ErrnoError(errno, fmt::format("giving {} to {}", plan.mount, user.name));
  }
  return {};
}

Status EnterAs(const DatabasePlan& plan, const User& user) {
  TRY(BecomeUser(user));
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // becoming a user has cleared it
  umask(077);
  if (chdir(plan.mount.c_str()) != 0) {
    return ErrnoError(errno,
                      fmt::format("the user {} cannot reach {}: every directory above it must "
                                  "let it pass (chmod o+x)",
                                  user.name, plan.mount));
  }
  return {};
}

// A log that outlives the database must not be a link to something else.
Result<UniqueFd> OpenLog(const DatabasePlan& plan) {
  return OpenFile(plan.log, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0600);
}

Error Exec(const DatabasePlan& plan, const User& user, const CommandLine& command, int log) {
  const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  dup2(null, STDIN_FILENO);
  dup2(log, STDOUT_FILENO);
  dup2(log, STDERR_FILENO);
  std::vector<std::string> environment = {kPath, "HOME=" + plan.mount, "USER=" + user.name,
                                          "LOGNAME=" + user.name};
  environment.insert(environment.end(), plan.environment.begin(), plan.environment.end());
  std::vector<char*> argv;
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  std::vector<char*> envp;
  for (const std::string& pair : environment) envp.push_back(const_cast<char*>(pair.c_str()));
  envp.push_back(nullptr);
  execvpe(argv[0], argv.data(), envp.data());
  return ErrnoError(errno, command[0]);
}

Status RunInit(const DatabasePlan& plan, const User& user, const CommandLine& command, int log) {
  const pid_t child = fork();
  if (child < 0) return ErrnoError(errno, "fork");
  if (child == 0) {
    const Error error = Exec(plan, user, command, log);
    LogError(plan.name, error.message());
    _exit(kCouldNotRun);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (ExitCodeOf(status) == 0) return {};
  return Error(ErrorCode::kIo, fmt::format("the init command {} failed ({}); its words are in {}",
                                           command[0], ExitCodeOf(status), plan.log));
}

Status RemoveTree(const std::string& path) {
  std::error_code failure;
  std::filesystem::remove_all(path, failure);
  if (failure) return ErrnoError(failure.value(), path);
  return {};
}

// File by file: syncfs would also report what happened to files that init has deleted since.
Status SyncTree(const std::string& root) {
  std::error_code failure;
  TRY(SyncDirectory(root));
  for (auto at = std::filesystem::recursive_directory_iterator(root, failure);
       !failure && at != std::filesystem::recursive_directory_iterator(); at.increment(failure)) {
    if (!at->is_regular_file() && !at->is_directory()) continue;
    if (at->is_symlink()) continue;
    const UniqueFd fd = TRY(OpenFile(at->path(), O_RDONLY));
    if (fsync(fd.get()) != 0) return ErrnoError(errno, at->path().native());
  }
  if (failure) return ErrnoError(failure.value(), root);
  return {};
}

// An empty directory is ours to use; anything else that is not initialised is somebody's.
Status CheckNothingThere(const DatabasePlan& plan) {
  if (rmdir(plan.data.c_str()) == 0 || errno == ENOENT) return {};
  if (errno != ENOTEMPTY && errno != EEXIST) return ErrnoError(errno, plan.data);
  return Error(ErrorCode::kAlreadyExists,
               fmt::format("{} holds something that is no initialised database ({} is missing); it "
                           "is left as it is",
                           plan.data, plan.initialized_if));
}

Status Initialise(const DatabasePlan& plan, const User& user, int log) {
  TRY(CheckNothingThere(plan));
  if (PathExists(plan.init_data)) {
    LogWarning(plan.name, "an initialisation was cut off; starting it again");
    TRY(RemoveTree(plan.init_data));
  }
  LogInfo(plan.name, fmt::format("initialising {}", plan.data));
  if (mkdir(plan.init_data.c_str(), 0700) != 0) return ErrnoError(errno, plan.init_data);
  for (const CommandLine& command : plan.init) TRY(RunInit(plan, user, command, log));
  if (!PathExists(plan.init_initialized)) {
    return Error(ErrorCode::kIo, fmt::format("init succeeded without making {}: the profile's "
                                             "initialized_if does not fit its init",
                                             plan.init_initialized));
  }
  CrashPoint("init.made");
  TRY(SyncTree(plan.init_data));
  if (rename(plan.init_data.c_str(), plan.data.c_str()) != 0) return ErrnoError(errno, plan.data);
  return SyncDirectory(std::filesystem::path(plan.data).parent_path());
}

Result<UniqueFd> Prepare(const DatabasePlan& plan, const User& user) {
  TRY(GiveRoot(plan, user));
  TRY(EnterAs(plan, user));
  for (const std::string& directory : plan.directories) TRY(MakeDirectories(directory, 0700));
  TRY(MakeDirectories(std::filesystem::path(plan.log).parent_path(), 0700));
  UniqueFd log = TRY(OpenLog(plan));
  if (!PathExists(plan.initialized_if)) TRY(Initialise(plan, user, log.get()));
  return log;
}

}  // namespace

Error BecomeDatabase(const DatabasePlan& plan, const User& user) {
  auto log = Prepare(plan, user);
  if (!log.ok()) return log.error();
  return Exec(plan, user, plan.start, log->get());
}

Error BecomeCommand(const DatabasePlan& plan, const User& user, const CommandLine& command) {
  if (auto entered = EnterAs(plan, user); !entered.ok()) return entered.error();
  auto log = OpenLog(plan);
  if (!log.ok()) return log.error();
  return Exec(plan, user, command, log->get());
}

}  // namespace freehold
