// For tests only: the answers that Azure would give.
#pragma once

#include <map>
#include <string>

#include "kms/service/fake_surroundings.h"
#include "net/http.h"

namespace freehold::azure {

using Variables = std::map<std::string, std::string>;

inline HttpResponse TokenAnswer(const std::string& token = "token-1") {
  return {200, {}, R"({"token_type":"Bearer","expires_in":3599,"access_token":")" + token + "\"}"};
}

inline HttpResponse EntraError(int status, const std::string& error, int number) {
  const std::string code = std::to_string(number);
  return {status,
          {},
          R"({"error":")" + error + R"(","error_description":"AADSTS)" + code +
              R"(: the words Trace ID: t1","error_codes":[)" + code + R"(],"trace_id":"t1"})"};
}

inline HttpResponse VaultError(int status, const std::string& code, const std::string& inner = "",
                               const std::string& message = "the words") {
  return {status,
          {{"x-ms-request-id", "r1"}},
          R"({"error":{"code":")" + code + R"(","message":")" + message + "\"" +
              (inner.empty() ? "" : R"(,"innererror":{"code":")" + inner + "\"}") + "}}"};
}

}  // namespace freehold::azure
