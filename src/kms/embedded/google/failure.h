// GoogleFailure: an error in Google's own words: status, sentence, details.
//
// What the operations return; google_dialect.cc writes it as google.rpc.Status in JSON. Threads:
// values. Spec: google.aip.dev/193.
#pragma once

#include <boost/json.hpp>
#include <string>
#include <utility>

#include "base/result.h"
#include "tl/expected.hpp"

namespace freehold::embedded::google {

struct GoogleFailure {
  int code = 400;  // HTTP's
  std::string status = "INVALID_ARGUMENT";
  std::string message;
  boost::json::array details = {};
};

template <typename T>
class [[nodiscard]] GoogleResult : public tl::expected<T, GoogleFailure> {
 public:
  using Base = tl::expected<T, GoogleFailure>;
  using Base::Base;
  GoogleResult(GoogleFailure failure)  // NOLINT: implicit
      : Base(tl::unexpected<GoogleFailure>(std::move(failure))) {}

  bool ok() const { return this->has_value(); }
};

using GoogleStatus = GoogleResult<void>;
using Answer = GoogleResult<boost::json::object>;

GoogleFailure InvalidArgument(std::string message);
GoogleFailure NotFound(const std::string& resource);
GoogleFailure AlreadyExists(const std::string& resource);
GoogleFailure FailedPrecondition(std::string message);
// `reason` as in google.rpc.ErrorInfo: "ACCESS_TOKEN_EXPIRED".
GoogleFailure Unauthenticated(const std::string& reason);
GoogleFailure PermissionDenied(const std::string& permission, const std::string& resource);
GoogleFailure Internal();  // the details belong in our log

namespace internal {
template <typename T>
T TakeGoogleValue(GoogleResult<T>&& result) {
  return std::move(*result);
}
inline void TakeGoogleValue(GoogleStatus&&) {}
}  // namespace internal

}  // namespace freehold::embedded::google

// The value of a GoogleResult, or a return of its GoogleFailure from the enclosing function.
#define GOOGLE_TRY(expression) GOOGLE_TRY_NAMED(expression, __COUNTER__)
#define GOOGLE_TRY_NAMED(expression, number) GOOGLE_TRY_JOINED(expression, number)
#define GOOGLE_TRY_JOINED(expression, number) GOOGLE_TRY_AS(expression, google_result_##number)
#define GOOGLE_TRY_AS(expression, result)                                                 \
  ({                                                                                      \
    auto result = (expression);                                                           \
    if (!result.ok()) return ::freehold::embedded::google::GoogleFailure(result.error()); \
    ::freehold::embedded::google::internal::TakeGoogleValue(std::move(result));           \
  })
