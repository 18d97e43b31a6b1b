// HTTP messages as values: what the client sends and the server gets, and the answers.
//
// Header names are kept in lower case, in order, and may repeat. Bodies are whole; nothing here
// streams. Threads: values. Spec: RFC 9110.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace freehold {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;  // names in lower case

std::optional<std::string> FindHeader(const HttpHeaders& headers, std::string_view name);

struct HttpRequest {
  std::string method = "GET";
  std::string target = "/";  // path and query, percent-encoded as on the wire
  HttpHeaders headers;
  std::string body;
  std::string peer = {};  // set by the server: the client's IP address
};

struct HttpResponse {
  int status = 200;
  HttpHeaders headers;
  std::string body;
};

}  // namespace freehold
