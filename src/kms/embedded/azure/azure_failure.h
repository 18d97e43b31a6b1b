// AzureFailure: an error in Key Vault's own words: status, code, inner code, sentence.
//
// What the vault's operations return instead of a base Error. Threads: values.
// Spec: Key Vault REST API 7.4, KeyVaultError.
#pragma once

#include <string>
#include <utility>

#include "base/result.h"
#include "tl/expected.hpp"

namespace freehold::embedded::azure {

struct AzureFailure {
  int status = 400;
  std::string code;   // "Forbidden"
  std::string inner;  // "KeyDisabled"; "" = none
  std::string message;
};

template <typename T>
class [[nodiscard]] AzureResult : public tl::expected<T, AzureFailure> {
 public:
  using Base = tl::expected<T, AzureFailure>;
  using Base::Base;
  AzureResult(AzureFailure failure)  // NOLINT: implicit
      : Base(tl::unexpected<AzureFailure>(std::move(failure))) {}

  bool ok() const { return this->has_value(); }
};

using AzureStatus = AzureResult<void>;

AzureFailure BadParameter(std::string message);
AzureFailure Unauthorized(std::string message);
AzureFailure KeyNotFound(const std::string& name);
AzureFailure NotAllowed(const std::string& operation, const std::string& on, std::string inner);
// A failure of ours (disk, library); the details go into our log.
AzureFailure Broken(const Error& error);

namespace internal {
template <typename T>
T TakeAzureValue(AzureResult<T>&& result) {
  return std::move(*result);
}
inline void TakeAzureValue(AzureStatus&&) {}
// So that one macro serves both kinds of result.
template <typename T>
AzureResult<T> ToAzure(AzureResult<T>&& result) {
  return std::move(result);
}
template <typename T>
AzureResult<T> ToAzure(Result<T>&& result) {
  if (!result.ok()) return Broken(result.error());
  return std::move(*result);
}
}  // namespace internal

}  // namespace freehold::embedded::azure

// The value of an AzureResult, or of a Result whose Error would be our own fault; or a return of
// its failure from the enclosing function.
#define AZURE_TRY(expression) AZURE_TRY_NAMED(expression, __COUNTER__)
#define AZURE_TRY_NAMED(expression, number) AZURE_TRY_JOINED(expression, number)
#define AZURE_TRY_JOINED(expression, number) AZURE_TRY_AS(expression, azure_result_##number)
#define AZURE_TRY_AS(expression, result)                                                \
  ({                                                                                    \
    auto result = ::freehold::embedded::azure::internal::ToAzure(expression);           \
    if (!result.ok()) return ::freehold::embedded::azure::AzureFailure(result.error()); \
    ::freehold::embedded::azure::internal::TakeAzureValue(std::move(result));           \
  })
