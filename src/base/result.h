// Result<T>: a value or an Error, never both, never neither; it must be looked at.
//
//   Result<Bytes> ReadAll(const std::string& path);
//   Bytes bytes = TRY(ReadAll(path));          // returns the Error to our own caller
//
// Knows nothing of what the errors mean (base/error.h). Threads: a value.
#pragma once

#include <utility>

#include "base/error.h"
#include "tl/expected.hpp"

namespace freehold {

template <typename T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using Base = tl::expected<T, Error>;
  using Base::Base;
  Result(Error error) : Base(tl::unexpected<Error>(std::move(error))) {}  // NOLINT: implicit

  bool ok() const { return this->has_value(); }
};

using Status = Result<void>;

namespace internal {
template <typename T>
T TakeValue(Result<T>&& result) {
  return std::move(*result);
}
inline void TakeValue(Status&&) {}
}  // namespace internal

}  // namespace freehold

// The value of a Result, or a return of its Error from the enclosing function.
// __COUNTER__ gives each use its own name, so that uses may nest.
#define TRY(expression) FREEHOLD_TRY_EXPAND(expression, __COUNTER__)
#define FREEHOLD_TRY_EXPAND(expression, number) FREEHOLD_TRY_NAMED(expression, number)
#define FREEHOLD_TRY_NAMED(expression, number) FREEHOLD_TRY_IN(expression, try_result_##number)
#define FREEHOLD_TRY_IN(expression, name)                   \
  ({                                                        \
    auto name = (expression);                               \
    if (!name.ok()) return ::freehold::Error(name.error()); \
    ::freehold::internal::TakeValue(std::move(name));       \
  })
