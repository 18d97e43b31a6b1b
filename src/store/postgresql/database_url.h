// DatabaseUrl: which PostgreSQL a URL names, and whether it may be spoken to as it says.
//
// `postgresql://[USER[:PASSWORD]@][HOST[:PORT][,...]][/DATABASE][?OPTION=VALUE[&...]]`, as libpq
// reads it; what it leaves out comes from libpq's environment variables, service and password
// files. To another machine there must be TLS: sslmode is then `require`, `verify-ca` or
// `verify-full`. No error has a word of the URL in it, as any may be the password. Errors:
// kInvalidArgument. Threads: a value. Spec: libpq, "Connection URIs".
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace freehold::store {

class DatabaseUrl {
 public:
  // `usual_sslmode` is PGSSLMODE's, for a URL that has none; "" = not set.
  static Result<DatabaseUrl> Parse(const std::string& url, std::string_view usual_sslmode);

  // With the password: for libpq alone.
  const std::string& secret_text() const { return text_; }
  // For people, without user and password: "db.example:5432/freehold".
  const std::string& place() const { return place_; }

 private:
  DatabaseUrl(std::string text, std::string place)
      : text_(std::move(text)), place_(std::move(place)) {}

  std::string text_;
  std::string place_;
};

// Whether talking to this host never leaves the machine: loopback, or a socket's directory; "" is
// libpq's default, a socket.
bool IsThisMachine(std::string_view host);

}  // namespace freehold::store
