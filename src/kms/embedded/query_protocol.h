// The Query protocol of STS and IAM: a form in, XML out.
//
// Knows the forms, the XML around an answer and how the error names of the JSON services are
// called here; not what operations do. Threads: safe.
// Spec: "Query requests" in the STS and IAM API references.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "kms/embedded/aws_failure.h"
#include "kms/embedded/call.h"
#include "kms/embedded/key_store.h"

namespace freehold::embedded {

class Form {
 public:
  // Percent-decoding never fails: what is not an escape stands for itself.
  static Form Parse(std::string_view body);

  std::string Get(std::string_view name) const;  // "" when absent
  bool Has(std::string_view name) const;
  // Present, of a length within the bounds, of letters, digits and +=,.@_- (and `more`).
  AwsResult<std::string> Name(std::string_view name, std::size_t least, std::size_t most,
                              std::string_view more = "") const;

 private:
  std::map<std::string, std::string, std::less<>> fields_;
};

AwsFailure QueryValidationFailure(std::string message);

struct QueryOperation {
  KeyStore& store;
  std::shared_ptr<const State> state;
  const Form& form;
  Call& call;
};

// The inside of <XResult>.
using QueryAnswer = AwsResult<std::string>;

// sts_operations.cc
QueryAnswer AssumeRole(QueryOperation& op);
QueryAnswer GetCallerIdentity(QueryOperation& op);
// iam_operations.cc: the operation called `name`, or InvalidAction.
QueryAnswer RunIam(std::string_view name, QueryOperation& op);

std::string Element(std::string_view name, std::string_view text);   // escapes
std::string Nested(std::string_view name, std::string_view inside);  // does not

// A whole document.
std::string QueryAnswerXml(std::string_view service, std::string_view operation,
                           std::string_view inside, std::string_view request_id);
std::string QueryErrorXml(std::string_view service, const AwsFailure& failure,
                          std::string_view request_id);

// "UnrecognizedClientException" 400 -> "InvalidClientTokenId" 403, and so on.
AwsFailure AsQueryFailure(AwsFailure failure);

}  // namespace freehold::embedded
