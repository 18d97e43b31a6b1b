// GoogleDialect: Cloud KMS and as much of IAM as a key needs, at the embedded KMS.
//
//   DIR/google/store           all that is remembered, sealed and checked
//   DIR/google/customer.json   credentials of the owner of customer-project, for
//   DIR/google/operator.json   GOOGLE_APPLICATION_CREDENTIALS; and of operator-project
//
// Errors: every request gets an answer of Google's. Threads: Handle() from any.
// Spec: Cloud KMS REST v1; IAM REST v1; IAM Service Account Credentials REST v1; RFC 7523.
#pragma once

#include <memory>
#include <string>

#include "kms/embedded/dialect.h"
#include "kms/embedded/master_key.h"

namespace freehold::embedded::google {

// `master` outlives the dialect. The first start makes the two projects.
Result<std::unique_ptr<Dialect>> OpenDialect(const std::string& directory, const MasterKey& master);

}  // namespace freehold::embedded::google
