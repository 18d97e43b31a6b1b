#include "net/tls_connection.h"

#include <poll.h>

#include <algorithm>
#include <array>

#include "fmt/format.h"
#include "net/curl_handle.h"

namespace freehold {
namespace {

// Any address but those that AddressPolicy never allows.
const AddressPolicy& AnyOrdinaryAddress() {
  static const AddressPolicy policy = *AddressPolicy::Allowing({"0.0.0.0/0", "::/0"});
  return policy;
}

// libcurl has one code for a handshake that disagreed and one that was broken off.
bool BrokenOff(CURLcode code, std::string_view words) {
  constexpr std::string_view kWords[] = {"Connection reset by peer", "unexpected eof",
                                         "SSL_ERROR_SYSCALL", "getpeername() failed"};
  return code == CURLE_SSL_CONNECT_ERROR &&
         std::any_of(std::begin(kWords), std::end(kWords), [words](std::string_view each) {
           return words.find(each) != std::string_view::npos;
         });
}

}  // namespace

struct TlsConnection::State {
  std::string authority;
  CurlDoor door{&AnyOrdinaryAddress(), false};
  std::array<char, CURL_ERROR_SIZE> words{};
  CurlPtr<CURL> handle;  // goes first: it points to the rest
  curl_socket_t socket = CURL_SOCKET_BAD;
  BootTime deadline;

  Duration Left() const { return deadline - SystemClock().Boot(); }

  HttpFailure Failure(CURLcode code) const {
    const char* said = words[0] != '\0' ? words.data() : curl_easy_strerror(code);
    const bool broken_off = BrokenOff(code, said);
    return {broken_off ? HttpFailureKind::kReset : FailureKindOf(code),
            fmt::format("{}: {}", authority, said)};
  }

  // Until the socket is ready; false when the deadline has passed.
  bool Wait(short events) const {
    while (Left() > Duration::zero()) {
      pollfd entry{socket, events, 0};
      const long left = std::min(CurlMilliseconds(Left()) + 1, 60'000L);
      const int ready = poll(&entry, 1, static_cast<int>(left));
      if (ready > 0) return true;
      if (ready < 0 && errno != EINTR) return false;
    }
    return false;
  }

  // What the server says, without waiting, when it takes nothing any more.
  CURLcode ReasonToEnd() const {
    std::uint8_t byte = 0;
    std::size_t read = 0;
    return curl_easy_recv(handle.get(), &byte, 1, &read);
  }
};

TlsConnection::TlsConnection(std::unique_ptr<State> state) : state_(std::move(state)) {}
TlsConnection::TlsConnection(TlsConnection&&) noexcept = default;
TlsConnection& TlsConnection::operator=(TlsConnection&&) noexcept = default;
TlsConnection::~TlsConnection() = default;

tl::expected<TlsConnection, HttpFailure> TlsConnection::Open(const std::string& authority,
                                                             const TlsOptions& options) {
  auto state = std::make_unique<State>();
  state->authority = authority;
  state->handle = NewCurlHandle();
  state->deadline = SystemClock().Boot() + options.total_timeout;
  CURL* handle = state->handle.get();
  if (handle == nullptr) {
    return tl::unexpected(HttpFailure{HttpFailureKind::kOther, "libcurl does not start"});
  }
  // The scheme names no protocol here: after the handshake libcurl says nothing by itself.
  const std::string url = "https://" + authority + "/";
  const auto parsed = HttpUrl::Parse(url);
  if (!parsed.ok() || parsed->authority != authority) {
    return tl::unexpected(
        HttpFailure{HttpFailureKind::kRefused, fmt::format("'{}' is no host:port", authority)});
  }
  curl_easy_setopt(handle, CURLOPT_URL, url.c_str());
  curl_easy_setopt(handle, CURLOPT_CONNECT_ONLY, 1L);
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "https");
  curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, state->words.data());
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_NOPROXY, "*");
  curl_easy_setopt(handle, CURLOPT_SSL_ENABLE_ALPN, 0L);
  curl_easy_setopt(handle, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, CurlMilliseconds(options.connect_timeout));
  curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, CurlMilliseconds(options.total_timeout));
  if (!options.ca_bundle.empty()) {
    curl_easy_setopt(handle, CURLOPT_CAINFO, options.ca_bundle.c_str());
    curl_easy_setopt(handle, CURLOPT_CAPATH, nullptr);
  }
  if (options.identity != nullptr) ShowIdentity(handle, *options.identity);
  state->door.Guard(handle);

  const CURLcode code = curl_easy_perform(handle);
  if (code != CURLE_OK && state->door.refused) {
    return tl::unexpected(HttpFailure{HttpFailureKind::kRefused,
                                      authority + ": its address is one that nothing is sent to"});
  }
  if (code != CURLE_OK) return tl::unexpected(state->Failure(code));
  curl_easy_getinfo(handle, CURLINFO_ACTIVESOCKET, &state->socket);
  return TlsConnection(std::move(state));
}

tl::expected<void, HttpFailure> TlsConnection::Send(ByteView bytes) {
  while (!bytes.empty()) {
    std::size_t sent = 0;
    const CURLcode code = curl_easy_send(state_->handle.get(), bytes.data(), bytes.size(), &sent);
    if (code == CURLE_OK) {
      bytes = bytes.subspan(sent);
    } else if (code != CURLE_AGAIN) {
      state_->words[0] = '\0';
      const CURLcode reason = state_->ReasonToEnd();
      const bool says_why = reason != CURLE_OK && reason != CURLE_AGAIN;
      return tl::unexpected(state_->Failure(says_why ? reason : code));
    } else if (!state_->Wait(POLLOUT)) {
      return tl::unexpected(state_->Failure(CURLE_OPERATION_TIMEDOUT));
    }
  }
  return {};
}

tl::expected<void, HttpFailure> TlsConnection::Receive(MutableByteView bytes) {
  while (!bytes.empty()) {
    std::size_t received = 0;
    const CURLcode code =
        curl_easy_recv(state_->handle.get(), bytes.data(), bytes.size(), &received);
    if (code == CURLE_OK && received == 0) {
      return tl::unexpected(state_->Failure(CURLE_GOT_NOTHING));
    }
    if (code == CURLE_OK) {
      bytes = bytes.subspan(received);
    } else if (code != CURLE_AGAIN) {
      return tl::unexpected(state_->Failure(code));
    } else if (!state_->Wait(POLLIN)) {
      return tl::unexpected(state_->Failure(CURLE_OPERATION_TIMEDOUT));
    }
  }
  return {};
}

}  // namespace freehold
