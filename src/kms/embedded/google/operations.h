// The operations of Google's dialect, one function each; api.cc says which request is which.
//
// Errors: GoogleFailure. Threads: one operation, one thread.
// Spec: Cloud KMS REST v1; IAM REST v1; Resource Manager REST v1 for a project's policy.
#pragma once

#include "kms/embedded/google/operation.h"

namespace freehold::embedded::google {

// ring_operations.cc
Answer CreateKeyRing(Operation& op);
Answer GetKeyRing(Operation& op);
Answer ListKeyRings(Operation& op);

// key_operations.cc
Answer CreateCryptoKey(Operation& op);
Answer GetCryptoKey(Operation& op);
Answer ListCryptoKeys(Operation& op);
Answer UpdateCryptoKey(Operation& op);
Answer UpdatePrimaryVersion(Operation& op);

// version_operations.cc
Answer CreateVersion(Operation& op);
Answer GetVersion(Operation& op);
Answer ListVersions(Operation& op);
Answer UpdateVersion(Operation& op);
Answer DestroyVersion(Operation& op);
Answer RestoreVersion(Operation& op);

// crypto_operations.cc
Answer Encrypt(Operation& op);
Answer Decrypt(Operation& op);

// import_operations.cc
Answer CreateImportJob(Operation& op);
Answer GetImportJob(Operation& op);
Answer ListImportJobs(Operation& op);
Answer ImportVersion(Operation& op);

// policy_operations.cc
Answer GetIamPolicy(Operation& op);
Answer SetIamPolicy(Operation& op);
Answer TestIamPermissions(Operation& op);

// account_operations.cc
Answer CreateServiceAccount(Operation& op);
Answer GetServiceAccount(Operation& op);
Answer ListServiceAccounts(Operation& op);
Answer DeleteServiceAccount(Operation& op);
Answer DisableServiceAccount(Operation& op);
Answer EnableServiceAccount(Operation& op);
Answer CreateAccountKey(Operation& op);
Answer DeleteAccountKey(Operation& op);

}  // namespace freehold::embedded::google
