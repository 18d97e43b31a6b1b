#include "vfs/body_cipher.h"

#include <algorithm>

#include "format/units.h"

namespace freehold {
namespace {

// How much of a run lies before the watermark, and so is under the current key.
std::size_t SizeUnderCurrent(const BodyCipher& body, std::uint64_t start, std::size_t size) {
  if (body.previous == nullptr) return size;
  const std::uint64_t before = body.watermark > start ? body.watermark - start : 0;
  return static_cast<std::size_t>(std::min<std::uint64_t>(before, size));
}

}  // namespace

Status BodyCipher::Encrypt(std::uint64_t start, ByteView in, MutableByteView out) const {
  const std::size_t split = SizeUnderCurrent(*this, start, in.size());
  if (split != 0) TRY(current->Encrypt(UnitOf(start), in.first(split), out.first(split)));
  if (split == in.size()) return {};
  return previous->Encrypt(UnitOf(start + split), in.subspan(split), out.subspan(split));
}

Status BodyCipher::Decode(std::uint64_t start, MutableByteView run) const {
  const std::size_t split = SizeUnderCurrent(*this, start, run.size());
  if (split != 0) TRY(DecodeRun(*current, UnitOf(start), run.first(split)));
  if (split == run.size()) return {};
  return DecodeRun(*previous, UnitOf(start + split), run.subspan(split));
}

}  // namespace freehold
