#include "kms/kmip/ttlv.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace freehold::kmip {
namespace {

using testing::HasSubstr;

Bytes Hex(std::string text) {
  std::erase(text, ' ');
  return *HexDecode(text);
}

std::string WhyNot(ByteView bytes) {
  const auto item = ReadItem(bytes);
  return item.ok() ? "" : std::string(item.error().message());
}

// The examples of KMIP 1.4, 9.1.2.
TEST(Ttlv, WritesTheStandardsExamples) {
  Writer integer, enumeration, text, octets;
  integer.Integer(static_cast<Tag>(0x420020), 8);
  EXPECT_EQ(integer.bytes(), Hex("42002002 00000004 00000008 00000000"));
  enumeration.Enumeration(static_cast<Tag>(0x420020), 255);
  EXPECT_EQ(enumeration.bytes(), Hex("42002005 00000004 000000ff 00000000"));
  text.Text(static_cast<Tag>(0x420020), "Hello World");
  EXPECT_EQ(text.bytes(), Hex("42002007 0000000b 48656c6c6f20576f 726c640000000000"));
  octets.ByteString(static_cast<Tag>(0x420020), Hex("010203"));
  EXPECT_EQ(octets.bytes(), Hex("42002008 00000003 0102030000000000"));
  Writer content, structure;
  content.Enumeration(static_cast<Tag>(0x420004), 254);
  content.Integer(static_cast<Tag>(0x420005), 255);
  structure.Structure(static_cast<Tag>(0x420020), content);
  EXPECT_EQ(structure.bytes(), Hex("42002001 00000020 42000405 00000004 000000fe 00000000"
                                   "42000502 00000004 000000ff 00000000"));
}

TEST(Ttlv, ReadsWhatItWrites) {
  Writer content, message;
  content.Text(Tag::kUniqueIdentifier, "k-1");
  content.ByteString(Tag::kData, Bytes(17, 7));
  content.Enumeration(Tag::kResultStatus, 0xFFFFFFFF);
  message.Structure(Tag::kResponseMessage, content);
  const auto item = ReadItem(message.bytes());
  ASSERT_TRUE(item.ok()) << item.error().message();
  EXPECT_TRUE(item->Is(Tag::kResponseMessage, Type::kStructure));
  EXPECT_EQ(item->Find(Tag::kUniqueIdentifier, Type::kTextString)->Text(), "k-1");
  EXPECT_EQ(ToBytes(item->Find(Tag::kData, Type::kByteString)->value), Bytes(17, 7));
  EXPECT_EQ(item->Find(Tag::kResultStatus, Type::kEnumeration)->Number(), 0xFFFFFFFF);
  EXPECT_EQ(item->Find(Tag::kUniqueIdentifier, Type::kByteString), nullptr);
}

TEST(Ttlv, FindsNothingThatIsThereTwice) {
  Writer content, message;
  content.Text(Tag::kUniqueIdentifier, "k-1");
  content.Text(Tag::kUniqueIdentifier, "k-2");
  message.Structure(Tag::kResponsePayload, content);
  EXPECT_EQ(ReadItem(message.bytes())->Find(Tag::kUniqueIdentifier, Type::kTextString), nullptr);
}

TEST(Ttlv, RefusesWhatIsNotExact) {
  EXPECT_THAT(WhyNot({}), HasSubstr("ends within"));
  EXPECT_THAT(WhyNot(Hex("42002002 000000")), HasSubstr("ends within"));
  EXPECT_THAT(WhyNot(Hex("42002002 00000004 00000008")), HasSubstr("longer than itself"));
  EXPECT_THAT(WhyNot(Hex("42002008 ffffffff 0000000000000000")), HasSubstr("longer than itself"));
  EXPECT_THAT(WhyNot(Hex("42002002 00000004 00000008 00000001")), HasSubstr("padding"));
  EXPECT_THAT(WhyNot(Hex("42002002 00000008 00000008 00000000")), HasSubstr("wrong length"));
  EXPECT_THAT(WhyNot(Hex("4200200b 00000004 00000008 00000000")), HasSubstr("unknown type"));
  EXPECT_THAT(WhyNot(Hex("42002000 00000000")), HasSubstr("unknown type"));
  EXPECT_THAT(WhyNot(Hex("42002002 00000004 00000008 00000000 00")), HasSubstr("behind its end"));
  EXPECT_THAT(WhyNot(Hex("42002001 00000004 00000000 00000000")), HasSubstr("structure of the"));
}

TEST(Ttlv, RefusesMessagesThatWouldTakeTooMuch) {
  Writer deep;
  for (int i = 0; i < 20; ++i) {
    Writer outer;
    outer.Structure(Tag::kAttribute, deep);
    deep = outer;
  }
  EXPECT_THAT(WhyNot(deep.bytes()), HasSubstr("too deep"));
  Writer many, message;
  for (int i = 0; i < 1100; ++i) many.Integer(Tag::kBatchCount, 1);
  message.Structure(Tag::kResponseMessage, many);
  EXPECT_THAT(WhyNot(message.bytes()), HasSubstr("too many"));
}

TEST(Ttlv, EveryCutAndEveryChangedByteIsAnAnswerOrARefusal) {
  Writer content, message;
  content.Text(Tag::kUniqueIdentifier, "k-1");
  content.Integer(Tag::kBatchCount, 1);
  message.Structure(Tag::kResponseMessage, content);
  const Bytes whole = message.bytes();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(ReadItem(ByteView(whole).first(size)).ok()) << size;
  }
  for (std::size_t at = 0; at < whole.size(); ++at) {
    Bytes damaged = whole;
    damaged[at] ^= 0x80;
    const auto item = ReadItem(damaged);  // a text or a tag may change unnoticed, no length
    EXPECT_TRUE(!item.ok() || item->items.size() == 2) << at;
  }
}

TEST(Ttlv, KnowsAStructureByItsHeader) {
  EXPECT_EQ(*ReadStructureLength(Hex("42007b01 00000020"), Tag::kResponseMessage), 32u);
  EXPECT_FALSE(ReadStructureLength(Hex("42007801 00000020"), Tag::kResponseMessage).ok());
  EXPECT_FALSE(ReadStructureLength(Hex("42007b02 00000020"), Tag::kResponseMessage).ok());
  EXPECT_FALSE(ReadStructureLength(AsBytes("HTTP/1.1"), Tag::kResponseMessage).ok());
}

}  // namespace
}  // namespace freehold::kmip
