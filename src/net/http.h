// HTTP messages as values: what the client sends and the server gets, and the answers.
//
// Header names are kept in lower case, in order, and may repeat. Bodies are whole, but for an
// answer that is a stream of events. Threads: values. Spec: RFC 9110.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace freehold {

class EventStream;

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;  // names in lower case

std::optional<std::string> FindHeader(const HttpHeaders& headers, std::string_view name);

// Of a client's certificate that was verified; both are empty when it showed none.
struct ClientCertificate {
  std::string name;        // the subject's common name
  std::string public_key;  // SubjectPublicKeyInfo, DER
};

struct HttpRequest {
  std::string method = "GET";
  std::string target = "/";  // path and query, percent-encoded as on the wire
  HttpHeaders headers;
  std::string body;
  std::string peer = {};          // set by the server: the client's IP address
  ClientCertificate client = {};  // set by the server
};

struct HttpResponse {
  int status = 200;
  HttpHeaders headers;
  std::string body;
  std::shared_ptr<EventStream> stream = nullptr;  // instead of a body: goes on until it is closed
};

}  // namespace freehold
