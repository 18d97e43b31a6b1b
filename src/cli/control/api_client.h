// ApiClient: calls of the control plane's API, and its refusals as errors of ours.
//
// A refusal keeps the server's sentence and gets the code whose HTTP status and google.rpc code it
// has. A 429 is waited out once, up to kLongestWait. Errors further: kNotReady when nobody answers,
// kTimeout, kIo for TLS and for answers that are none. Threads: one at a time.
// Spec: docs/api/README.md.
#pragma once

#include <boost/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "cli/control/login.h"
#include "net/http.h"

namespace freehold::cli {

inline constexpr Duration kLongestWait = std::chrono::seconds(10);

struct ApiAnswer {
  std::string text;  // as it came, for programs
  boost::json::object body;
};

// A list, whole: every page's text, and what is in all of them.
struct ApiList {
  std::vector<std::string> pages;
  boost::json::array items;
};

class ApiClient {
 public:
  explicit ApiClient(Login login) : login_(std::move(login)) {}

  Result<ApiAnswer> Get(const std::string& target) { return Call("GET", target, ""); }
  Result<ApiAnswer> Delete(const std::string& target) { return Call("DELETE", target, ""); }
  Result<ApiAnswer> Send(std::string_view method, const std::string& target,
                         const boost::json::object& body);
  // `query` goes before the pagination: "organization_id=...". `field` is the list's name.
  Result<ApiList> List(const std::string& path, std::string_view field,
                       const std::string& query = "");

 private:
  Result<ApiAnswer> Call(std::string_view method, const std::string& target,
                         const std::string& body);

  Login login_;
};

// One segment of a path, or a value of a query, percent-encoded.
std::string UrlPart(std::string_view text);

// What an answer with a status of 400 and more says.
Error ErrorOf(const HttpResponse& response);

}  // namespace freehold::cli
