#include "kms/helper_protocol.h"

#include <sys/socket.h>
#include <unistd.h>

#include "base/posix_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace freehold {
namespace {

HelperRequest SomeRequest() {
  return {HelperOperation::kWrap,
          {*KeyUri::Parse("arn:aws:kms:eu-west-1:111122223333:key/k"), "role", "id"},
          {{"a", "1"}, {"b", ""}},
          {{1, 2, 3}, "v", "alg"},
          SecretBytes::CopyOf(AsBytes("0123456789abcdef"))};
}

HelperAnswer SomeAnswer() {
  HelperAnswer answer;
  answer.wrapped = {{9, 8}, "v2", "alg"};
  answer.facts = {"Enabled",
                  "v3",
                  false,
                  "why",
                  true,
                  {"advice"},
                  {"GetKeyRotationStatus"},
                  "2026-01-02T03:04:05Z"};
  answer.identity = "me";
  answer.plaintext = SecretBytes::CopyOf(AsBytes("secret"));
  return answer;
}

BootTime Soon() { return SystemClock().Boot() + std::chrono::seconds(10); }

// A frame of these bytes on the wire, as the other end sees it after the sender closed.
Result<HelperFrame> ReceiveOf(ByteView wire) {
  int fds[2];
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
  const UniqueFd reader(fds[0]);
  EXPECT_TRUE(WriteAll(fds[1], wire).ok());
  close(fds[1]);
  return ReceiveFrame(reader.get(), SystemClock(), Soon());
}

Bytes WireOf(const HelperFrame& frame) {
  int fds[2];
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
  const UniqueFd reader(fds[0]);
  EXPECT_TRUE(SendFrame(fds[1], frame, SystemClock(), Soon()).ok());
  close(fds[1]);
  return *ReadUntilEnd(reader.get(), 1 << 20);
}

TEST(HelperProtocol, CarriesARequest) {
  auto got = DecodeRequest(*ReceiveOf(WireOf(EncodeRequest(SomeRequest()))));
  ASSERT_TRUE(got.ok()) << got.error().message();
  const HelperRequest wanted = SomeRequest();
  EXPECT_EQ(got->operation, wanted.operation);
  EXPECT_EQ(got->access, wanted.access);
  EXPECT_EQ(got->context, wanted.context);
  EXPECT_EQ(got->wrapped.ciphertext, wanted.wrapped.ciphertext);
  EXPECT_EQ(got->wrapped.key_version, "v");
  EXPECT_TRUE(got->plaintext.Equals(wanted.plaintext));
}

TEST(HelperProtocol, CarriesAnAnswer) {
  auto got = DecodeAnswer(*ReceiveOf(WireOf(EncodeAnswer(SomeAnswer()))));
  ASSERT_TRUE(got.ok()) << got.error().message();
  EXPECT_EQ(got->wrapped.ciphertext, (Bytes{9, 8}));
  EXPECT_EQ(got->facts.state, "Enabled");
  EXPECT_EQ(got->facts.rotation_enabled, false);
  EXPECT_EQ(got->facts.rotation_detail, "why");
  EXPECT_EQ(got->facts.deletion_at, "2026-01-02T03:04:05Z");
  EXPECT_EQ(got->facts.warnings, std::vector<std::string>{"advice"});
  EXPECT_EQ(got->facts.refused, std::vector<std::string>{"GetKeyRotationStatus"});
  EXPECT_EQ(got->identity, "me");
  EXPECT_EQ(AsText(got->plaintext.ExposeSecret()), "secret");
}

TEST(HelperProtocol, CarriesAFailureAndNoSecretWithIt) {
  HelperAnswer answer = SomeAnswer();
  answer.failure = FailureOf(KmsMeaning::kWrongKey, "o", "c", "m");
  answer.failure->request_id = "r";
  answer.failure->remedy = "remedy";
  const HelperFrame frame = EncodeAnswer(answer);
  EXPECT_TRUE(frame.secret.empty());
  auto got = DecodeAnswer(*ReceiveOf(WireOf(frame)));
  ASSERT_TRUE(got.ok() && got->failure.has_value());
  EXPECT_EQ(got->failure->kms_class, KmsClass::kData);
  EXPECT_EQ(got->failure->meaning, KmsMeaning::kWrongKey);
  EXPECT_EQ(got->failure->Sentence(), "o: c: m");
  EXPECT_EQ(got->failure->request_id, "r");
  EXPECT_EQ(got->failure->remedy, "remedy");
}

TEST(HelperProtocol, KeepsSecretsOutOfTheBody) {
  const Bytes body = EncodeAnswer(SomeAnswer()).body;
  EXPECT_EQ(AsText(body).find("secret"), std::string_view::npos);
}

TEST(HelperProtocol, RefusesEveryTruncation) {
  const Bytes wire = WireOf(EncodeRequest(SomeRequest()));
  for (std::size_t size = 0; size < wire.size(); ++size) {
    EXPECT_FALSE(ReceiveOf(ByteView(wire).first(size)).ok()) << size;
  }
  for (const HelperFrame& frame : {EncodeRequest(SomeRequest()), EncodeAnswer(SomeAnswer())}) {
    for (std::size_t size = 0; size < frame.body.size(); ++size) {
      const Bytes cut(frame.body.begin(), frame.body.begin() + static_cast<std::ptrdiff_t>(size));
      EXPECT_FALSE(DecodeRequest({cut, {}}).ok()) << size;
      EXPECT_FALSE(DecodeAnswer({cut, {}}).ok()) << size;
    }
  }
}

TEST(HelperProtocol, RefusesWhatComesAfterTheEnd) {
  HelperFrame frame = EncodeAnswer(SomeAnswer());
  frame.body.push_back(0);
  EXPECT_FALSE(DecodeAnswer(std::move(frame)).ok());
}

TEST(HelperProtocol, SurvivesEveryChangedByte) {
  for (const bool request : {true, false}) {
    const HelperFrame frame = request ? EncodeRequest(SomeRequest()) : EncodeAnswer(SomeAnswer());
    for (std::size_t i = 0; i < frame.body.size(); ++i) {
      Bytes changed = frame.body;
      changed[i] ^= 0xff;
      (void)DecodeRequest({changed, {}});
      (void)DecodeAnswer({changed, {}});
    }
  }
}

TEST(HelperProtocol, RefusesAnnouncedSizesBeyondItsBounds) {
  for (const std::size_t at : {7, 11}) {
    Bytes wire = WireOf(EncodeAnswer(SomeAnswer()));
    wire[at] = 0x7f;
    auto got = ReceiveOf(wire);
    ASSERT_FALSE(got.ok());
    EXPECT_EQ(got.error().code(), ErrorCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace freehold
