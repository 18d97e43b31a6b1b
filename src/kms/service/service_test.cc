#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kms/service/json_service.h"
#include "kms/service/jwt.h"
#include "net/scripted_server.h"

namespace freehold {
namespace {

Surroundings Patient() {
  Surroundings surroundings;
  surroundings.pause = [](Duration) {};
  return surroundings;
}

TEST(JsonService, SendsAndReads) {
  ScriptedServer server;
  server.Add({404, {{"x", "y"}}, R"({"a":{"b":"c"}})"});
  auto answer = SendJson(
      "ask", {"POST", server.Url() + "/p?q", {{"content-type", "text/x"}}, "body", ""}, Patient());
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->status, 404);
  EXPECT_FALSE(answer->ok());
  EXPECT_EQ(TextOf(ObjectOf(answer->body, "a"), "b"), "c");
  const auto asked = server.Requests().at(0);
  EXPECT_EQ(asked.method + asked.target + asked.body, "POST/p?qbody");
}

TEST(JsonService, TakesWhatIsNoJsonForNothing) {
  ScriptedServer server;
  for (const char* body : {"", "[]", "{", "\xff"}) {
    server.Add({200, {}, body});
    auto answer = SendJson("ask", {"GET", server.Url(), {}, "", ""}, Patient());
    ASSERT_TRUE(answer.has_value());
    EXPECT_TRUE(answer->body.empty());
  }
}

TEST(JsonService, SaysHowAConnectionFailed) {
  ScriptedServer server;
  server.Add({ScriptedServer::kHangUp, {}, ""});
  const auto meaning = [](const std::string& url) {
    auto answer = SendJson("ask", {"GET", url, {}, "", ""}, Patient());
    return answer.has_value() ? KmsMeaning::kWrongKey : answer.error().meaning;
  };
  EXPECT_EQ(meaning(server.Url()), KmsMeaning::kNotConnected);
  EXPECT_EQ(meaning("http://127.0.0.1:1"), KmsMeaning::kNotConnected);
  EXPECT_EQ(meaning("http://elsewhere.example"), KmsMeaning::kOurConfiguration);
  EXPECT_EQ(meaning("https://name.invalid"), KmsMeaning::kNameNotResolved);
  EXPECT_EQ(meaning("ftp://127.0.0.1"), KmsMeaning::kOurConfiguration);
}

TEST(JsonService, TakesSecretsOutOfAnswers) {
  boost::json::object object{{"p", "c2VjcmV0"}, {"u", "-_8"}, {"n", 1}, {"bad", "%"}, {"no", ""}};
  EXPECT_EQ(AsText(TakeSecret(object, "p")->ExposeSecret()), "secret");
  EXPECT_THAT(TextOf(object, "p"), testing::Not(testing::HasSubstr("c2V")));
  EXPECT_EQ(ToBytes(TakeSecret(object, "u", true)->ExposeSecret()), (Bytes{0xfb, 0xff}));
  for (const char* name : {"n", "bad", "no", "missing"}) {
    EXPECT_FALSE(TakeSecret(object, name).has_value()) << name;
  }
}

TEST(JsonService, KeepsAFirstLineAndNoMore) {
  EXPECT_EQ(FirstLine("a\x1b[1m\tb\nsecret"), "a?[1m?b");
  EXPECT_EQ(FirstLine(std::string(900, 'x')).size(), 500u);
  EXPECT_EQ(EncodeForm({{"a", "b c"}, {"d", "\xff/"}}), "a=b%20c&d=%FF%2F");
}

TEST(Jwt, IsVerifiedByItsKeyOnly) {
  const RsaKey key = *RsaKey::Generate(2048);
  const auto token = SignJwt(key, {{"kid", "1"}}, {{"iss", "me"}});
  ASSERT_TRUE(token.ok());
  EXPECT_TRUE(VerifyJwt(*token, key).ok());
  EXPECT_FALSE(VerifyJwt(*token, *RsaKey::Generate(2048)).ok());
  const auto jwt = ReadJwtUnverified(*token);
  ASSERT_TRUE(jwt.ok());
  EXPECT_EQ(TextOf(jwt->header, "kid") + TextOf(jwt->claims, "iss"), "1me");
  std::string changed = *token;
  changed[token->find('.') + 2] ^= 1;
  EXPECT_FALSE(VerifyJwt(changed, key).ok());
}

TEST(Jwt, RefusesOtherAlgorithmsAndGarbage) {
  const RsaKey key = *RsaKey::Generate(2048);
  const auto part = [](std::string_view text) { return Base64UrlEncode(AsBytes(text)); };
  for (const std::string& token :
       {std::string(""), std::string("a.b"), std::string("a.b.c"), std::string(70'000, '.'),
        part(R"({"alg":"none"})") + "." + part("{}") + ".",
        part(R"({"alg":"HS256"})") + "." + part("{}") + ".AAAA"}) {
    EXPECT_FALSE(VerifyJwt(token, key).ok());
  }
}

TEST(Retries, DenialsAreAskedOnceAndOutagesAgain) {
  for (const auto& [meaning, tries] :
       {std::pair(KmsMeaning::kKeyDisabled, 1), std::pair(KmsMeaning::kOutage, 2)}) {
    int asked = 0;
    const auto result = WithRetries<int>(Patient(), [&, m = meaning]() -> KmsResult<int> {
      ++asked;
      return tl::unexpected(OwnFailure(m, "ask", ""));
    });
    EXPECT_FALSE(result.has_value());
    EXPECT_EQ(asked, tries);
  }
}

}  // namespace
}  // namespace freehold
