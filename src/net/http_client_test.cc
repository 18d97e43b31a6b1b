#include "net/http_client.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "net/scripted_server.h"

namespace freehold {
namespace {

HttpOptions Quick() {
  HttpOptions options;
  options.total_timeout = std::chrono::seconds(10);
  return options;
}

HttpFailureKind KindOfSending(const std::string& origin, HttpOptions options = Quick()) {
  auto answer = SendHttp(origin, HttpRequest{}, options);
  if (answer.has_value()) ADD_FAILURE() << "answered " << answer->status;
  return answer.has_value() ? HttpFailureKind::kOther : answer.error().kind;
}

TEST(HttpClient, SendsMethodTargetHeadersAndBodyAsGiven) {
  ScriptedServer server({{201, {{"X-Answer", " yes "}}, "made"}});
  auto answer =
      SendHttp(server.Url(), {"POST", "/a/../b?c=d%20e", {{"x-empty", ""}, {"x-one", "1"}}, "body"},
               Quick());
  ASSERT_TRUE(answer.has_value()) << answer.error().message;
  EXPECT_EQ(answer->status, 201);
  EXPECT_EQ(answer->body, "made");
  EXPECT_EQ(FindHeader(answer->headers, "x-answer"), "yes");
  const HttpRequest got = server.Requests().at(0);
  EXPECT_EQ(got.method, "POST");
  EXPECT_EQ(got.target, "/a/../b?c=d%20e");
  EXPECT_EQ(got.body, "body");
  EXPECT_EQ(FindHeader(got.headers, "x-one"), "1");
  EXPECT_EQ(FindHeader(got.headers, "x-empty"), "");
  EXPECT_EQ(FindHeader(got.headers, "content-type"), std::nullopt);
}

TEST(HttpClient, GoesWhereItsPolicyAllowsAndNowhereElse) {
  ScriptedServer server({{200, {}, "here"}});
  HttpOptions options = Quick();
  options.addresses = std::make_shared<const AddressPolicy>();
  EXPECT_EQ(KindOfSending(server.Url(), options), HttpFailureKind::kRefused);
  EXPECT_TRUE(server.Requests().empty());
  options.addresses =
      std::make_shared<const AddressPolicy>(*AddressPolicy::Allowing({"127.0.0.1"}));
  const auto answer = SendHttp(server.Url(), HttpRequest{}, options);
  ASSERT_TRUE(answer.has_value()) << answer.error().message;
  EXPECT_EQ(answer->body, "here");
}

TEST(HttpClient, SendsAPutWithoutABodyAsLengthZero) {
  ScriptedServer server({{200, {}, ""}});
  ASSERT_TRUE(SendHttp(server.Url(), {"PUT", "/t", {}, ""}, Quick()).has_value());
  EXPECT_EQ(server.Requests().at(0).method, "PUT");
  EXPECT_EQ(FindHeader(server.Requests().at(0).headers, "content-length"), "0");
}

TEST(HttpClient, DoesNotFollowRedirects) {
  ScriptedServer server({{302, {{"location", "https://elsewhere.example/"}}, ""}});
  auto answer = SendHttp(server.Url(), {}, Quick());
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->status, 302);
  EXPECT_EQ(server.Requests().size(), 1u);
}

TEST(HttpClient, TellsNobodyListeningFromAResetAndATimeOut) {
  std::string dead;
  {
    ScriptedServer gone;
    dead = gone.Url();
  }
  EXPECT_EQ(KindOfSending(dead), HttpFailureKind::kConnect);
  ScriptedServer server({{ScriptedServer::kHangUp, {}, ""}, {ScriptedServer::kSayNothing, {}, ""}});
  EXPECT_EQ(KindOfSending(server.Url()), HttpFailureKind::kReset);
  HttpOptions impatient;
  impatient.total_timeout = std::chrono::milliseconds(50);
  EXPECT_EQ(KindOfSending(server.Url(), impatient), HttpFailureKind::kTimeout);
}

TEST(HttpClient, TellsTlsAndNamesApart) {
  ScriptedServer server;
  std::string https = server.Url();
  https.replace(0, 4, "https");
  EXPECT_EQ(KindOfSending("https://no-such-host.invalid"), HttpFailureKind::kResolve);
  HttpOptions no_bundle = Quick();
  no_bundle.ca_bundle = "/nonexistent/ca.pem";
  EXPECT_EQ(KindOfSending(https, no_bundle), HttpFailureKind::kTls);
}

TEST(HttpClient, StopsReadingAtTheLimit) {
  ScriptedServer server({{200, {}, std::string(100, 'x')}});
  HttpOptions options = Quick();
  options.body_limit = 99;
  EXPECT_EQ(KindOfSending(server.Url(), options), HttpFailureKind::kTooLarge);
}

TEST(HttpClient, RefusesPlainHttpToOtherMachines) {
  for (const char* url :
       {"http://kms.eu-west-1.amazonaws.com", "http://10.0.0.1", "http://169.254.1.1",
        "http://localhost.example.com", "http://[fd00::1]", "http://127.0.0.1.example.com",
        "ftp://127.0.0.1", "file:///etc/passwd", "https://user:word@127.0.0.1", "127.0.0.1", ""}) {
    EXPECT_FALSE(HttpUrl::Parse(url).ok()) << url;
    EXPECT_EQ(KindOfSending(url), HttpFailureKind::kRefused) << url;
  }
  for (const char* url : {"http://127.0.0.1:80/x", "http://127.9.9.9", "http://localhost:1",
                          "http://[::1]:8080", "http://169.254.169.254", "http://169.254.170.2",
                          "http://[fd00:ec2::254]", "https://kms.eu-west-1.amazonaws.com"}) {
    EXPECT_TRUE(HttpUrl::Parse(url).ok()) << url;
  }
}

TEST(HttpClient, TakesAUrlApart) {
  auto url = HttpUrl::Parse("http://127.0.0.1:8080/a/b?c=d");
  ASSERT_TRUE(url.ok());
  EXPECT_EQ(url->origin, "http://127.0.0.1:8080");
  EXPECT_EQ(url->authority, "127.0.0.1:8080");
  EXPECT_EQ(url->target, "/a/b?c=d");
}

TEST(HttpClient, RefusesHeadersThatWouldStartANewLine) {
  ScriptedServer server;
  auto answer = SendHttp(server.Url(), {"GET", "/", {{"x", "a\r\ny: b"}}, ""}, Quick());
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().kind, HttpFailureKind::kRefused);
  EXPECT_TRUE(server.Requests().empty());
}

}  // namespace
}  // namespace freehold
