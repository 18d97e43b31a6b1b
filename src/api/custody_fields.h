// The fields of custody terms and of their bounds, for an Archive. For .cc files.
#pragma once

#include "api/archive.h"
#include "api/custody_terms.h"

namespace freehold::api {

template <>
inline constexpr int kEnumCount<OnDenied> = kOnDeniedCount;
template <>
inline constexpr int kEnumCount<OnKeyReturn> = kOnKeyReturnCount;

template <typename Archive>
void Fields(Archive& archive, CustodyTerms& terms) {
  for (const DurationTerm& term : DurationTerms()) archive(term.name, terms.*term.value);
  archive("on_denied", terms.on_denied);
  archive("on_key_return", terms.on_key_return);
}

template <typename Archive>
void Fields(Archive& archive, DurationBounds& bounds) {
  archive("lowest", bounds.lowest);
  archive("highest", bounds.highest);
}

template <typename Archive>
void Fields(Archive& archive, CustodyBounds& bounds) {
  archive("durations", bounds.durations);
  archive("on_denied", bounds.on_denied);
  archive("on_key_return", bounds.on_key_return);
}

}  // namespace freehold::api
