#include "kms/kmip/ttlv.h"

#include <optional>

#include "base/locked_arena.h"
#include "fmt/format.h"

namespace freehold::kmip {
namespace {

constexpr int kDeepest = 8;
constexpr std::size_t kMostItems = 1024;  // in one message

Error Bad(std::string_view why) {
  return Error(ErrorCode::kInvalidArgument, fmt::format("the message {}", why));
}

std::size_t Padded8(std::size_t length) { return (length + 7) / 8 * 8; }

std::uint32_t BigEndian(ByteView bytes) {
  std::uint32_t number = 0;
  for (const std::uint8_t octet : bytes) number = number << 8 | octet;
  return number;
}

// How long values of a type are; nothing: as long as they say.
std::optional<std::size_t> FixedLength(Type type) {
  switch (type) {
    case Type::kInteger:
    case Type::kEnumeration:
    case Type::kInterval:
      return 4;
    case Type::kLongInteger:
    case Type::kBoolean:
    case Type::kDateTime:
      return 8;
    default:
      return std::nullopt;
  }
}

class Reader {
 public:
  // One item from the front of `bytes`, which it takes away.
  Result<Item> Take(ByteView& bytes, int depth) {
    if (bytes.size() < kItemHeader) return Bad("ends within an item");
    if (depth > kDeepest) return Bad("is nested too deep");
    if (++items_ > kMostItems) return Bad("has too many items");
    Item item;
    item.tag = BigEndian(bytes.first(3));
    if (bytes[3] < 1 || bytes[3] > static_cast<int>(Type::kInterval)) {
      return Bad("has an item of an unknown type");
    }
    item.type = static_cast<Type>(bytes[3]);
    const std::size_t length = BigEndian(bytes.subspan(4, 4));
    bytes = bytes.subspan(kItemHeader);
    if (length > bytes.size() || Padded8(length) > bytes.size()) {
      return Bad("has an item that is longer than itself");
    }
    item.value = bytes.first(length);
    const ByteView padding = bytes.subspan(length, Padded8(length) - length);
    bytes = bytes.subspan(Padded8(length));
    if (!AllZero(padding)) return Bad("has padding that is not zero");
    if (const auto fixed = FixedLength(item.type); fixed.has_value() && length != *fixed) {
      return Bad("has a number of the wrong length");
    }
    if (item.type == Type::kStructure) {
      if (!padding.empty()) return Bad("has a structure of the wrong length");
      for (ByteView rest = item.value; !rest.empty();) {
        item.items.push_back(TRY(Take(rest, depth + 1)));
      }
    }
    return item;
  }

 private:
  std::size_t items_ = 0;
};

}  // namespace

void Writer::Header(Tag tag, Type type, std::size_t length) {
  const auto number = static_cast<std::uint32_t>(tag);
  for (int shift = 16; shift >= 0; shift -= 8) {
    bytes_.push_back(static_cast<std::uint8_t>(number >> shift));
  }
  bytes_.push_back(static_cast<std::uint8_t>(type));
  for (int shift = 24; shift >= 0; shift -= 8) {
    bytes_.push_back(static_cast<std::uint8_t>(length >> shift));
  }
}

void Writer::Number(Tag tag, Type type, std::uint32_t value) {
  Header(tag, type, 4);
  for (int shift = 24; shift >= 0; shift -= 8) {
    bytes_.push_back(static_cast<std::uint8_t>(value >> shift));
  }
  bytes_.resize(bytes_.size() + 4);
}

void Writer::Padded(Tag tag, Type type, ByteView value) {
  // Grown by hand: what a vector leaves behind when it moves could not be wiped.
  Bytes grown;
  grown.reserve(bytes_.size() + kItemHeader + Padded8(value.size()));
  grown.assign(bytes_.begin(), bytes_.end());
  bytes_.swap(grown);
  WipeMemory(grown.data(), grown.size());
  Header(tag, type, value.size());
  bytes_.insert(bytes_.end(), value.begin(), value.end());
  if (type != Type::kStructure) bytes_.resize(Padded8(bytes_.size()));
}

void Writer::Integer(Tag tag, std::int32_t value) {
  Number(tag, Type::kInteger, static_cast<std::uint32_t>(value));
}

void Writer::Enumeration(Tag tag, std::uint32_t value) { Number(tag, Type::kEnumeration, value); }

void Writer::Text(Tag tag, std::string_view text) { Padded(tag, Type::kTextString, AsBytes(text)); }

void Writer::ByteString(Tag tag, ByteView bytes) { Padded(tag, Type::kByteString, bytes); }

void Writer::Structure(Tag tag, const Writer& content) {
  Padded(tag, Type::kStructure, content.bytes_);
}

void Writer::Wipe() { WipeMemory(bytes_.data(), bytes_.size()); }

const Item* Item::Find(Tag wanted, Type wanted_type) const {
  const Item* found = nullptr;
  for (const Item& item : items) {
    if (!item.Is(wanted, wanted_type)) continue;
    if (found != nullptr) return nullptr;
    found = &item;
  }
  return found;
}

std::uint32_t Item::Number() const { return BigEndian(value); }

Result<Item> ReadItem(ByteView bytes) {
  Item item = TRY(Reader().Take(bytes, 1));
  if (!bytes.empty()) return Bad("goes on behind its end");
  return item;
}

Result<std::size_t> ReadStructureLength(ByteView header, Tag tag) {
  if (header.size() != kItemHeader ||
      BigEndian(header.first(3)) != static_cast<std::uint32_t>(tag) ||
      header[3] != static_cast<std::uint8_t>(Type::kStructure)) {
    return Bad("begins as none of KMIP's");
  }
  return std::size_t{BigEndian(header.subspan(4))};
}

}  // namespace freehold::kmip
