#include "server/route.h"

#include <charconv>

#include "base/bytes.h"
#include "crypto/uuid.h"
#include "fmt/format.h"

namespace freehold::server {
namespace {

namespace json = boost::json;

constexpr std::size_t kPageLimit = 500;
constexpr std::size_t kUsualPage = 100;

// google.rpc.Code, as grpc-gateway pairs it with HTTP.
int RpcCodeOf(ErrorCode code) {
  switch (code) {
    case ErrorCode::kPrecondition:
      return 9;
    case ErrorCode::kAlreadyExists:
      return 6;
    case ErrorCode::kBusy:
      return 10;
    default:
      break;
  }
  switch (InfoOf(code).http_status) {
    case 400:
      return 3;
    case 401:
      return 16;
    case 403:
      return 7;
    case 404:
      return 5;
    case 409:
      return 9;
    case 429:
      return 8;
    case 501:
      return 12;
    case 503:
      return 14;
    case 504:
      return 4;
    default:
      return 13;
  }
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<std::string> Decode(std::string_view text, bool plus_is_space) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += plus_is_space && text[i] == '+' ? ' ' : text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = HexDigit(text[i + 1]);
    const int low = HexDigit(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    decoded += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return decoded;
}

bool IsPlainText(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

// The text up to the separator, which goes too.
std::string_view NextPart(std::string_view& text, char separator) {
  const auto end = text.find(separator);
  const std::string_view part = text.substr(0, end);
  text = end == std::string_view::npos ? "" : text.substr(end + 1);
  return part;
}

}  // namespace

std::optional<std::map<std::string, std::string>> MatchPath(std::string_view pattern,
                                                            std::string_view path) {
  std::map<std::string, std::string> parameters;
  while (!pattern.empty() && !path.empty()) {
    const std::string_view wanted = NextPart(pattern, '/');
    const std::string_view given = NextPart(path, '/');
    if (wanted.starts_with('{')) {
      const auto value = Decode(given, false);
      if (!value.has_value() || value->empty()) return std::nullopt;
      parameters.emplace(wanted.substr(1, wanted.size() - 2), *value);
    } else if (wanted != given) {
      return std::nullopt;
    }
  }
  if (!pattern.empty() || !path.empty()) return std::nullopt;
  return parameters;
}

Result<std::map<std::string, std::string>> ParseQuery(std::string_view query) {
  std::map<std::string, std::string> parameters;
  while (!query.empty()) {
    std::string_view pair = NextPart(query, '&');
    if (pair.empty()) continue;
    const auto name = Decode(NextPart(pair, '='), true);
    const auto value = Decode(pair, true);
    if (!name.has_value() || !value.has_value()) {
      return Error(ErrorCode::kInvalidArgument, "the query has a broken escape");
    }
    if (!IsPlainText(*name) || !IsPlainText(*value)) {
      return Error(ErrorCode::kInvalidArgument,
                   "the query has a character that is not printable ASCII");
    }
    if (!parameters.emplace(*name, *value).second) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("the query has '{}' twice", Printable(*name)));
    }
  }
  return parameters;
}

Result<std::uint64_t> Call::NumberWanted(const std::string& name, std::uint64_t usual,
                                         std::uint64_t least, std::uint64_t most) const {
  const auto found = query.find(name);
  if (found == query.end()) return usual;
  std::uint64_t number = 0;
  const std::string& text = found->second;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool is_number = failure == std::errc() && end == text.data() + text.size();
  if (is_number && number >= least && number <= most) return number;
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("{}: must be a number from {} to {}", name, least, most));
}

Result<control::Page> Call::PageWanted() const {
  control::Page page;
  page.limit = TRY(NumberWanted("pagination.limit", kUsualPage, 1, kPageLimit));
  if (const auto after = query.find("pagination.page"); after != query.end()) {
    // The id of the last that was listed, which may be gone since.
    if (!after->second.empty() && !IsUuid(after->second)) {
      return Error(ErrorCode::kInvalidArgument,
                   "pagination.page: must be the next_page of an answer, or empty for the first");
    }
    page.after = after->second;
  }
  return page;
}

Result<bool> Call::Says(const std::string& name) const {
  const auto found = query.find(name);
  if (found == query.end() || found->second == "false") return false;
  if (found->second == "true") return true;
  return Error(ErrorCode::kInvalidArgument, fmt::format("{}: must be true or false", name));
}

HttpResponse JsonResponse(int status, const json::object& body) {
  return {status,
          {{"content-type", "application/json"}, {"cache-control", "no-store"}},
          json::serialize(body) + "\n"};
}

json::object StatusJson(const Error& error) {
  return {
      {"code", RpcCodeOf(error.code())}, {"message", error.message()}, {"details", json::array()}};
}

HttpResponse ErrorResponse(const Error& error) {
  HttpResponse response = JsonResponse(InfoOf(error.code()).http_status, StatusJson(error));
  const bool may_pass = error.code() == ErrorCode::kNotReady || error.code() == ErrorCode::kNoSpace;
  if (may_pass) response.headers.emplace_back("retry-after", "5");
  if (error.code() == ErrorCode::kUnauthenticated) {
    response.headers.emplace_back("www-authenticate", "Bearer");
  }
  return response;
}

}  // namespace freehold::server
