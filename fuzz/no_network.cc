// In place of net/http_client.cc, net/http_server.cc and net/tls_connection.cc, which are not
// linked.
#include "fuzz/no_network.h"

#include <algorithm>

#include "net/http_client.h"
#include "net/http_server.h"
#include "net/tls_connection.h"

namespace freehold {
namespace {

HttpResponse the_answer;
ByteView the_bytes;

}  // namespace

void AnswerEveryRequestWith(HttpResponse response) { the_answer = std::move(response); }

void AnswerEveryConnectionWith(ByteView bytes) { the_bytes = bytes; }

struct TlsConnection::State {
  ByteView rest;
};

TlsConnection::TlsConnection(std::unique_ptr<State> state) : state_(std::move(state)) {}
TlsConnection::TlsConnection(TlsConnection&&) noexcept = default;
TlsConnection& TlsConnection::operator=(TlsConnection&&) noexcept = default;
TlsConnection::~TlsConnection() = default;

tl::expected<TlsConnection, HttpFailure> TlsConnection::Open(const std::string&,
                                                             const TlsOptions&) {
  return TlsConnection(std::make_unique<State>(State{the_bytes}));
}

tl::expected<void, HttpFailure> TlsConnection::Send(ByteView) { return {}; }

tl::expected<void, HttpFailure> TlsConnection::Receive(MutableByteView bytes) {
  if (state_->rest.size() < bytes.size()) {
    return tl::unexpected(HttpFailure{HttpFailureKind::kReset, "alert certificate revoked"});
  }
  std::copy_n(state_->rest.begin(), bytes.size(), bytes.begin());
  state_->rest = state_->rest.subspan(bytes.size());
  return {};
}

HttpResult SendHttp(const std::string&, const HttpRequest&, const HttpOptions&) {
  return the_answer;
}

Result<HttpUrl> HttpUrl::Parse(const std::string& text) {
  if (!text.starts_with("http")) return Error(ErrorCode::kInvalidArgument, "not a URL");
  return HttpUrl{text, "nowhere", "/"};
}

Result<std::unique_ptr<HttpServer>> StartHttpServer(const HttpServerOptions&, HttpHandler) {
  return Error(ErrorCode::kIo, "no servers here");
}

}  // namespace freehold
