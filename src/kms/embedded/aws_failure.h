// AwsFailure: an error in AWS's own words: exception name, sentence, HTTP status.
//
// What the operations of the embedded KMS return instead of a base Error; server.cc writes it as
// JSON or XML, whichever the protocol asks for. Threads: values.
// Spec: the "Errors" sections of the AWS KMS, STS and IAM API references.
#pragma once

#include <string>
#include <utility>

#include "base/result.h"
#include "tl/expected.hpp"

namespace freehold::embedded {

struct AwsFailure {
  std::string code;  // "NotFoundException"
  std::string message;
  int status = 400;
};

template <typename T>
class [[nodiscard]] AwsResult : public tl::expected<T, AwsFailure> {
 public:
  using Base = tl::expected<T, AwsFailure>;
  using Base::Base;
  AwsResult(AwsFailure failure)  // NOLINT: implicit
      : Base(tl::unexpected<AwsFailure>(std::move(failure))) {}

  bool ok() const { return this->has_value(); }
};

using AwsStatus = AwsResult<void>;

// A failure of ours (disk, library), as KMS would say it; the details belong in our log.
inline AwsFailure InternalFailure() {
  return {"KMSInternalException", "The request failed inside the KMS; its log says why.", 500};
}

namespace internal {
template <typename T>
T TakeAwsValue(AwsResult<T>&& result) {
  return std::move(*result);
}
inline void TakeAwsValue(AwsStatus&&) {}
}  // namespace internal

}  // namespace freehold::embedded

// The value of an AwsResult, or a return of its AwsFailure from the enclosing function. The counter
// keeps a TRY within the lambda of another from shadowing it.
#define AWS_TRY(expression) AWS_TRY_NAMED(expression, __COUNTER__)
#define AWS_TRY_NAMED(expression, number) AWS_TRY_JOINED(expression, number)
#define AWS_TRY_JOINED(expression, number) AWS_TRY_AS(expression, aws_result_##number)
#define AWS_TRY_AS(expression, result)                                         \
  ({                                                                           \
    auto result = (expression);                                                \
    if (!result.ok()) return ::freehold::embedded::AwsFailure(result.error()); \
    ::freehold::embedded::internal::TakeAwsValue(std::move(result));           \
  })
