#include "kms/service/json_service.h"

#include <algorithm>
#include <boost/json.hpp>

#include "base/locked_arena.h"
#include "fmt/format.h"

namespace freehold {
namespace {

namespace json = boost::json;

KmsMeaning MeaningOf(HttpFailureKind kind) {
  switch (kind) {
    case HttpFailureKind::kRefused:
      return KmsMeaning::kOurConfiguration;
    case HttpFailureKind::kResolve:
      return KmsMeaning::kNameNotResolved;
    case HttpFailureKind::kTls:
      return KmsMeaning::kTlsFailed;
    case HttpFailureKind::kTimeout:
      return KmsMeaning::kTimedOut;
    case HttpFailureKind::kTooLarge:
      return KmsMeaning::kOutage;
    case HttpFailureKind::kConnect:
    case HttpFailureKind::kReset:
    case HttpFailureKind::kOther:
      break;
  }
  return KmsMeaning::kNotConnected;
}

std::string EncodeFormText(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       std::string_view("-_.~").find(c) != std::string_view::npos;
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

}  // namespace

KmsFailure FailureOf(std::string_view operation, const HttpFailure& failure) {
  return OwnFailure(MeaningOf(failure.kind), operation, failure.message);
}

KmsResult<JsonAnswer> SendJson(std::string_view operation, const JsonRequest& request,
                               const Surroundings& surroundings) {
  auto url = HttpUrl::Parse(request.url);
  if (!url.ok()) {
    return tl::unexpected(
        OwnFailure(KmsMeaning::kOurConfiguration, operation, url.error().message()));
  }
  HttpOptions options;
  options.connect_timeout = surroundings.timeouts.connect;
  options.total_timeout = surroundings.timeouts.request;
  options.ca_bundle = request.ca_bundle;
  auto response =
      SendHttp(url->origin, {request.method, url->target, request.headers, request.body}, options);
  if (!response.has_value()) return tl::unexpected(FailureOf(operation, response.error()));
  JsonAnswer answer{response->status, std::move(response->headers), {}};
  boost::system::error_code failure;
  auto value = json::parse(response->body, failure);
  WipeMemory(response->body.data(), response->body.size());
  if (!failure && value.is_object()) answer.body = std::move(value.get_object());
  return answer;
}

std::string TextOf(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value == nullptr || !value->is_string() ? "" : std::string(value->get_string());
}

const json::object& ObjectOf(const json::object& object, std::string_view name) {
  static const json::object empty;
  const auto* value = object.if_contains(name);
  return value == nullptr || !value->is_object() ? empty : value->get_object();
}

std::optional<SecretBytes> TakeSecret(json::object& object, std::string_view name, bool url) {
  auto* value = object.if_contains(name);
  if (value == nullptr || !value->is_string()) return std::nullopt;
  json::string& text = value->get_string();
  const std::string_view view(text.data(), text.size());
  auto bytes = url ? Base64UrlDecode(view) : Base64Decode(view);
  WipeMemory(text.data(), text.size());
  if (!bytes.ok() || bytes->empty()) return std::nullopt;
  SecretBytes secret = SecretBytes::CopyOf(*bytes);
  WipeMemory(bytes->data(), bytes->size());
  return secret;
}

std::string FirstLine(std::string_view message) {
  constexpr std::size_t kLongest = 500;
  std::string line(message.substr(0, std::min(message.find_first_of("\r\n"), kLongest)));
  for (char& c : line) {
    const auto octet = static_cast<unsigned char>(c);
    if (octet < 0x20 || octet == 0x7f) c = '?';
  }
  return line;
}

std::string EncodeForm(const std::map<std::string, std::string>& form) {
  std::string out;
  for (const auto& [name, value] : form) {
    if (!out.empty()) out += '&';
    out += EncodeFormText(name) + "=" + EncodeFormText(value);
  }
  return out;
}

}  // namespace freehold
