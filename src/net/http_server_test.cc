#include "net/http_server.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include "base/posix_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "net/event_stream.h"

namespace freehold {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class HttpServerTest : public testing::Test {
 protected:
  void Start(HttpServerOptions options = {}) {
    auto server = StartHttpServer(options, [](const HttpRequest& request) -> HttpResponse {
      if (request.target == "/close") return {kCloseWithoutAnswer, {}, ""};
      if (request.target == "/throw") throw std::runtime_error("surprise");
      if (request.target == "/stream") {
        HttpResponse response{200, {}, ""};
        response.stream = std::make_shared<EventStream>();
        return response;
      }
      return {200, {{"x-test", "yes"}}, request.method + " " + request.body};
    });
    ASSERT_TRUE(server.ok()) << server.error().message();
    server_ = *std::move(server);
  }

  UniqueFd Connect() {
    UniqueFd fd(socket(AF_INET, SOCK_STREAM, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(server_->port());
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return fd;
  }
  // The head of the answer to a request on a connection that stays open.
  static std::string Ask(const UniqueFd& fd, std::string_view target) {
    const std::string request = "GET " + std::string(target) + " HTTP/1.1\r\nHost: h\r\n\r\n";
    EXPECT_TRUE(WriteAll(fd.get(), AsBytes(request)).ok());
    std::string head;
    char next = 0;
    while (!head.ends_with("\r\n\r\n") && recv(fd.get(), &next, 1, 0) == 1) head += next;
    return head;
  }
  // Sends raw bytes, closes the sending side and returns all that comes back.
  std::string Talk(std::string_view text) {
    const UniqueFd fd = Connect();
    EXPECT_TRUE(WriteAll(fd.get(), AsBytes(text)).ok());
    shutdown(fd.get(), SHUT_WR);
    const auto answer = ReadUntilEnd(fd.get(), 1 << 20);
    return answer.ok() ? std::string(AsText(*answer)) : "";
  }

  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerTest, AnswersSeveralRequestsOnOneConnection) {
  Start();
  const std::string request = "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi";
  const std::string answer = Talk(request + request);
  const auto first = answer.find("POST hi");
  ASSERT_NE(first, std::string::npos);
  EXPECT_NE(answer.find("POST hi", first + 1), std::string::npos);
  EXPECT_THAT(answer, HasSubstr("x-test: yes"));
}

TEST_F(HttpServerTest, ClosesWithoutAnAnswerWhenTheHandlerSaysSo) {
  Start();
  EXPECT_EQ(Talk("GET /close HTTP/1.1\r\nHost: h\r\n\r\n"), "");
}

TEST_F(HttpServerTest, SurvivesAHandlerThatThrows) {
  Start();
  EXPECT_THAT(Talk("GET /throw HTTP/1.1\r\nHost: h\r\n\r\n"), StartsWith("HTTP/1.1 500"));
  EXPECT_THAT(Talk("GET / HTTP/1.1\r\nHost: h\r\n\r\n"), StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpServerTest, StreamsLeaveRoomForRequestsAndKeptConnectionsForWhoComes) {
  HttpServerOptions options;
  options.connection_limit = 8;
  Start(options);
  std::vector<UniqueFd> streams;
  for (int i = 0; i < 6; ++i) {
    streams.push_back(Connect());
    EXPECT_THAT(Ask(streams.back(), "/stream"), StartsWith("HTTP/1.1 200"));
  }
  const UniqueFd seventh = Connect();
  const std::string refused = Ask(seventh, "/stream");
  EXPECT_THAT(refused, StartsWith("HTTP/1.1 503"));
  EXPECT_THAT(refused, Not(HasSubstr("Connection: close")));
  const UniqueFd eighth = Connect();
  const std::string last = Ask(eighth, "/");
  EXPECT_THAT(last, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(last, HasSubstr("Connection: close"));
}

TEST_F(HttpServerTest, RefusesWhatIsTooLargeOrNotHttp) {
  HttpServerOptions options;
  options.body_limit = 10;
  Start(options);
  EXPECT_THAT(Talk("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\n01234567890"),
              StartsWith("HTTP/1.1 413"));
  EXPECT_THAT(Talk("\x16\x03\x01 nonsense\r\n\r\n"), StartsWith("HTTP/1.1 400"));
  EXPECT_EQ(Talk(""), "");
  EXPECT_EQ(Talk("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nab"), "");
}

TEST_F(HttpServerTest, TellsWhoWaitsToSendItsBodyToGoOn) {
  HttpServerOptions options;
  options.body_limit = 10;
  Start(options);
  const std::string head =
      "POST /x HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: ";
  const UniqueFd fd = Connect();
  ASSERT_TRUE(WriteAll(fd.get(), AsBytes(head + "2\r\n\r\n")).ok());
  const std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
  Bytes said(go_on.size());
  ASSERT_TRUE(ReadExactly(fd.get(), said).ok());
  EXPECT_EQ(AsText(said), go_on);
  ASSERT_TRUE(WriteAll(fd.get(), AsBytes("hi")).ok());
  shutdown(fd.get(), SHUT_WR);
  EXPECT_THAT(AsText(*ReadUntilEnd(fd.get(), 1 << 20)), HasSubstr("POST hi"));
  // What is too large is refused before it is sent.
  EXPECT_THAT(Talk(head + "11\r\n\r\n"), StartsWith("HTTP/1.1 413"));
}

TEST(StartHttpServer, RefusesToListenBeyondLoopbackUnlessTold) {
  HttpServerOptions options;
  options.address = "0.0.0.0";
  const auto handler = [](const HttpRequest&) { return HttpResponse(); };
  EXPECT_THAT(StartHttpServer(options, handler).error().message(), HasSubstr("--allow-remote"));
  options.clear_text_advice = "give a certificate";
  EXPECT_THAT(StartHttpServer(options, handler).error().message(),
              AllOf(HasSubstr("or give a certificate"), Not(HasSubstr("--allow-remote"))));
  options.allow_remote = true;
  EXPECT_TRUE(StartHttpServer(options, handler).ok());
  options.address = "localhost";
  EXPECT_THAT(StartHttpServer(options, handler).error().message(), HasSubstr("numeric"));
}

}  // namespace
}  // namespace freehold
