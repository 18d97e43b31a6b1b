// The operator's identity for one cluster: what its customer trusts, so that the host of another
// customer's cluster cannot act for it.
//
// It is a template of the operator's, the same at the server, which shows it, and at the agents,
// which take it on: "arn:aws:iam::444455556666:role/freehold-{cluster_id}". {cluster_prefix} is the
// first 13 characters of the id, for names that must be short. Errors: kInvalidArgument. Threads:
// values. Spec: docs/api/agents.md.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "kms/key_uri.h"

namespace freehold::api {

// Of "AWS_KMS=TEMPLATE" words: kinds of KMS that know such identities, each once.
Result<std::map<KmsType, std::string>> ParseClusterIdentities(
    const std::vector<std::string>& words);

std::string ClusterIdentity(std::string_view pattern, std::string_view cluster_id);

// The environment variable that a provider takes it from.
std::string_view IdentityVariable(KmsType type);

}  // namespace freehold::api
