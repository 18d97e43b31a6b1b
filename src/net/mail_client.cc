#include "net/mail_client.h"

#include <arpa/inet.h>
#include <string.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <memory>

#include "base/bytes.h"
#include "fmt/format.h"
#include "net/curl_handle.h"

namespace freehold {
namespace {

constexpr std::size_t kLongestLine = 75;  // of quoted-printable, with the '=' of a soft break
constexpr std::size_t kLongestAddress = 254;
constexpr std::size_t kLongestLocalPart = 64;

std::string Part(CURLU* url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, 0) != CURLUE_OK) return "";
  std::string copy = text;
  curl_free(text);
  return copy;
}

struct ServerPlace {
  std::string scheme;
  std::string host;
  bool is_bare = false;  // nothing but scheme, host and port
};

Result<ServerPlace> PlaceOf(const MailServer& server) {
  const CurlPtr<CURLU> url(curl_url());
  if (curl_url_set(url.get(), CURLUPART_URL, server.url.c_str(), CURLU_NON_SUPPORT_SCHEME) !=
      CURLUE_OK) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("'{}' is not the URL of a mail server", Printable(server.url)));
  }
  ServerPlace place{Part(url.get(), CURLUPART_SCHEME), Part(url.get(), CURLUPART_HOST), false};
  const std::string path = Part(url.get(), CURLUPART_PATH);
  place.is_bare = (path.empty() || path == "/") && Part(url.get(), CURLUPART_USER).empty() &&
                  Part(url.get(), CURLUPART_PASSWORD).empty() &&
                  Part(url.get(), CURLUPART_QUERY).empty();
  return place;
}

bool IsLoopback(const std::string& host) {
  if (host == "localhost" || host == "[::1]") return true;
  in_addr address{};
  return inet_pton(AF_INET, host.c_str(), &address) == 1 && ntohl(address.s_addr) >> 24 == 127;
}

bool IsLetterOrDigit(unsigned char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// RFC 2045 section 6.7; a line break of the text is one of the message.
std::string QuotedPrintable(std::string_view text) {
  std::string encoded;
  std::size_t column = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c == '\n') {
      encoded += "\r\n";
      column = 0;
      continue;
    }
    const bool ends_line = i + 1 == text.size() || text[i + 1] == '\n';
    const bool plain = (c > ' ' && c < 127 && c != '=') || (c == ' ' && !ends_line);
    const std::string piece = plain ? std::string(1, text[i]) : fmt::format("={:02X}", c);
    if (column + piece.size() > kLongestLine) {
      encoded += "=\r\n";
      column = 0;
    }
    encoded += piece;
    column += piece.size();
  }
  return encoded + "\r\n";
}

// RFC 5322: "Sun, 29 Nov 2026 21:12:31 +0000", in no locale.
std::string MailDate(WallTime time) {
  static constexpr std::array<const char*, 7> kDays = {"Sun", "Mon", "Tue", "Wed",
                                                       "Thu", "Fri", "Sat"};
  static constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t seconds =
      std::chrono::duration_cast<std::chrono::seconds>(time.since_epoch).count();
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} +0000",
                     kDays[static_cast<std::size_t>(parts.tm_wday)], parts.tm_mday,
                     kMonths[static_cast<std::size_t>(parts.tm_mon)], parts.tm_year + 1900,
                     parts.tm_hour, parts.tm_min, parts.tm_sec);
}

struct Rest {
  std::string_view text;
};

std::size_t GiveMore(char* into, std::size_t size, std::size_t count, void* rest_pointer) {
  auto& rest = *static_cast<Rest*>(rest_pointer);
  const std::size_t now = std::min(size * count, rest.text.size());
  std::copy_n(rest.text.data(), now, into);
  rest.text.remove_prefix(now);
  return now;
}

}  // namespace

Status CheckMailAddress(const std::string& address) {
  const auto at = address.find('@');
  const std::string local = address.substr(0, at);
  const std::string domain = at == std::string::npos ? "" : address.substr(at + 1);
  const auto is_atom = [](unsigned char c) {
    return IsLetterOrDigit(c) ||
           std::string_view("!#$%&'*+-/=?^_`{|}~.").find(static_cast<char>(c)) !=
               std::string_view::npos;
  };
  const auto is_host = [](unsigned char c) { return IsLetterOrDigit(c) || c == '-' || c == '.'; };
  const auto is_dotted = [](const std::string& text) {
    return !text.empty() && text.front() != '.' && text.back() != '.' &&
           text.find("..") == std::string::npos;
  };
  const bool good = address.size() <= kLongestAddress && local.size() <= kLongestLocalPart &&
                    is_dotted(local) && is_dotted(domain) &&
                    std::all_of(local.begin(), local.end(), is_atom) &&
                    std::all_of(domain.begin(), domain.end(), is_host);
  if (good) return {};
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("'{}' is not an e-mail address", Printable(address)));
}

Status CheckMailServer(const MailServer& server) {
  const ServerPlace place = TRY(PlaceOf(server));
  if (place.scheme != "smtp" && place.scheme != "smtps") {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("'{}' must begin with smtp:// or smtps://", Printable(server.url)));
  }
  if (!place.is_bare) {
    return Error(ErrorCode::kInvalidArgument,
                 "a mail server's URL has a host and a port only; a login has options of its own");
  }
  if (server.user.empty() != server.password.empty()) {
    return Error(ErrorCode::kInvalidArgument, "a mail server's user and password go together");
  }
  return CheckMailAddress(server.from);
}

std::string FormatMail(const std::string& from, const Mail& mail) {
  const std::string domain = from.substr(from.find('@') + 1);
  return fmt::format(
      "Date: {}\r\nFrom: Freehold <{}>\r\nTo: <{}>\r\nMessage-ID: <{}@{}>\r\nSubject: {}\r\n"
      "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
      "Content-Type: text/plain; charset=utf-8\r\n"
      "Content-Transfer-Encoding: quoted-printable\r\n\r\n{}",
      MailDate(mail.date), from, mail.to, mail.id, domain, mail.subject,
      QuotedPrintable(mail.text));
}

Status SendMail(const MailServer& server, const Mail& mail) {
  TRY(CheckMailAddress(mail.to));
  const std::string in_headers = mail.subject + mail.id;
  const bool is_plain = std::all_of(in_headers.begin(), in_headers.end(),
                                    [](unsigned char c) { return c >= ' ' && c < 127; });
  if (!is_plain) return Error(ErrorCode::kInvalidArgument, "the subject is not plain text");
  const ServerPlace place = TRY(PlaceOf(server));
  const CurlPtr<CURL> curl = NewCurlHandle();
  if (curl == nullptr) return Error(ErrorCode::kInternal, "libcurl does not start");
  CURL* handle = curl.get();
  const std::string sender = "<" + server.from + ">";
  const CurlPtr<curl_slist> receivers(curl_slist_append(nullptr, ("<" + mail.to + ">").c_str()));
  const std::string message = FormatMail(server.from, mail);
  Rest rest{message};
  std::array<char, CURL_ERROR_SIZE> words{};
  curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, words.data());
  curl_easy_setopt(handle, CURLOPT_URL, server.url.c_str());
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
  curl_easy_setopt(handle, CURLOPT_NOPROXY, "*");
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  curl_easy_setopt(handle, CURLOPT_USE_SSL,
                   static_cast<long>(IsLoopback(place.host) ? CURLUSESSL_TRY : CURLUSESSL_ALL));
  if (!server.ca_bundle.empty()) {
    curl_easy_setopt(handle, CURLOPT_CAINFO, server.ca_bundle.c_str());
  }
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, CurlMilliseconds(server.connect_timeout));
  curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, CurlMilliseconds(server.total_timeout));
  if (!server.user.empty()) {
    std::string password(AsText(server.password.ExposeSecret()));
    curl_easy_setopt(handle, CURLOPT_USERNAME, server.user.c_str());
    curl_easy_setopt(handle, CURLOPT_PASSWORD, password.c_str());
    explicit_bzero(password.data(), password.size());
  }
  curl_easy_setopt(handle, CURLOPT_MAIL_FROM, sender.c_str());
  curl_easy_setopt(handle, CURLOPT_MAIL_RCPT, receivers.get());
  curl_easy_setopt(handle, CURLOPT_UPLOAD, 1L);
  curl_easy_setopt(handle, CURLOPT_READFUNCTION, GiveMore);
  curl_easy_setopt(handle, CURLOPT_READDATA, &rest);
  const CURLcode code = curl_easy_perform(handle);
  if (code == CURLE_OK) return {};
  return Error(ErrorCode::kNotReady,
               fmt::format("the mail server did not take it: {}",
                           Printable(words[0] != '\0' ? words.data() : curl_easy_strerror(code))));
}

}  // namespace freehold
