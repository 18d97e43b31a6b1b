// freehold volume mount: becomes, or starts, the process that holds the keys.
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <thread>

#include "base/posix_file.h"
#include "base/wire.h"
#include "cli/output.h"
#include "cli/process_limits.h"
#include "cli/volume_commands.h"
#include "cli/volume_flags.h"
#include "fmt/format.h"
#include "kms/helper_key_provider.h"
#include "node/volume_daemon.h"

namespace freehold::cli {
namespace {

// SIGTERM, SIGINT and SIGHUP end the daemon in order: blocked everywhere, waited for in a thread.
sigset_t EndSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, number);
  return set;
}

Result<std::unique_ptr<VolumeDaemon>> NewDaemon(const VolumeMountOptions& options,
                                                HelperKeyProviderFactory& factory,
                                                std::shared_ptr<std::atomic<bool>> interrupt) {
  DaemonOptions daemon_options;
  daemon_options.interrupt = std::move(interrupt);
  daemon_options.mount_point = TRY(AbsolutePath(options.mount_point));
  daemon_options.custody = TRY(ParseCustodyFlags(options.custody));
  daemon_options.on_settings = [&factory](const CustodySettings& settings) {
    factory.SetPace(settings.request_timeout, settings.check_interval);
  };
  daemon_options.workers = options.workers;
  daemon_options.direct = options.direct;
  TRY(CheckReserve(options.reserve));
  daemon_options.reserve = options.reserve;
  daemon_options.wait_for_key = options.wait_for_key;
  daemon_options.null_cipher_allowed = options.allow_null_cipher;
  const std::string directory = TRY(AbsolutePath(options.volume.directory));
  if (daemon_options.mount_point.starts_with(directory + "/") ||
      daemon_options.mount_point == directory) {
    return Error(ErrorCode::kInvalidArgument, "the mount point lies inside the volume's directory");
  }
  auto volume =
      TRY(Volume::Lock(directory, TRY(ToOpenOptions(options.volume)), PinStoreOf(options.volume)));
  return std::make_unique<VolumeDaemon>(std::move(volume), factory, daemon_options, SystemClock());
}

// A daemon whose supervisor is killed seals: nobody would stop its database in order any more.
void EndWith(pid_t supervisor) {
  if (supervisor == 0) return;
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != supervisor) raise(SIGTERM);  // it was quicker
}

Result<HelperOptions> DaemonHelpers(std::shared_ptr<const std::atomic<bool>> interrupt) {
  HelperOptions helpers = TRY(PacedHelpers());
  helpers.interrupted = std::move(interrupt);
  return helpers;
}

// Runs the daemon in this process; `started` hears once whether it came up.
int Serve(const VolumeMountOptions& options, const std::function<void(const Status&)>& started) {
  HardenProcess();
  RaiseDescriptorLimit();  // each file that a database has open is one here
  sigset_t signals = EndSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  EndWith(options.ends_with);
  const auto interrupt = std::make_shared<std::atomic<bool>>(false);
  auto helpers = DaemonHelpers(interrupt);
  if (!helpers.ok()) {
    started(helpers.error());
    return InfoOf(helpers.error().code()).exit_code;
  }
  HelperKeyProviderFactory factory(*helpers);
  auto daemon = NewDaemon(options, factory, interrupt);
  if (!daemon.ok()) {
    started(daemon.error());
    return InfoOf(daemon.error().code()).exit_code;
  }
  std::thread([&daemon, signals] {  // before the first opening, which may wait for a KMS
    int number = 0;
    while (sigwait(&signals, &number) == 0) (*daemon)->RequestStop();
  })
      .detach();
  const Status up = (*daemon)->Start();
  started(up);
  if (!up.ok()) std::_Exit(InfoOf(up.error().code()).exit_code);
  auto ended = (*daemon)->Run();
  daemon->reset();
  // Not through static destructors: the thread above still waits for a signal.
  std::_Exit(ended.ok() ? 0 : Fail(ended.error()));
}

// What the background process tells the one in front: an exit code and a sentence.
Bytes EncodeOutcome(const Status& status) {
  Writer writer;
  writer.U8(status.ok() ? 0 : 1);
  if (!status.ok()) {
    writer.U8(static_cast<std::uint8_t>(status.error().code()));
    writer.String(status.error().message());
  }
  return writer.Take();
}

Status DecodeOutcome(ByteView bytes) {
  Reader reader(bytes);
  if (TRY(reader.U8()) == 0) return {};
  const auto code = static_cast<ErrorCode>(TRY(reader.U8()));
  return Error(code, TRY(reader.String()));
}

Result<UniqueFd> OpenLog(const VolumeMountOptions& options) {
  const std::string directory = PinStoreOf(options.volume).directory() + "/log";
  TRY(MakeDirectories(directory, 0700));
  const Keyring keyring = TRY(ReadKeyring(VolumePaths(options.volume.directory)));
  return OpenFile(fmt::format("{}/{}.log", directory, HexEncode(keyring.volume_id)),
                  O_WRONLY | O_CREAT | O_APPEND, 0600);
}

int MountInBackground(const VolumeMountOptions& options) {
  auto log = OpenLog(options);
  if (!log.ok()) return Fail(log.error(), options.volume.json);
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return Fail(ErrnoError(errno, "pipe"), options.volume.json);
  UniqueFd reading(ends[0]);
  UniqueFd writing(ends[1]);
  const pid_t child = fork();
  if (child < 0) return Fail(ErrnoError(errno, "fork"), options.volume.json);
  if (child == 0) {
    reading.Reset();
    setsid();
    UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
    dup2(null.get(), STDIN_FILENO);
    dup2(log->get(), STDOUT_FILENO);
    dup2(log->get(), STDERR_FILENO);
    std::_Exit(Serve(options, [&](const Status& status) {
      (void)WriteAll(writing.get(), EncodeOutcome(status));
      writing.Reset();
    }));
  }
  writing.Reset();
  auto bytes = ReadUntilEnd(reading.get(), 1 << 16);
  if (!bytes.ok() || bytes->empty()) {
    waitpid(child, nullptr, 0);
    return Fail(Error(ErrorCode::kInternal, "the daemon ended before it was ready"),
                options.volume.json);
  }
  auto outcome = DecodeOutcome(*bytes);
  if (!outcome.ok()) {
    waitpid(child, nullptr, 0);
    return Fail(outcome.error(), options.volume.json);
  }
  if (!options.volume.json) {
    Print(fmt::format("{} is mounted at {}", options.volume.directory, options.mount_point));
    return 0;
  }
  return RunVolumeStatus(options.volume);
}

}  // namespace

int RunVolumeMount(const VolumeMountOptions& options) {
  if (geteuid() != 0) {
    return Fail(Error(ErrorCode::kPermissionDenied,
                      "mounting needs root: files keep their owners, and the kernel's cache is "
                      "emptied when the key goes"),
                options.volume.json);
  }
  if (!options.foreground) return MountInBackground(options);
  return Serve(options, [&](const Status& status) {
    if (!status.ok()) {
      Fail(status.error(), options.volume.json);
    } else {
      Print(fmt::format("{} is mounted at {}", options.volume.directory, options.mount_point));
    }
  });
}

}  // namespace freehold::cli
