// The table of the KMS protocol's operations: names, what runs them, what their events show.
// Threads: safe.
#pragma once

#include <string_view>

#include "kms/embedded/kms_operation.h"

namespace freehold::embedded {

struct KmsOperationRow {
  std::string_view name;
  KmsAnswer (*run)(KmsOperation&);
  bool read_only;
};

// Null for names that are not served.
const KmsOperationRow* FindKmsOperation(std::string_view name);

// UnsupportedOperationException for what AWS KMS has and this one does not, else
// UnknownOperationException.
AwsFailure NoSuchKmsOperation(std::string_view name);

// The request's parameters that an event may show, in CloudTrail's spelling ("keyId").
boost::json::object LoggedParameters(const boost::json::object& request);

}  // namespace freehold::embedded
