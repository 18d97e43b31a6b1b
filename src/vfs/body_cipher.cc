#include "vfs/body_cipher.h"

#include <algorithm>

#include "format/units.h"

namespace freehold {
namespace {

struct Parts {
  MutableByteView current;
  MutableByteView previous;  // what lies at the watermark and behind it
};

Parts SplitAt(const BodyCipher& body, std::uint64_t start, MutableByteView run) {
  if (body.previous == nullptr) return {run, {}};
  const std::uint64_t before = body.watermark > start ? body.watermark - start : 0;
  const auto split = static_cast<std::size_t>(std::min<std::uint64_t>(before, run.size()));
  return {run.first(split), run.subspan(split)};
}

}  // namespace

Status BodyCipher::Encrypt(std::uint64_t start, MutableByteView run) const {
  const Parts parts = SplitAt(*this, start, run);
  if (!parts.current.empty()) {
    TRY(current->Encrypt(UnitOf(start), parts.current, parts.current));
  }
  if (parts.previous.empty()) return {};
  const std::uint64_t unit = UnitOf(start + parts.current.size());
  return previous->Encrypt(unit, parts.previous, parts.previous);
}

Status BodyCipher::Decode(std::uint64_t start, MutableByteView run) const {
  const Parts parts = SplitAt(*this, start, run);
  if (!parts.current.empty()) TRY(DecodeRun(*current, UnitOf(start), parts.current));
  if (parts.previous.empty()) return {};
  return DecodeRun(*previous, UnitOf(start + parts.current.size()), parts.previous);
}

}  // namespace freehold
