// HTTP client: one blocking request, one answer, and a failure that says how far it got.
//
// Never follows a redirect, so that a signed request goes only where it was meant to. Plain http
// is for this machine: loopback, and the link-local addresses where clouds hand out credentials.
// Proxies only as the usual environment variables name them, and never for plain http.
// Buffers are not wiped (they are libcurl's): whoever receives secrets should be short-lived.
// A thread keeps its connections for its next request to the same place, ten minutes at most.
// Errors: HttpFailure. Threads: safe, nothing is shared. Spec: RFC 9110, RFC 3986.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "base/secret_bytes.h"
#include "net/address_policy.h"
#include "net/http.h"

namespace freehold {

// The parts of an absolute http or https URL, normalized.
struct HttpUrl {
  std::string origin;     // "https://kms.eu-west-1.amazonaws.com", what SendHttp takes
  std::string authority;  // "127.0.0.1:8080", as the Host header has it
  std::string target;     // path and query, "/" at least

  // kInvalidArgument: not a URL, another scheme, a user name in it, or plain http to elsewhere.
  static Result<HttpUrl> Parse(const std::string& text);
};

enum class HttpFailureKind {
  kRefused,   // we would not send it: the URL or a header is not acceptable
  kResolve,   // the name has no address
  kConnect,   // nobody listens there, or no route
  kTls,       // no agreement, or a certificate that we do not trust
  kTimeout,   // any deadline
  kReset,     // the connection broke before the answer was whole
  kTooLarge,  // the answer is larger than the limit
  kOther,
};

struct HttpFailure {
  HttpFailureKind kind = HttpFailureKind::kOther;
  std::string message;
};

// By which a client is known to a server that asks for a certificate.
struct HttpClientIdentity {
  std::string certificate_pem;
  SecretBytes key_pem;
};

struct HttpOptions {
  Duration connect_timeout = std::chrono::seconds(2);
  Duration total_timeout = std::chrono::seconds(5);  // connect included
  std::string ca_bundle;                             // a PEM file; "" = the system's
  std::size_t body_limit = 1 << 20;
  std::string authority_pem = {};  // the only authority that is trusted; "" = as ca_bundle says
  std::shared_ptr<const HttpClientIdentity> identity = nullptr;
  // Where a stranger's request may go; kRefused elsewhere. It takes a connection of its own and no
  // proxy, which would resolve names for us. Null: anywhere.
  std::shared_ptr<const AddressPolicy> addresses = nullptr;
};

using HttpResult = tl::expected<HttpResponse, HttpFailure>;

// Sends the request to scheme://host[:port] and waits for the whole answer, whatever its status.
HttpResult SendHttp(const std::string& origin, const HttpRequest& request,
                    const HttpOptions& options);

// Called with each piece of an answer that goes on; false ends it.
using TakeBytes = std::function<bool(std::string_view)>;

// As SendHttp, for an answer without an end: `take` gets its body as it comes, if its status is
// 200. Returns when the server ends it, nothing has come for `silence`, or `take` has enough; it is
// called with "" about once a second, so that it may say so. total_timeout does not count.
HttpResult StreamHttp(const std::string& origin, const HttpRequest& request,
                      const HttpOptions& options, Duration silence, const TakeBytes& take);

}  // namespace freehold
