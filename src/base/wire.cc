#include "base/wire.h"

#include <cstdlib>

namespace freehold {

void Writer::Integer(std::uint64_t value, int size) {
  for (int i = 0; i < size; ++i) bytes_.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

void Writer::Blob(ByteView view) {
  if (view.size() > 65535) std::abort();
  U16(static_cast<std::uint16_t>(view.size()));
  Raw(view);
}

void Writer::PatchU32(std::size_t at, std::uint32_t value) {
  for (int i = 0; i < 4; ++i) bytes_[at + i] = static_cast<std::uint8_t>(value >> (8 * i));
}

Result<std::uint64_t> Reader::Integer(int size) {
  ByteView raw = TRY(Raw(static_cast<std::size_t>(size)));
  std::uint64_t value = 0;
  for (int i = size - 1; i >= 0; --i) value = value << 8 | raw[static_cast<std::size_t>(i)];
  return value;
}

Result<std::uint8_t> Reader::U8() { return static_cast<std::uint8_t>(TRY(Integer(1))); }
Result<std::uint16_t> Reader::U16() { return static_cast<std::uint16_t>(TRY(Integer(2))); }
Result<std::uint32_t> Reader::U32() { return static_cast<std::uint32_t>(TRY(Integer(4))); }
Result<std::uint64_t> Reader::U64() { return Integer(8); }

Result<ByteView> Reader::Raw(std::size_t size) {
  if (left() < size) return Error(ErrorCode::kInvalidArgument, "truncated");
  ByteView part = view_.subspan(at_, size);
  at_ += size;
  return part;
}

Result<Bytes> Reader::Blob() {
  const std::uint16_t size = TRY(U16());
  return ToBytes(TRY(Raw(size)));
}

Result<std::string> Reader::String() {
  const std::uint16_t size = TRY(U16());
  return std::string(AsText(TRY(Raw(size))));
}

}  // namespace freehold
