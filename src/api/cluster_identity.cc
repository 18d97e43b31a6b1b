#include "api/cluster_identity.h"

#include "base/bytes.h"
#include "fmt/format.h"

namespace freehold::api {
namespace {

constexpr std::string_view kWhole = "{cluster_id}";
constexpr std::string_view kPrefix = "{cluster_prefix}";
constexpr std::size_t kPrefixLength = 13;

void ReplaceAll(std::string& text, std::string_view what, std::string_view by) {
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size())) {
    text.replace(at, what.size(), by);
  }
}

}  // namespace

std::string_view IdentityVariable(KmsType type) {
  switch (type) {
    case KmsType::kAwsKms:
      return "FREEHOLD_AWS_ROLE";
    case KmsType::kGcpCloudKms:
      return "FREEHOLD_GCP_ACCOUNT";
    default:
      return "";
  }
}

Result<std::map<KmsType, std::string>> ParseClusterIdentities(
    const std::vector<std::string>& words) {
  std::map<KmsType, std::string> identities;
  for (const std::string& word : words) {
    const auto refuse = [&](std::string_view why) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("--cluster-identity '{}' {}", Printable(word), why));
    };
    const auto equals = word.find('=');
    if (equals == std::string::npos) return refuse("is not TYPE=TEMPLATE");
    const auto type = KmsTypeFromName(word.substr(0, equals));
    if (!type.ok() || IdentityVariable(*type).empty()) {
      return refuse("must begin with AWS_KMS= or GCP_CLOUD_KMS=");
    }
    const std::string pattern = word.substr(equals + 1);
    if (pattern.find(kWhole) == std::string::npos && pattern.find(kPrefix) == std::string::npos) {
      return refuse("names no {cluster_id}: all clusters would be one");
    }
    const bool is_role = pattern.starts_with("arn:") && pattern.find(":role/") != std::string::npos;
    if (*type == KmsType::kAwsKms ? !is_role : pattern.find('@') == std::string::npos) {
      return refuse(*type == KmsType::kAwsKms ? "is no ARN of a role"
                                              : "is no address of a service account");
    }
    if (!identities.emplace(*type, pattern).second) return refuse("is there twice");
  }
  return identities;
}

std::string ClusterIdentity(std::string_view pattern, std::string_view cluster_id) {
  std::string identity(pattern);
  ReplaceAll(identity, kWhole, cluster_id);
  ReplaceAll(identity, kPrefix, cluster_id.substr(0, kPrefixLength));
  return identity;
}

}  // namespace freehold::api
