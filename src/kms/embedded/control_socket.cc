#include "kms/embedded/control_socket.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cerrno>
#include <cstring>
#include <thread>

#include "kms/embedded/embedded_kms.h"
#include "kms/embedded/params.h"

namespace freehold::embedded {
namespace {

namespace json = boost::json;

constexpr const char* kName = "control.sock";
constexpr std::size_t kMessageLimit = 64 * 1024;
constexpr timeval kPatience{5, 0};

Result<UniqueFd> NewSocket() {
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return ErrnoError(errno, "socket");
  return fd;
}

// Named through the directory's descriptor: a socket's path has at most 107 bytes.
sockaddr_un AddressIn(int directory) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = fmt::format("/proc/self/fd/{}/{}", directory, kName);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

void LimitPatience(int fd) {
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof kPatience);
}

bool IsOurUser(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
         (peer.uid == geteuid() || peer.uid == 0);
}

Error BadCommand(const AwsFailure& failure) {
  return Error(ErrorCode::kInvalidArgument, failure.message);
}

Status SetFault(EmbeddedKms& kms, const Params& params) {
  constexpr std::int64_t kMaxLatency = 600'000;
  const auto operation = params.StringOr("operation", "");
  const auto latency = params.IntOr("latency_ms", 0, 0, kMaxLatency);
  const auto skew = params.IntOr("clock_skew_s", 0, -4'000'000'000, 4'000'000'000);
  if (!operation.ok()) return BadCommand(operation.error());
  if (!latency.ok()) return BadCommand(latency.error());
  if (!skew.ok()) return BadCommand(skew.error());
  Fault fault;
  fault.latency = std::chrono::milliseconds(*latency);
  fault.throttle = params.BoolOr("throttle", false).value_or(false);
  fault.fail = params.BoolOr("fail", false).value_or(false);
  fault.unreachable = params.BoolOr("unreachable", false).value_or(false);
  kms.faults().Add(*operation, fault);
  if (params.Has("clock_skew_s")) kms.faults().SetClockSkew(std::chrono::seconds(*skew));
  return {};
}

Status ObeyOwn(EmbeddedKms& kms, const std::string& command, const Params& params) {
  if (command == "fault") return SetFault(kms, params);
  if (command == "clear") {
    kms.faults().Clear();
    return {};
  }
  if (command == "expire-sessions") return kms.ExpireSessions();
  if (command == "account") {
    return kms.AddAccount(params.StringOr("id", "").value_or(""),
                          params.StringOr("profile", "").value_or(""));
  }
  return Error(ErrorCode::kInvalidArgument, fmt::format("'{}' is no command", command));
}

Result<json::object> Obey(EmbeddedKms& kms, const json::object& message) {
  const Params params(message);
  const std::string name = params.StringOr("dialect", "").value_or("");
  if (name.empty()) {
    TRY(ObeyOwn(kms, params.StringOr("command", "").value_or(""), params));
    return json::object();
  }
  Dialect* dialect = kms.Find(name);
  if (dialect == nullptr) {
    return Error(ErrorCode::kInvalidArgument, fmt::format("'{}' is not spoken here", name));
  }
  return dialect->Obey(message);
}

json::object AnswerTo(EmbeddedKms& kms, ByteView message) {
  boost::system::error_code error;
  const json::value value = json::parse({AsText(message).data(), message.size()}, error);
  Result<json::object> obeyed =
      Error(ErrorCode::kInvalidArgument, "the command is not a JSON object");
  if (!error && value.is_object()) obeyed = Obey(kms, value.get_object());
  if (obeyed.ok()) {
    (*obeyed)["ok"] = true;
    return *std::move(obeyed);
  }
  return {{"ok", false},
          {"code", InfoOf(obeyed.error().code()).name},
          {"message", obeyed.error().message()}};
}

class UnixControlSocket : public ControlSocket {
 public:
  explicit UnixControlSocket(EmbeddedKms& kms) : kms_(kms) {}

  ~UnixControlSocket() override {
    if (thread_.joinable()) {
      eventfd_write(stop_.get(), 1);
      thread_.join();
    }
    if (directory_.valid()) unlinkat(directory_.get(), kName, 0);
  }

  Status Start() {
    directory_ = TRY(OpenFile(kms_.directory(), O_PATH | O_DIRECTORY));
    listener_ = TRY(NewSocket());
    stop_ = UniqueFd(eventfd(0, EFD_CLOEXEC));
    unlinkat(directory_.get(), kName, 0);  // of a process that was killed: we hold the lock
    const sockaddr_un address = AddressIn(directory_.get());
    fchmod(listener_.get(), 0600);  // before the name exists
    if (bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        fchmodat(directory_.get(), kName, 0600, 0) != 0 || listen(listener_.get(), 8) != 0) {
      return ErrnoError(errno, kms_.directory() + "/" + kName);
    }
    thread_ = std::thread([this] { Serve(); });
    return {};
  }

 private:
  void Serve() {
    for (;;) {
      pollfd waiting[] = {{stop_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
      if (poll(waiting, 2, -1) < 0 && errno != EINTR) return;
      if (waiting[0].revents != 0) return;
      const UniqueFd peer(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!peer.valid() || !IsOurUser(peer.get())) continue;
      LimitPatience(peer.get());
      const auto message = ReadUntilEnd(peer.get(), kMessageLimit);
      if (!message.ok()) continue;
      const std::string answer = json::serialize(AnswerTo(kms_, *message));
      [[maybe_unused]] const ssize_t sent =
          send(peer.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
    }
  }

  EmbeddedKms& kms_;
  UniqueFd directory_;
  UniqueFd listener_;
  UniqueFd stop_;
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<ControlSocket>> StartControlSocket(EmbeddedKms& kms) {
  auto control = std::make_unique<UnixControlSocket>(kms);
  TRY(control->Start());
  return std::unique_ptr<ControlSocket>(std::move(control));
}

Result<json::object> SendControl(const std::string& directory, const json::object& command) {
  const UniqueFd folder = TRY(OpenFile(directory, O_PATH | O_DIRECTORY));
  const UniqueFd fd = TRY(NewSocket());
  LimitPatience(fd.get());
  const sockaddr_un address = AddressIn(folder.get());
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return Error(ErrorCode::kNotFound, fmt::format("no freehold kms serves {}", directory));
  }
  TRY(WriteAll(fd.get(), AsBytes(json::serialize(command))));
  shutdown(fd.get(), SHUT_WR);
  const Bytes answer = TRY(ReadUntilEnd(fd.get(), kMessageLimit));
  boost::system::error_code error;
  const json::value value = json::parse({AsText(answer).data(), answer.size()}, error);
  if (error || !value.is_object())
    return Error(ErrorCode::kInternal, "the KMS's answer is no JSON");
  const json::object& fields = value.get_object();
  if (fields.contains("ok") && fields.at("ok") == true) return fields;
  const Params params(fields);
  return Error(CodeNamed(params.StringOr("code", "").value_or("")),
               params.StringOr("message", "refused").value_or("refused"));
}

}  // namespace freehold::embedded
