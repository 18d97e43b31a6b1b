// TTLV: KMIP's encoding of a message as items of tag, type, length and value.
//
//   offset  bytes
//   0       3      tag, 0x42.... for the standard's own
//   3       1      type
//   4       4      length of the value, big-endian, without its padding
//   8       ...    value; all but structures are padded with zeros to a multiple of 8
//
// Only what an Encrypt, a Decrypt and questions about a key need. The reader is strict: lengths
// fit exactly, padding is zero, types are known, depth and number of items are bounded; and it
// copies nothing, so that a plaintext stays where it was received.
// Errors: kInvalidArgument with what is wrong. Threads: values. Spec: KMIP 1.4, 9.1.
#pragma once

#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace freehold::kmip {

enum class Tag : std::uint32_t {
  kAttribute = 0x420008,
  kAttributeName = 0x42000A,
  kAttributeValue = 0x42000B,
  kBatchCount = 0x42000D,
  kBatchItem = 0x42000F,
  kBlockCipherMode = 0x420011,
  kCryptographicAlgorithm = 0x420028,
  kCryptographicParameters = 0x42002B,
  kIvCounterNonce = 0x42003D,
  kOperation = 0x42005C,
  kProtocolVersion = 0x420069,
  kProtocolVersionMajor = 0x42006A,
  kProtocolVersionMinor = 0x42006B,
  kQueryFunction = 0x420074,
  kRequestHeader = 0x420077,
  kRequestMessage = 0x420078,
  kRequestPayload = 0x420079,
  kResponseHeader = 0x42007A,
  kResponseMessage = 0x42007B,
  kResponsePayload = 0x42007C,
  kResultMessage = 0x42007D,
  kResultReason = 0x42007E,
  kResultStatus = 0x42007F,
  kUniqueIdentifier = 0x420094,
  kVendorIdentification = 0x42009D,
  kData = 0x4200C2,
  kTagLength = 0x4200CE,
  kAuthenticatedEncryptionAdditionalData = 0x4200FE,
  kAuthenticatedEncryptionTag = 0x4200FF,
};

enum class Type : std::uint8_t {
  kStructure = 1,
  kInteger,
  kLongInteger,
  kBigInteger,
  kEnumeration,
  kBoolean,
  kTextString,
  kByteString,
  kDateTime,
  kInterval,
};

constexpr std::size_t kItemHeader = 8;  // bytes before a value

// Appends items to a buffer of its own.
class Writer {
 public:
  void Integer(Tag tag, std::int32_t value);
  void Enumeration(Tag tag, std::uint32_t value);
  void Text(Tag tag, std::string_view text);
  void ByteString(Tag tag, ByteView bytes);
  void Structure(Tag tag, const Writer& content);

  const Bytes& bytes() const { return bytes_; }
  // What has been written so far, which may be a plaintext.
  void Wipe();

 private:
  void Header(Tag tag, Type type, std::size_t length);
  void Number(Tag tag, Type type, std::uint32_t value);
  void Padded(Tag tag, Type type, ByteView value);

  Bytes bytes_;
};

struct Item {
  std::uint32_t tag = 0;
  Type type = Type::kStructure;
  ByteView value;           // without padding; of a structure, its items
  std::vector<Item> items;  // of a structure

  bool Is(Tag wanted, Type wanted_type) const {
    return tag == static_cast<std::uint32_t>(wanted) && type == wanted_type;
  }
  // The only item with this tag and type; null when there is none, or more than one.
  const Item* Find(Tag wanted, Type wanted_type) const;
  // Of one that Is() a text, a byte string, or a number of 4 bytes.
  std::string_view Text() const { return AsText(value); }
  std::uint32_t Number() const;
};

// The one item that these bytes are.
Result<Item> ReadItem(ByteView bytes);
// How many bytes follow an item's header, and whether the header is one of this structure.
Result<std::size_t> ReadStructureLength(ByteView header, Tag tag);

}  // namespace freehold::kmip
