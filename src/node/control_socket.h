// The control socket of an open volume: one JSON object a line, request and answer.
//
// The process that holds a volume listens at DIR/freehold/control; the CLI and the supervisor are
// its clients. Only root and the daemon's own user may speak (SO_PEERCRED). A line longer than
// 64 KiB, or one that is not a JSON object, is answered with an error; the connection stays usable.
// Errors travel as {"error":{"code":...,"message":...}} and come out as Error again.
// Threads: the server serves each connection in a thread of its own, at most 32.
// Spec: docs/control-socket.md.
#pragma once

#include <boost/json/object.hpp>
#include <functional>
#include <memory>
#include <string>

#include "base/posix_file.h"
#include "base/result.h"

namespace freehold {

// One open connection, to a client (server side) or to the daemon (client side).
class ControlConnection {
 public:
  // Lines that are longer are read to their end and refused.
  ControlConnection(UniqueFd fd, std::size_t longest_line)
      : fd_(std::move(fd)), longest_line_(longest_line) {}
  Status Send(const boost::json::object& message);
  // The next line; kIo when the other end has closed, kTimeout after `deadline_ms` (-1: none).
  Result<boost::json::object> Receive(int deadline_ms = -1);
  int fd() const { return fd_.get(); }
  // A pidfd of the process at the other end, by which its end can be awaited; invalid if it cannot.
  UniqueFd PeerProcess() const;

 private:
  UniqueFd fd_;
  const std::size_t longest_line_;
  std::string pending_;
  bool too_long_ = false;  // the beginning of this line is gone
};

class ControlServer {
 public:
  // Called for each request; may Send more on the connection before it returns.
  using Handler = std::function<Result<boost::json::object>(const boost::json::object& request,
                                                            ControlConnection& connection)>;
  static Result<std::unique_ptr<ControlServer>> Start(const std::string& path, Handler handler);
  virtual ~ControlServer() = default;  // stops listening and ends all connections
};

Result<std::unique_ptr<ControlConnection>> ConnectControl(const std::string& path);
// One request, one answer; an error object becomes an Error.
Result<boost::json::object> CallControl(ControlConnection& connection,
                                        const boost::json::object& request, int deadline_ms = -1);

boost::json::object ErrorToJson(const Error& error);

}  // namespace freehold
