// Dialect: one more protocol that the embedded KMS speaks, beside AWS's.
//
// Gets the requests that are its own, whole and in order of arrival; authenticates, authorizes,
// answers as its service does. Faults and the event log are EmbeddedKms's business. It keeps its
// state in a StateStore beside the others, under the same master key.
// Errors: every request gets an answer of the service. Threads: Handle() from any.
#pragma once

#include <boost/json/object.hpp>
#include <functional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "net/http.h"

namespace freehold::embedded {

// One request on its way, and what the log will say of it: never plaintext, never a secret.
struct DialectCall {
  WallTime now;
  std::string request_id;

  std::string caller;      // filled in once known: "sa@project.iam.gserviceaccount.com"
  std::string key;         // "projects/P/.../cryptoKeys/K", "" when it is about none
  std::string error_code;  // the service's, "" when it worked
  std::string error_message;
  bool read_only = false;
  boost::json::object parameters;
};

// What the KMS answers to a request, as its server asks it. A dialect that is itself a client of
// another (Vault's keymgmt) asks so, with that one's credentials, and must hold no store's update.
using Exchange = std::function<HttpResponse(const HttpRequest&)>;

class Dialect {
 public:
  virtual ~Dialect() = default;

  virtual std::string_view name() const = 0;    // "google": its commands, its store
  virtual std::string_view source() const = 0;  // "cloudkms.googleapis.com": eventSource
  // The operation that a request asks for ("Decrypt"), or "" when the request is none of its.
  virtual std::string OperationOf(const HttpRequest& request) const = 0;
  virtual HttpResponse Handle(const HttpRequest& request, DialectCall& call) = 0;
  // What the service says when it is ordered to fail.
  virtual HttpResponse Throttled() const = 0;
  virtual HttpResponse Failed() const = 0;

  // What is due by now: deletions whose waiting period is over, expired material, rotation.
  virtual Status DoWhatIsDue(WallTime now) = 0;
  // A command of `freehold kms NAME ...`: what its administrators would do elsewhere.
  virtual Result<boost::json::object> Obey(const boost::json::object& command) = 0;
  // Files for its clients (credentials, say) into `directory`, with the address served now.
  virtual Status WriteFiles(const std::string& directory, const std::string& url) = 0;
};

}  // namespace freehold::embedded
