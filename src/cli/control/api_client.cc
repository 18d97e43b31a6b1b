#include "cli/control/api_client.h"

#include <strings.h>

#include <algorithm>
#include <charconv>
#include <thread>

#include "api/json_reader.h"
#include "base/bytes.h"
#include "fmt/format.h"
#include "net/http_client.h"

namespace freehold::cli {
namespace {

namespace json = boost::json;

constexpr int kPageLimit = 500;  // the most that the API gives at once

ErrorCode CodeOf(HttpFailureKind kind) {
  switch (kind) {
    case HttpFailureKind::kRefused:
      return ErrorCode::kInvalidArgument;
    case HttpFailureKind::kTimeout:
      return ErrorCode::kTimeout;
    case HttpFailureKind::kResolve:
    case HttpFailureKind::kConnect:
    case HttpFailureKind::kReset:
      return ErrorCode::kNotReady;
    default:
      return ErrorCode::kIo;
  }
}

// Of a google.rpc code where the HTTP status alone does not say it.
ErrorCode CodeOf(int http_status, std::int64_t rpc_code) {
  if (rpc_code == 9) return ErrorCode::kPrecondition;
  switch (http_status) {
    case 400:
      return ErrorCode::kInvalidArgument;
    case 401:
      return ErrorCode::kUnauthenticated;
    case 403:
      return ErrorCode::kForbidden;
    case 404:
      return ErrorCode::kNotFound;
    case 405:
    case 501:
      return ErrorCode::kNotSupported;
    case 409:
      return rpc_code == 6 ? ErrorCode::kAlreadyExists : ErrorCode::kBusy;
    case 413:
      return ErrorCode::kTooLarge;
    case 429:
      return ErrorCode::kRateLimited;
    case 502:
    case 503:
      return ErrorCode::kNotReady;
    case 504:
      return ErrorCode::kTimeout;
    default:
      return http_status >= 500 ? ErrorCode::kIo : ErrorCode::kInternal;
  }
}

// How long a 429 asks us to wait, if it says so in seconds.
std::optional<Duration> RetryAfter(const HttpResponse& response) {
  const auto text = FindHeader(response.headers, "retry-after");
  if (!text.has_value()) return std::nullopt;
  int seconds = 0;
  const auto [end, failure] = std::from_chars(text->data(), text->data() + text->size(), seconds);
  if (failure != std::errc() || end != text->data() + text->size() || seconds < 0) {
    return std::nullopt;
  }
  return std::chrono::seconds(seconds);
}

}  // namespace

std::string UrlPart(std::string_view text) {
  std::string encoded;
  for (const unsigned char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '~';
    encoded += plain ? std::string(1, static_cast<char>(c)) : fmt::format("%{:02X}", c);
  }
  return encoded;
}

Error ErrorOf(const HttpResponse& response) {
  boost::system::error_code failure;
  const json::value body = json::parse(response.body, failure);
  if (!failure && body.is_object()) {
    const json::value* message = body.as_object().if_contains("message");
    const json::value* code = body.as_object().if_contains("code");
    if (message != nullptr && message->is_string()) {
      const std::int64_t rpc = code != nullptr && code->is_int64() ? code->as_int64() : 0;
      return Error(CodeOf(response.status, rpc), std::string(message->as_string()));
    }
  }
  return Error(CodeOf(response.status, 0),
               fmt::format("the server answered with HTTP {}", response.status));
}

Result<ApiAnswer> ApiClient::Call(std::string_view method, const std::string& target,
                                  const std::string& body) {
  HttpRequest request{std::string(method), target, {{"accept", "application/json"}}, body};
  if (!body.empty()) request.headers.emplace_back("content-type", "application/json");
  request.headers.emplace_back("authorization",
                               fmt::format("Bearer {}", AsText(login_.api_key.ExposeSecret())));
  HttpOptions options;
  options.connect_timeout = std::chrono::seconds(10);
  options.total_timeout = std::chrono::seconds(60);
  options.body_limit = 64 << 20;
  options.ca_bundle = login_.ca_file;
  HttpResult response = SendHttp(login_.server, request, options);
  if (response.has_value() && response->status == 429) {
    if (const auto wait = RetryAfter(*response); wait.has_value() && *wait <= kLongestWait) {
      std::this_thread::sleep_for(*wait);
      response = SendHttp(login_.server, request, options);
    }
  }
  std::string& header = request.headers.back().second;
  explicit_bzero(header.data(), header.size());
  if (!response.has_value()) return Error(CodeOf(response.error().kind), response.error().message);
  if (response->status >= 300) return ErrorOf(*response);
  auto parsed = api::ParseObject(response->body, "the server's answer");
  if (!parsed.ok()) return Error(ErrorCode::kIo, parsed.error().message());
  while (response->body.ends_with('\n')) response->body.pop_back();
  return ApiAnswer{std::move(response->body), std::move(*parsed)};
}

Result<ApiAnswer> ApiClient::Send(std::string_view method, const std::string& target,
                                  const json::object& body) {
  return Call(method, target, json::serialize(body));
}

Result<ApiList> ApiClient::List(const std::string& path, std::string_view field,
                                const std::string& query) {
  ApiList list;
  std::string page;
  do {
    ApiAnswer answer =
        TRY(Get(fmt::format("{}?{}{}pagination.limit={}{}{}", path, query, query.empty() ? "" : "&",
                            kPageLimit, page.empty() ? "" : "&pagination.page=", UrlPart(page))));
    const json::value* items = answer.body.if_contains(field);
    if (items == nullptr || !items->is_array()) {
      return Error(ErrorCode::kIo, fmt::format("the server's answer has no list '{}'", field));
    }
    list.items.insert(list.items.end(), items->as_array().begin(), items->as_array().end());
    const std::string before = std::exchange(page, "");
    if (const json::value* more = answer.body.if_contains("pagination");
        more != nullptr && more->is_object()) {
      if (const json::value* next = more->as_object().if_contains("next_page");
          next != nullptr && next->is_string()) {
        page = std::string(next->as_string());
      }
    }
    if (!page.empty() && page == before) {
      return Error(ErrorCode::kIo, "the server's list does not end");
    }
    list.pages.push_back(std::move(answer.text));
  } while (!page.empty());
  return list;
}

}  // namespace freehold::cli
