#include "net/http_client.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <memory>

#include "fmt/format.h"
#include "net/curl_handle.h"

namespace freehold {
namespace {

// Where clouds and container engines hand out credentials to what runs on this machine.
constexpr std::array<std::string_view, 5> kLinkLocal = {
    "169.254.169.254", "169.254.170.2", "169.254.170.23", "[fd00:ec2::254]", "[fd00:ec2::23]"};

// libcurl answers "localhost" itself, with loopback addresses, without asking DNS.
bool StaysOnThisMachine(const std::string& host) {
  if (host == "localhost" || host == "[::1]") return true;
  if (std::find(kLinkLocal.begin(), kLinkLocal.end(), host) != kLinkLocal.end()) return true;
  in_addr address{};
  return inet_pton(AF_INET, host.c_str(), &address) == 1 && ntohl(address.s_addr) >> 24 == 127;
}

std::string Part(CURLU* url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, 0) != CURLUE_OK) return "";
  const CurlPtr<char> owner(text);
  return text;
}

Error BadUrl(const std::string& text, std::string_view why) {
  return Error(ErrorCode::kInvalidArgument, fmt::format("URL '{}' {}", text, why));
}

struct Receiver {
  HttpResponse response;
  std::size_t limit = 0;
  bool too_large = false;
};

std::size_t TakeBody(char* data, std::size_t, std::size_t size, void* receiver_pointer) {
  auto& receiver = *static_cast<Receiver*>(receiver_pointer);
  if (receiver.response.body.size() + size > receiver.limit) {
    receiver.too_large = true;
    return 0;
  }
  receiver.response.body.append(data, size);
  return size;
}

std::size_t TakeHeader(char* data, std::size_t, std::size_t size, void* receiver_pointer) {
  auto& headers = static_cast<Receiver*>(receiver_pointer)->response.headers;
  std::string_view line(data, size);
  // A status line begins a new answer: what came before was "100 Continue" or a proxy's.
  if (line.starts_with("HTTP/")) headers.clear();
  const auto colon = line.find(':');
  if (colon == std::string_view::npos) return size;
  std::string name(line.substr(0, colon));
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  std::string_view value = line.substr(colon + 1);
  constexpr std::string_view kBlank = " \t\r\n";
  const auto first = value.find_first_not_of(kBlank);
  value = first == std::string_view::npos
              ? ""
              : value.substr(first, value.find_last_not_of(kBlank) - first + 1);
  headers.emplace_back(std::move(name), std::string(value));
  return size;
}

// Null when a header would break out of its line.
CurlPtr<curl_slist> HeaderList(const HttpHeaders& headers) {
  CurlPtr<curl_slist> list;
  const auto append = [&list](const std::string& line) {
    curl_slist* grown = curl_slist_append(list.get(), line.c_str());
    if (grown == nullptr) return false;
    [[maybe_unused]] curl_slist* old = list.release();
    list.reset(grown);
    return true;
  };
  // What libcurl would add by itself and nobody asked for.
  for (const std::string_view name : {"expect", "content-type", "accept"}) {
    if (!FindHeader(headers, name) && !append(std::string(name) + ":")) return nullptr;
  }
  for (const auto& [name, value] : headers) {
    if ((name + value).find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) {
      return nullptr;
    }
    if (!append(value.empty() ? name + ";" : name + ": " + value)) return nullptr;
  }
  return list;
}

// One handle a thread: what it keeps between two requests are open connections and TLS sessions,
// and of options nothing.
class KeptHandle {
 public:
  KeptHandle() : handle_(OfThread().get()) {}
  ~KeptHandle() {
    if (handle_ != nullptr) curl_easy_reset(handle_);  // what it points to is about to go
  }
  KeptHandle(const KeptHandle&) = delete;
  KeptHandle& operator=(const KeptHandle&) = delete;
  CURL* get() const { return handle_; }

 private:
  static const CurlPtr<CURL>& OfThread() {
    thread_local const CurlPtr<CURL> handle = NewCurlHandle();
    return handle;
  }
  CURL* const handle_;
};

// A name that was moved, or a certificate that was taken back, counts from then on.
constexpr long kConnectionLifeSeconds = 600;

}  // namespace

Result<HttpUrl> HttpUrl::Parse(const std::string& text) {
  const CurlPtr<CURLU> url(curl_url());
  if (curl_url_set(url.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK) {
    return BadUrl(text, "is not a URL");
  }
  const std::string scheme = Part(url.get(), CURLUPART_SCHEME);
  const std::string host = Part(url.get(), CURLUPART_HOST);
  const std::string port = Part(url.get(), CURLUPART_PORT);
  const std::string query = Part(url.get(), CURLUPART_QUERY);
  if (scheme != "http" && scheme != "https") return BadUrl(text, "is neither http nor https");
  if (!Part(url.get(), CURLUPART_USER).empty() || !Part(url.get(), CURLUPART_PASSWORD).empty()) {
    return BadUrl(scheme + "://...@" + host, "carries a user name or a password");
  }
  if (scheme == "http" && !StaysOnThisMachine(host)) {
    return BadUrl(text,
                  "is plain http to another machine; Freehold sends keys and credentials "
                  "over https only");
  }
  HttpUrl parsed;
  parsed.authority = port.empty() ? host : host + ":" + port;
  parsed.origin = scheme + "://" + parsed.authority;
  parsed.target = Part(url.get(), CURLUPART_PATH);
  if (parsed.target.empty()) parsed.target = "/";
  if (!query.empty()) parsed.target += "?" + query;
  return parsed;
}

namespace {

// Where an answer that goes on is handed over, and when it was last heard.
struct Listener {
  const TakeBytes* take = nullptr;
  CURL* handle = nullptr;
  Duration silence{};
  BootTime heard;
  bool silent = false;
};

std::size_t HandOver(char* data, std::size_t, std::size_t size, void* listener_pointer) {
  auto& listener = *static_cast<Listener*>(listener_pointer);
  long status = 0;
  curl_easy_getinfo(listener.handle, CURLINFO_RESPONSE_CODE, &status);
  listener.heard = SystemClock().Boot();
  if (status != 200) return size;
  return (*listener.take)(std::string_view(data, size)) ? size : 0;
}

int AskWhetherToGoOn(void* listener_pointer, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  auto& listener = *static_cast<Listener*>(listener_pointer);
  listener.silent = SystemClock().Boot() - listener.heard > listener.silence;
  return listener.silent || !(*listener.take)("") ? 1 : 0;
}

void UseIdentity(CURL* handle, const HttpOptions& options) {
  if (!options.authority_pem.empty()) {
    const curl_blob authority = CopiedBlob(AsBytes(options.authority_pem));
    curl_easy_setopt(handle, CURLOPT_CAINFO_BLOB, &authority);
  } else if (!options.ca_bundle.empty()) {
    curl_easy_setopt(handle, CURLOPT_CAINFO, options.ca_bundle.c_str());
  }
  if (options.identity != nullptr) ShowIdentity(handle, *options.identity);
}

void Guard(CURL* handle, CurlDoor& door) {
  if (door.policy == nullptr) return;
  door.Guard(handle);
  curl_easy_setopt(handle, CURLOPT_FRESH_CONNECT, 1L);
  curl_easy_setopt(handle, CURLOPT_FORBID_REUSE, 1L);
  curl_easy_setopt(handle, CURLOPT_NOPROXY, "*");
}

// With a listener the body is its, and the answer's is empty.
HttpResult Perform(const std::string& origin, const HttpRequest& request,
                   const HttpOptions& options, Listener* listener) {
  auto url = HttpUrl::Parse(origin + request.target);
  if (!url.ok()) {
    return tl::unexpected(HttpFailure{HttpFailureKind::kRefused, url.error().message()});
  }
  const CurlPtr<curl_slist> headers = HeaderList(request.headers);
  std::array<char, CURL_ERROR_SIZE> words{};
  const KeptHandle curl;
  if (curl.get() == nullptr) {
    return tl::unexpected(HttpFailure{HttpFailureKind::kOther, "libcurl does not start"});
  }
  if (headers == nullptr) {
    return tl::unexpected(HttpFailure{HttpFailureKind::kRefused, "a header holds a line break"});
  }
  Receiver receiver;
  receiver.limit = options.body_limit;
  const std::string where = origin + request.target;
  const bool has_body = !request.body.empty() || request.method != "GET";

  CURL* handle = curl.get();
  curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, words.data());
  curl_easy_setopt(handle, CURLOPT_URL, where.c_str());
  curl_easy_setopt(handle, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_MAXLIFETIME_CONN, kConnectionLifeSeconds);
  curl_easy_setopt(handle, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, CurlMilliseconds(options.connect_timeout));
  if (listener == nullptr) {
    curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, CurlMilliseconds(options.total_timeout));
  }
  curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, TakeBody);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, &receiver);
  curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, TakeHeader);
  curl_easy_setopt(handle, CURLOPT_HEADERDATA, &receiver);
  if (has_body) {
    curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request.body.size()));
    curl_easy_setopt(handle, CURLOPT_POSTFIELDS, request.body.data());
  }
  curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  UseIdentity(handle, options);
  if (listener != nullptr) {
    listener->handle = handle;
    listener->heard = SystemClock().Boot();
    curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, HandOver);
    curl_easy_setopt(handle, CURLOPT_WRITEDATA, listener);
    curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, AskWhetherToGoOn);
    curl_easy_setopt(handle, CURLOPT_XFERINFODATA, listener);
    curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
  }
  if (url->origin.starts_with("http://")) curl_easy_setopt(handle, CURLOPT_NOPROXY, "*");

  CurlDoor door{options.addresses.get(), false};
  Guard(handle, door);

  const CURLcode code = curl_easy_perform(handle);
  if (code != CURLE_OK && door.refused) {
    return tl::unexpected(HttpFailure{
        HttpFailureKind::kRefused, url->origin + ": its address is one that nothing is sent to"});
  }
  if (listener != nullptr && listener->silent) {
    return tl::unexpected(
        HttpFailure{HttpFailureKind::kTimeout, url->origin + ": nothing comes any more"});
  }
  const bool had_enough =
      listener != nullptr && (code == CURLE_WRITE_ERROR || code == CURLE_ABORTED_BY_CALLBACK);
  if (code != CURLE_OK && !had_enough) {
    const HttpFailureKind kind =
        receiver.too_large ? HttpFailureKind::kTooLarge : FailureKindOf(code);
    const std::string said = receiver.too_large ? "the answer is too large"
                             : words[0] != '\0' ? words.data()
                                                : curl_easy_strerror(code);
    return tl::unexpected(HttpFailure{kind, url->origin + ": " + said});
  }
  long status = 0;
  curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
  receiver.response.status = static_cast<int>(status);
  return std::move(receiver.response);
}

}  // namespace

HttpResult SendHttp(const std::string& origin, const HttpRequest& request,
                    const HttpOptions& options) {
  return Perform(origin, request, options, nullptr);
}

HttpResult StreamHttp(const std::string& origin, const HttpRequest& request,
                      const HttpOptions& options, Duration silence, const TakeBytes& take) {
  Listener listener{&take, nullptr, silence, {}, false};
  return Perform(origin, request, options, &listener);
}

}  // namespace freehold
