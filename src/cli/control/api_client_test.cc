#include "cli/control/api_client.h"

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "net/scripted_server.h"

namespace freehold::cli {
namespace {

HttpResponse Json(int status, const std::string& body, HttpHeaders headers = {}) {
  return {status, std::move(headers), body};
}

ApiClient ClientOf(const ScriptedServer& server) {
  constexpr std::string_view kKey = "fhk_0123456789abcdef_secret";
  return ApiClient({server.Url(), "", SecretBytes::CopyOf(AsBytes(kKey))});
}

struct Refusal {
  int status;
  int rpc_code;
  ErrorCode code;
};

// The pairs that docs/api/README.md lists.
constexpr Refusal kRefusals[] = {
    {400, 3, ErrorCode::kInvalidArgument},  {400, 9, ErrorCode::kPrecondition},
    {401, 16, ErrorCode::kUnauthenticated}, {403, 7, ErrorCode::kForbidden},
    {404, 5, ErrorCode::kNotFound},         {405, 12, ErrorCode::kNotSupported},
    {409, 6, ErrorCode::kAlreadyExists},    {409, 10, ErrorCode::kBusy},
    {413, 13, ErrorCode::kTooLarge},        {429, 8, ErrorCode::kRateLimited},
    {503, 14, ErrorCode::kNotReady},        {504, 4, ErrorCode::kTimeout},
};

TEST(ApiClientTest, ARefusalKeepsItsSentenceAndGetsItsCode) {
  for (const Refusal& refusal : kRefusals) {
    const Error error =
        ErrorOf(Json(refusal.status, fmt::format(R"({{"code":{},"message":"why","details":[]}})",
                                                 refusal.rpc_code)));
    EXPECT_EQ(error.code(), refusal.code) << refusal.status;
    EXPECT_EQ(error.message(), "why");
  }
}

TEST(ApiClientTest, AnAnswerThatIsNoneIsSaidSo) {
  EXPECT_EQ(ErrorOf(Json(502, "<html>")).message(), "the server answered with HTTP 502");
  EXPECT_EQ(ErrorOf(Json(502, "<html>")).code(), ErrorCode::kNotReady);
  EXPECT_EQ(ErrorOf(Json(500, "[]")).code(), ErrorCode::kIo);
  ScriptedServer server({Json(200, "hello"), Json(302, "", {{"location", "http://127.0.0.1:1"}})});
  ApiClient client = ClientOf(server);
  EXPECT_EQ(client.Get("/x").error().code(), ErrorCode::kIo);
  EXPECT_EQ(client.Get("/x").error().message(), "the server answered with HTTP 302");
}

TEST(ApiClientTest, SendsTheKeyAndGivesTheTextAsItCame) {
  ScriptedServer server({Json(200, "{\"a\": 1}\n")});
  const auto answer = ClientOf(server).Send("POST", "/things", {{"b", 2}});
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->text, "{\"a\": 1}");
  const HttpRequest request = server.Requests().front();
  EXPECT_EQ(request.method + " " + request.target, "POST /things");
  EXPECT_EQ(request.body, R"({"b":2})");
  EXPECT_EQ(FindHeader(request.headers, "authorization"), "Bearer fhk_0123456789abcdef_secret");
  EXPECT_EQ(FindHeader(request.headers, "content-type"), "application/json");
}

TEST(ApiClientTest, WaitsOnceWhenToldToAndNotForLong) {
  const auto limited = [](const char* after) {
    return Json(429, R"({"code":8,"message":"slow"})", {{"retry-after", after}});
  };
  ScriptedServer once({limited("0"), Json(200, "{}")});
  EXPECT_TRUE(ClientOf(once).Get("/x").ok());
  ScriptedServer twice({limited("0"), limited("0"), Json(200, "{}")});
  EXPECT_EQ(ClientOf(twice).Get("/x").error().code(), ErrorCode::kRateLimited);
  EXPECT_EQ(twice.Requests().size(), 2u);
  for (const char* after : {"3600", "-1", "soon", "99999999999999999999"}) {
    ScriptedServer never({limited(after), Json(200, "{}")});
    EXPECT_FALSE(ClientOf(never).Get("/x").ok());
    EXPECT_EQ(never.Requests().size(), 1u);
  }
}

TEST(ApiClientTest, AListIsAllOfItsPages) {
  ScriptedServer server({Json(200, R"({"things":[{"id":"1"}],"pagination":{"next_page":"a/b"}})"),
                         Json(200, R"({"things":[{"id":"2"}],"pagination":{"next_page":""}})")});
  const auto list = ClientOf(server).List("/things", "things", "of=me");
  ASSERT_TRUE(list.ok());
  EXPECT_EQ(list->items.size(), 2u);
  EXPECT_EQ(list->pages.size(), 2u);
  EXPECT_EQ(server.Requests()[0].target, "/things?of=me&pagination.limit=500");
  EXPECT_EQ(server.Requests()[1].target,
            "/things?of=me&pagination.limit=500&pagination.page=a%2Fb");
}

TEST(ApiClientTest, AListThatDoesNotEndIsLeft) {
  const auto same = Json(200, R"({"things":[],"pagination":{"next_page":"x"}})");
  ScriptedServer server({same, same, same});
  EXPECT_EQ(ClientOf(server).List("/things", "things").error().message(),
            "the server's list does not end");
}

}  // namespace
}  // namespace freehold::cli
