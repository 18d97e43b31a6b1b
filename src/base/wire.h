// Writer and Reader: little-endian binary structures, bounds checked.
//
// Reader never reads past its view: each getter fails with kInvalidArgument ("truncated") and the
// caller turns that into the code of its own format. Strings and blobs carry a u16 length.
// Threads: values. Used by the keyring, file headers and process-to-process frames.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace freehold {

class Writer {
 public:
  void U8(std::uint8_t value) { bytes_.push_back(value); }
  void U16(std::uint16_t value) { Integer(value, 2); }
  void U32(std::uint32_t value) { Integer(value, 4); }
  void U64(std::uint64_t value) { Integer(value, 8); }
  void Raw(ByteView view) { bytes_.insert(bytes_.end(), view.begin(), view.end()); }
  void Blob(ByteView view);  // u16 length, then the bytes; longer than 65535 is cut nowhere: abort
  void String(std::string_view text) { Blob(AsBytes(text)); }
  void Zeros(std::size_t count) { bytes_.insert(bytes_.end(), count, 0); }
  void PatchU32(std::size_t at, std::uint32_t value);

  std::size_t size() const { return bytes_.size(); }
  const Bytes& bytes() const { return bytes_; }
  Bytes Take() { return std::move(bytes_); }

 private:
  void Integer(std::uint64_t value, int size);
  Bytes bytes_;
};

class Reader {
 public:
  explicit Reader(ByteView view) : view_(view) {}

  Result<std::uint8_t> U8();
  Result<std::uint16_t> U16();
  Result<std::uint32_t> U32();
  Result<std::uint64_t> U64();
  Result<ByteView> Raw(std::size_t size);
  Result<Bytes> Blob();
  Result<std::string> String();
  template <std::size_t N>
  Result<std::array<std::uint8_t, N>> Array();

  std::size_t left() const { return view_.size() - at_; }
  std::size_t position() const { return at_; }

 private:
  Result<std::uint64_t> Integer(int size);
  ByteView view_;
  std::size_t at_ = 0;
};

template <std::size_t N>
Result<std::array<std::uint8_t, N>> Reader::Array() {
  ByteView raw = TRY(Raw(N));
  std::array<std::uint8_t, N> out;
  for (std::size_t i = 0; i < N; ++i) out[i] = raw[i];
  return out;
}

}  // namespace freehold
