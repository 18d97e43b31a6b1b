#include "node/control_socket.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <boost/json.hpp>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "fmt/format.h"

namespace freehold {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxRequest = 64 * 1024;
constexpr std::size_t kMaxAnswer = 64 * 1024 * 1024;  // a verification may list many files
constexpr std::size_t kMaxConnections = 32;

// A socket's path has 108 bytes at most; through a descriptor of its directory it always fits.
struct SocketAddress {
  UniqueFd directory;
  sockaddr_un address = {};
};

Result<SocketAddress> AddressOf(const std::string& path) {
  const auto slash = path.rfind('/');
  SocketAddress result;
  result.directory = TRY(OpenFile(path.substr(0, slash), O_PATH | O_DIRECTORY));
  const std::string short_path =
      fmt::format("/proc/self/fd/{}/{}", result.directory.get(), path.substr(slash + 1));
  result.address.sun_family = AF_UNIX;
  std::strncpy(result.address.sun_path, short_path.c_str(), sizeof result.address.sun_path - 1);
  return result;
}

bool MaySpeak(int fd) {
  ucred peer = {};
  socklen_t size = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
  return peer.uid == 0 || peer.uid == geteuid();
}

Result<json::object> ParseLine(const std::string& line) {
  boost::system::error_code failure;
  json::value value = json::parse(line, failure);
  if (failure || !value.is_object()) {
    return Error(ErrorCode::kInvalidArgument, "the request is not a JSON object on one line");
  }
  return value.as_object();
}

class Server : public ControlServer {
 public:
  Server(UniqueFd listener, std::string path, Handler handler)
      : listener_(std::move(listener)), path_(std::move(path)), handler_(std::move(handler)) {
    acceptor_ = std::thread([this] { Accept(); });
  }

  ~Server() override {
    stopping_ = true;
    shutdown(listener_.get(), SHUT_RDWR);
    acceptor_.join();
    unlink(path_.c_str());
    std::unique_lock lock(mutex_);
    for (int fd : connections_) shutdown(fd, SHUT_RD);  // an answer under way may still go out
    gone_.wait(lock, [this] { return connections_.empty(); });
  }

 private:
  void Accept() {
    while (!stopping_) {
      UniqueFd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!fd.valid()) {
        if (errno == EINTR || errno == ECONNABORTED) continue;
        if (errno == EMFILE || errno == ENFILE) {
          poll(nullptr, 0, 100);
          continue;
        }
        return;
      }
      std::lock_guard lock(mutex_);
      if (!MaySpeak(fd.get())) continue;
      if (connections_.size() >= kMaxConnections) {
        RefuseOneMore(std::move(fd));
        continue;
      }
      const timeval patience{5, 0};  // for a client that does not read its answer
      setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
      connections_.insert(fd.get());
      std::thread([this, raw = fd.Release()] { Serve(UniqueFd(raw)); }).detach();
    }
  }

  static void RefuseOneMore(UniqueFd fd) {
    const Error busy(
        ErrorCode::kBusy,
        fmt::format("the volume's daemon serves {} connections already", kMaxConnections));
    ControlConnection connection(std::move(fd), kMaxRequest);
    (void)connection.Send(ErrorToJson(busy));  // a new connection's buffer is empty: never waits
  }

  void Serve(UniqueFd fd) {
    const int number = fd.get();
    ControlConnection connection(std::move(fd), kMaxRequest);
    for (;;) {
      auto request = connection.Receive();
      if (!request.ok() && request.error().code() != ErrorCode::kInvalidArgument) break;
      auto answer = request.ok() ? handler_(*request, connection) : request;
      const json::object reply = answer.ok() ? *answer : ErrorToJson(answer.error());
      if (!connection.Send(reply).ok()) break;
    }
    std::lock_guard lock(mutex_);
    connections_.erase(number);
    gone_.notify_all();
  }

  const UniqueFd listener_;
  const std::string path_;
  const Handler handler_;
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::condition_variable gone_;
  std::set<int> connections_;
  std::thread acceptor_;
};

}  // namespace

Status ControlConnection::Send(const json::object& message) {
  const std::string line = json::serialize(message) + "\n";
  std::string_view left = line;
  while (!left.empty()) {
    const ssize_t n = send(fd_.get(), left.data(), left.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoError(errno, "control socket");
    left.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

UniqueFd ControlConnection::PeerProcess() const {
  ucred peer = {};
  socklen_t size = sizeof peer;
  if (getsockopt(fd_.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return UniqueFd();
  return UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, peer.pid, 0)));
}

Result<json::object> ControlConnection::Receive(int deadline_ms) {
  for (;;) {
    if (const auto end = pending_.find('\n'); end != std::string::npos) {
      const std::string line = pending_.substr(0, end);
      pending_.erase(0, end + 1);
      if (std::exchange(too_long_, false) || line.size() > longest_line_) {
        return Error(ErrorCode::kInvalidArgument, "a line on the control socket is too long");
      }
      return ParseLine(line);
    }
    if (pending_.size() > longest_line_) {
      too_long_ = true;  // answered at its end; until then it is not kept
      pending_.clear();
    }
    pollfd waiting{fd_.get(), POLLIN, 0};
    const int ready = poll(&waiting, 1, deadline_ms);
    if (ready < 0 && errno == EINTR) continue;
    if (ready == 0) return Error(ErrorCode::kTimeout, "no answer on the control socket in time");
    char buffer[4096];
    const ssize_t n = recv(fd_.get(), buffer, sizeof buffer, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return Error(ErrorCode::kIo, "the control socket was closed");
    pending_.append(buffer, static_cast<std::size_t>(n));
  }
}

Result<std::unique_ptr<ControlServer>> ControlServer::Start(const std::string& path,
                                                            Handler handler) {
  unlink(path.c_str());  // whoever held it before is gone: we have the volume's lock
  SocketAddress at = TRY(AddressOf(path));
  UniqueFd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!listener.valid() ||
      bind(listener.get(), reinterpret_cast<const sockaddr*>(&at.address), sizeof at.address) !=
          0 ||
      chmod(path.c_str(), 0600) != 0 || listen(listener.get(), 16) != 0) {
    return ErrnoError(errno, path);
  }
  return std::unique_ptr<ControlServer>(
      std::make_unique<Server>(std::move(listener), path, std::move(handler)));
}

Result<std::unique_ptr<ControlConnection>> ConnectControl(const std::string& path) {
  SocketAddress at = TRY(AddressOf(path));
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&at.address), sizeof at.address) != 0) {
    return ErrnoError(errno == ECONNREFUSED ? ENOENT : errno, path);
  }
  return std::make_unique<ControlConnection>(std::move(fd), kMaxAnswer);
}

Result<json::object> CallControl(ControlConnection& connection, const json::object& request,
                                 int deadline_ms) {
  // A daemon that refuses the connection says why before it closes: its words come first.
  const auto sent = connection.Send(request);
  auto received = connection.Receive(deadline_ms);
  if (!received.ok()) return sent.ok() ? received.error() : sent.error();
  json::object answer = std::move(*received);
  const json::value* error = answer.if_contains("error");
  if (error == nullptr || !error->is_object()) return answer;
  const json::object& fields = error->as_object();
  const json::value* code = fields.if_contains("code");
  const json::value* message = fields.if_contains("message");
  const std::string text = message != nullptr && message->is_string()
                               ? std::string(message->as_string())
                               : "the daemon failed without saying why";
  const bool named = code != nullptr && code->is_string();
  return Error(named ? CodeNamed(code->as_string()) : ErrorCode::kInternal, text);
}

json::object ErrorToJson(const Error& error) {
  const ErrorCodeInfo& info = InfoOf(error.code());
  return {{"error",
           {{"code", info.name},
            {"exit_code", info.exit_code},
            {"retryable", info.retryable},
            {"message", error.message()}}}};
}

}  // namespace freehold
