// One request to a service that answers in JSON, and what it means when there is no answer.
//
// Sends, reads, wipes what it can; judges nothing that a service said. The body of an answer may
// hold a plaintext key: for short-lived processes. Threads: safe. Spec: RFC 8259, RFC 9110.
#pragma once

#include <boost/json/object.hpp>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "kms/service/surroundings.h"
#include "net/http_client.h"

namespace freehold {

struct JsonRequest {
  std::string method = "POST";
  std::string url;  // https://host[:port]/path?query
  HttpHeaders headers;
  std::string body;       // with its content-type among the headers
  std::string ca_bundle;  // a PEM file; "" = the system's
};

struct JsonAnswer {
  int status = 0;
  HttpHeaders headers;
  boost::json::object body;  // empty when the answer was no JSON object

  bool ok() const { return status >= 200 && status < 300; }
};

// Any answer, whatever its status. A failure is one of the connection. One try.
KmsResult<JsonAnswer> SendJson(std::string_view operation, const JsonRequest& request,
                               const Surroundings& surroundings);

// No answer at all. A URL that we refuse to use is ours to mend; the rest is unreachable.
KmsFailure FailureOf(std::string_view operation, const HttpFailure& failure);

// "" when the field is missing or no string.
std::string TextOf(const boost::json::object& object, std::string_view name);
// An empty object when the field is missing or none.
const boost::json::object& ObjectOf(const boost::json::object& object, std::string_view name);

// A field with a plaintext in base64 (`url`: base64url), decoded and wiped where it came from.
// Nothing when it is missing, empty or no base64.
std::optional<SecretBytes> TakeSecret(boost::json::object& object, std::string_view name,
                                      bool url = false);

// A service's words go into logs and onto terminals: their first line, printable and bounded.
// What follows a first line may quote our request, token and all.
std::string FirstLine(std::string_view message);

// application/x-www-form-urlencoded.
std::string EncodeForm(const std::map<std::string, std::string>& form);

}  // namespace freehold
