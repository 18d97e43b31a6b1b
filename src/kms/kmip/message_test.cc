#include "kms/kmip/message.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace freehold::kmip {
namespace {

using testing::HasSubstr;

struct Parts {
  std::int32_t count = 1;
  int batches = 1;
  std::optional<std::uint32_t> operation = 0x20;
  std::optional<std::uint32_t> status = 0;
  std::uint32_t reason = 0;
  std::string words = {};
  Tag envelope = Tag::kResponseMessage;
};

SecretBytes AnswerOf(const Parts& parts) {
  Writer header, batch, payload, content, message;
  header.Integer(Tag::kBatchCount, parts.count);
  if (parts.operation.has_value()) batch.Enumeration(Tag::kOperation, *parts.operation);
  if (parts.status.has_value()) batch.Enumeration(Tag::kResultStatus, *parts.status);
  if (parts.reason != 0) batch.Enumeration(Tag::kResultReason, parts.reason);
  if (!parts.words.empty()) batch.Text(Tag::kResultMessage, parts.words);
  payload.Text(Tag::kUniqueIdentifier, "k");
  batch.Structure(Tag::kResponsePayload, payload);
  content.Structure(Tag::kResponseHeader, header);
  for (int i = 0; i < parts.batches; ++i) content.Structure(Tag::kBatchItem, batch);
  message.Structure(parts.envelope, content);
  return SecretBytes::CopyOf(message.bytes());
}

std::string WhyNot(const Parts& parts) {
  const auto answer = DecodeAnswer(AnswerOf(parts), Operation::kDecrypt);
  return answer.ok() ? "" : std::string(answer.error().message());
}

TEST(KmipMessage, AsksWithOneOperationInOneVersion) {
  Writer payload;
  payload.Text(Tag::kUniqueIdentifier, "k");
  const auto message = ReadItem(EncodeRequest({1, 4}, Operation::kDecrypt, payload).bytes());
  ASSERT_TRUE(message.ok());
  ASSERT_TRUE(message->Is(Tag::kRequestMessage, Type::kStructure));
  const Item* header = message->Find(Tag::kRequestHeader, Type::kStructure);
  const Item* version = header->Find(Tag::kProtocolVersion, Type::kStructure);
  EXPECT_EQ(version->Find(Tag::kProtocolVersionMajor, Type::kInteger)->Number(), 1u);
  EXPECT_EQ(version->Find(Tag::kProtocolVersionMinor, Type::kInteger)->Number(), 4u);
  EXPECT_EQ(header->Find(Tag::kBatchCount, Type::kInteger)->Number(), 1u);
  const Item* batch = message->Find(Tag::kBatchItem, Type::kStructure);
  EXPECT_EQ(batch->Find(Tag::kOperation, Type::kEnumeration)->Number(), 0x20u);
  const Item* sent = batch->Find(Tag::kRequestPayload, Type::kStructure);
  EXPECT_EQ(sent->Find(Tag::kUniqueIdentifier, Type::kTextString)->Text(), "k");
}

TEST(KmipMessage, ReadsASuccessAndItsPayload) {
  const auto answer = DecodeAnswer(AnswerOf({}), Operation::kDecrypt);
  ASSERT_TRUE(answer.ok()) << answer.error().message();
  EXPECT_TRUE(answer->ok());
  EXPECT_EQ(answer->payload.Find(Tag::kUniqueIdentifier, Type::kTextString)->Text(), "k");
}

TEST(KmipMessage, ReadsAFailureWithWordsThatCanBePrinted) {
  Parts parts;
  parts.status = 1;
  parts.reason = 0x0C;
  parts.words = "no\x1b[31m\nmore";
  parts.operation = std::nullopt;  // as of a request that was not understood
  const auto answer = DecodeAnswer(AnswerOf(parts), Operation::kDecrypt);
  ASSERT_TRUE(answer.ok()) << answer.error().message();
  EXPECT_FALSE(answer->ok());
  EXPECT_EQ(answer->reason, 0x0Cu);
  EXPECT_EQ(answer->message, "no?[31m");
}

TEST(KmipMessage, RefusesAnAnswerToAnotherQuestion) {
  EXPECT_THAT(WhyNot({.operation = 0x1F}), HasSubstr("another operation"));
  EXPECT_THAT(WhyNot({.operation = std::nullopt}), HasSubstr("another operation"));
  EXPECT_THAT(WhyNot({.status = std::nullopt}), HasSubstr("how it went"));
  EXPECT_THAT(WhyNot({.count = 2}), HasSubstr("does not count"));
  EXPECT_THAT(WhyNot({.batches = 2}), HasSubstr("not one header and one item"));
  EXPECT_THAT(WhyNot({.batches = 0}), HasSubstr("not one header and one item"));
  EXPECT_THAT(WhyNot({.envelope = Tag::kRequestMessage}), HasSubstr("none of KMIP's"));
}

}  // namespace
}  // namespace freehold::kmip
