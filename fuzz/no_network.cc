// In place of net/http_client.cc and net/http_server.cc, which are not linked.
#include "fuzz/no_network.h"

#include "net/http_client.h"
#include "net/http_server.h"

namespace freehold {
namespace {

HttpResponse the_answer;

}  // namespace

void AnswerEveryRequestWith(HttpResponse response) { the_answer = std::move(response); }

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
