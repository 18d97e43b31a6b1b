// ControlSocket: DIR/control.sock, through which `freehold kms fault` talks to the serving process.
//
// One JSON object a connection, one JSON object back. The socket is 0600 and the peer must be the
// same user (or root). Threads: one of its own. Errors: kNotFound when nobody serves DIR.
#pragma once

#include <boost/json/object.hpp>
#include <memory>
#include <string>

#include "base/result.h"

namespace freehold::embedded {

class EmbeddedKms;

class ControlSocket {
 public:
  virtual ~ControlSocket() = default;  // stops listening, removes the socket
};

Result<std::unique_ptr<ControlSocket>> StartControlSocket(EmbeddedKms& kms);

// The client's side: sends a command, returns the answer or its error, with the code it has there.
//   {"command": "fault", "operation": "Decrypt", "latency_ms": 100, "throttle": true, "fail": true,
//    "unreachable": true, "clock_skew_s": 600}
//   {"command": "clear"} | {"command": "expire-sessions"}
//   {"command": "account", "id": "...", "profile": "..."}
Result<boost::json::object> SendControl(const std::string& directory,
                                        const boost::json::object& command);

}  // namespace freehold::embedded
