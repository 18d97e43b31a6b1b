#include "node/daemon_child.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cerrno>

#include "base/log.h"
#include "fmt/format.h"
#include "node/status_json.h"

namespace freehold {
namespace {

namespace json = boost::json;

constexpr int kReportTimeoutMs = 2000;

std::string TextAt(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->as_string()) : "";
}

}  // namespace

Status DaemonChild::Start(const CustodySettings& settings) {
  std::vector<std::string> words = arguments_;
  const std::vector<std::string> of_custody = ToWords(settings);
  words.insert(words.end(), of_custody.begin(), of_custody.end());
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  std::vector<char*> argv = {const_cast<char*>("freehold")};
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  const int failure =
      posix_spawn(&pid_, "/proc/self/exe", &actions, &attributes, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (failure != 0) {
    pid_ = 0;
    return ErrnoError(failure, "starting the daemon");
  }
  lost_ = false;
  return {};
}

void DaemonChild::Signal(int number) const {
  if (pid_ != 0) kill(pid_, number);
}

bool DaemonChild::Reaped(pid_t pid) {
  if (pid_ == 0 || pid != pid_) return false;
  pid_ = 0;
  watch_.reset();
  reports_.reset();
  unmount_.reset();
  return true;
}

// Only to our own child: a daemon that somebody else started on this volume is not ours to steer.
Result<std::unique_ptr<ControlConnection>> DaemonChild::ConnectToChild() const {
  auto connection = TRY(ConnectControl(control_path_));
  ucred peer = {};
  socklen_t size = sizeof peer;
  if (getsockopt(connection->fd(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 ||
      peer.pid != pid_) {
    return Error(ErrorCode::kBusy, "another process holds the volume");
  }
  return connection;
}

void DaemonChild::Connect() {
  if (pid_ == 0 || connected() || lost_) return;
  auto watch = ConnectToChild();
  if (!watch.ok()) return;
  auto reports = ConnectToChild();
  // A second connection, which cppcheck takes for the first.
  // cppcheck-suppress identicalConditionAfterEarlyExit
  if (!reports.ok() || !(*watch)->Send({{"command", "watch"}}).ok()) return;
  watch_ = std::move(*watch);
  reports_ = std::move(*reports);
}

std::vector<CustodyWords> DaemonChild::ReadStatus() {
  std::vector<CustodyWords> seen;
  while (watch_ != nullptr) {
    auto status = watch_->Receive(0);
    if (!status.ok() && status.error().code() == ErrorCode::kTimeout) break;
    if (!status.ok()) {
      lost_ = true;
      watch_.reset();
      break;
    }
    const json::value* custody = status->if_contains("custody");
    if (custody == nullptr || !custody->is_object()) continue;
    const json::value* settings = custody->as_object().if_contains("settings");
    if (settings != nullptr && settings->is_object()) {
      auto parsed = SettingsFromJson(settings->as_object(), {});
      if (parsed.ok()) settings_ = *parsed;
    }
    seen.push_back({TextAt(custody->as_object(), "state"), TextAt(custody->as_object(), "reason")});
  }
  return seen;
}

void DaemonChild::Report(const json::object& message) {
  if (reports_ == nullptr) return;
  auto answer = CallControl(*reports_, message, kReportTimeoutMs);
  if (answer.ok()) return;
  LogWarning("run", "the daemon: " + answer.error().message());
  if (answer.error().code() == ErrorCode::kIo) reports_.reset();  // it has gone
}

void DaemonChild::ReportStarted(pid_t pid) {
  Report({{"command", "database-started"}, {"pid", static_cast<std::int64_t>(pid)}});
}

void DaemonChild::ReportReady() { Report({{"command", "database-ready"}}); }

void DaemonChild::ReportStopped() { Report({{"command", "database-stopped"}}); }

void DaemonChild::RequestUnmount(bool force) {
  auto connection = ConnectToChild();
  if (!connection.ok()) return;
  unmount_ = std::move(*connection);
  if (!unmount_->Send({{"command", "unmount"}, {"force", force}}).ok()) unmount_.reset();
}

std::optional<Result<json::object>> DaemonChild::TakeUnmountAnswer() {
  if (unmount_ == nullptr) return std::nullopt;
  auto answer = unmount_->Receive(0);
  if (!answer.ok() && answer.error().code() == ErrorCode::kTimeout) return std::nullopt;
  unmount_.reset();
  return answer;
}

}  // namespace freehold
