#include "server/schemas.h"

#include "api/cmek.h"
#include "control/access.h"

namespace freehold::server {
namespace {

constexpr bool kClosed = true;
constexpr bool kOpen = false;

std::vector<std::string_view> StatusNames() {
  std::vector<std::string_view> names;
  for (auto i = 0; i <= static_cast<int>(api::CmekStatus::kRevokeFailed); ++i) {
    names.push_back(NameOf(static_cast<api::CmekStatus>(i)));
  }
  return names;
}

std::vector<std::string_view> KmsTypeNames() {
  std::vector<std::string_view> names;
  for (auto i = 0; i <= static_cast<int>(KmsType::kPkcs11); ++i) {
    names.push_back(NameOf(static_cast<KmsType>(i)));
  }
  return names;
}

std::vector<std::string_view> RoleNames() {
  std::vector<std::string_view> names;
  for (const control::Role role : control::AllRoles()) names.push_back(NameOf(role));
  return names;
}

}  // namespace

const std::vector<EnumSchema>& AllEnums() {
  static const std::vector<EnumSchema> enums = {
      {"CmekStatus", StatusNames()},
      {"CmekAction", {"REVOKE", "RESTORE"}},
      {"KmsType", KmsTypeNames()},
      {"RoleName", RoleNames()},
  };
  return enums;
}

const std::vector<QueryParameter>& AllQueryParameters() {
  static const std::vector<QueryParameter> parameters = {
      {"pagination.limit", "integer", "How many at once: 1 to 500, 100 unless said"},
      {"pagination.page", "string", "The next_page of the page before"},
      {"organization_id", "string", "For the operator: whose; one's own unless said"},
      {"lost", "string", "true: it will never come back"},
      {"after", "integer", "The sequence of the last entry seen"},
      {"limit", "integer", "How many at once: 1 to 1000, 100 unless said"},
      {"page", "integer", "From 1"},
      {"page_size", "integer", "1 to 100, 10 unless said"},
  };
  return parameters;
}

const std::vector<Schema>& AllSchemas() {
  static const std::vector<Schema> schemas = {
      // ---- what everybody shares ----
      {"Empty", kOpen, {}},
      {"Status",
       kOpen,
       {{"code", "integer", "google.rpc.Code"},
        {"message", "string", "One sentence"},
        {"details", "[any]"}}},
      {"Pagination", kOpen, {{"next_page", "string", "Empty: this was the last one"}}},
      // ---- organizations and projects ----
      {"NewOrganization",
       kClosed,
       {{"name", "string"},
        {"cmek_granted?", "boolean", "Whether its clusters may have customer-managed keys"},
        {"unique_keys?", "boolean", "Whether each cluster needs a key of its own"},
        {"allowed_kms_types?", "{[KmsType]}", "By region; '*' for those that are not named"}}},
      {"OrganizationChange",
       kClosed,
       {{"cmek_granted?", "boolean"},
        {"unique_keys?", "boolean"},
        {"allowed_kms_types?", "{[KmsType]}"}}},
      {"Organization",
       kOpen,
       {{"id", "string"},
        {"name", "string"},
        {"created_at", "time"},
        {"cmek_granted", "boolean"},
        {"unique_keys", "boolean"},
        {"allowed_kms_types", "{[KmsType]}"}}},
      {"OrganizationList",
       kOpen,
       {{"organizations", "[Organization]"}, {"pagination", "Pagination"}}},
      {"NewProject",
       kClosed,
       {{"name", "string"},
        {"cmek_enabled?", "boolean", "Whether its clusters have customer-managed keys"}}},
      {"Project",
       kOpen,
       {{"id", "string"},
        {"organization_id", "string"},
        {"name", "string"},
        {"created_at", "time"},
        {"cmek_enabled", "boolean"}}},
      {"ProjectList", kOpen, {{"projects", "[Project]"}, {"pagination", "Pagination"}}},
      // ---- service accounts and API keys ----
      {"Role",
       kClosed,
       {{"role", "RoleName"},
        {"project_id?", "string", "Held there and below it"},
        {"cluster_id?", "string"}}},
      {"NewServiceAccount",
       kClosed,
       {{"name", "string"}, {"organization_id?", "string"}, {"roles", "[Role]"}}},
      {"ServiceAccount",
       kOpen,
       {{"id", "string"},
        {"organization_id", "string", "Empty: the operator's own"},
        {"name", "string"},
        {"created_at", "time"},
        {"roles", "[Role]"}}},
      {"ServiceAccountList",
       kOpen,
       {{"service_accounts", "[ServiceAccount]"}, {"pagination", "Pagination"}}},
      {"NewApiKey", kClosed, {{"name", "string"}}},
      {"ApiKey",
       kOpen,
       {{"id", "string"},
        {"service_account_id", "string"},
        {"name", "string"},
        {"created_at", "time"}}},
      {"ApiKeyWithSecret",
       kOpen,
       {{"id", "string"},
        {"service_account_id", "string"},
        {"name", "string"},
        {"created_at", "time"},
        {"secret", "string", "The whole key, shown this once"}}},
      {"ApiKeyList", kOpen, {{"api_keys", "[ApiKey]"}}},
      // ---- clusters ----
      {"NewCluster",
       kClosed,
       {{"name", "string", "1 to 40 small letters, digits and hyphens"},
        {"project_id?", "string"},
        {"provider?", "any", "Not looked at"},
        {"spec", "NewClusterSpec"}}},
      {"NewClusterSpec", kClosed, {{"dedicated", "NewDedicated"}}},
      {"NewDedicated",
       kClosed,
       {{"region_nodes", "{integer}", "Nodes by region"},
        {"cmek_region_specs?", "[RegionSpec]", "A key for every region"},
        {"hardware?", "any", "Not looked at"},
        {"cockroach_version?", "any", "Not looked at"},
        {"network_visibility?", "any", "Not looked at"}}},
      {"ClusterChange",
       kClosed,
       {{"dedicated?", "AddedRegions"}, {"region_specs?", "[RegionSpec]"}}},
      {"AddedRegions",
       kClosed,
       {{"region_nodes?", "{integer}"},
        {"cmek_region_specs?", "[RegionSpec]"},
        {"hardware?", "any", "Not looked at"}}},
      {"ClusterRegion", kOpen, {{"name", "string"}, {"node_count", "integer"}}},
      {"Cluster",
       kOpen,
       {{"id", "string"},
        {"name", "string"},
        {"organization_id", "string", "The external id of a role's trust policy"},
        {"project_id", "string"},
        {"account_id", "string", "The cloud account to trust"},
        {"state", "string", "CREATING, CREATED or DELETED"},
        {"service_state", "string", "creating, running, stopping, stopped, starting, deleting"},
        {"regions", "[ClusterRegion]"},
        {"created_at", "time"},
        {"updated_at", "time"}}},
      {"ClusterState", kClosed, {{"command", "string", "start, or stop: its nodes seal in order"}}},
      {"NewJoinToken",
       kClosed,
       {{"region", "string"}, {"cluster_id?", "string", "That the node is pinned to"}}},
      {"JoinToken",
       kOpen,
       {{"id", "string"},
        {"region", "string"},
        {"cluster_id", "string"},
        {"token", "string", "Shown this once; for freehold agent --join-file"},
        {"expires_at", "time"}}},
      {"Node",
       kOpen,
       {{"id", "string"},
        {"region", "string"},
        {"cluster_id", "string", "Empty: it is free"},
        {"pinned", "boolean"},
        {"joined_at", "time"}}},
      {"NodeList", kOpen, {{"nodes", "[Node]"}}},
      {"NodeState",
       kOpen,
       {{"id", "string"},
        {"region", "string"},
        {"connected", "boolean"},
        {"reported_at", "time"},
        {"custody", "string", "open, grace, sealing, sealed or opening; empty: no volume yet"},
        {"custody_reason", "string"},
        {"message", "string", "The KMS's own words"},
        {"since", "time?"},
        {"last_verified_at", "time?"},
        {"lease_expires_at", "time?"},
        {"database", "string", "down, starting or ready"},
        {"key_uri", "string"},
        {"old_key_bytes", "integer", "That a key which was left can still read"},
        {"problem", "string"}}},
      {"NodeStateList", kOpen, {{"nodes", "[NodeState]"}}},
      {"ClusterList", kOpen, {{"clusters", "[Cluster]"}, {"pagination", "Pagination"}}},
      // ---- their keys ----
      {"KeySpec",
       kClosed,
       {{"type", "KmsType"},
        {"uri", "string", "As the KMS writes it, or with a scheme"},
        {"auth_principal?", "string", "A role's ARN, a service account, a tenant"}}},
      {"RegionSpec", kClosed, {{"region", "string"}, {"key_spec", "KeySpec"}}},
      {"CmekSpecs", kClosed, {{"region_specs", "[RegionSpec]"}}},
      {"CmekActionBody", kClosed, {{"action", "CmekAction"}}},
      {"CmekKeyInfo",
       kOpen,
       {{"status", "CmekStatus"},
        {"user_message", "string", "Why it failed, in the KMS's words"},
        {"created_at", "time"},
        {"updated_at", "time"},
        {"spec", "KeySpec"}}},
      {"Custody",
       kOpen,
       {{"state", "string", "open, opening, grace, sealing, sealed; the worst node's"},
        {"reason", "string"},
        {"message", "string", "The KMS's own words"},
        {"old_key_bytes", "integer", "That a key which was left can still read"},
        {"since", "time?"},
        {"last_verified_at", "time?"},
        {"lease_expires_at", "time?"},
        {"nodes", "[string]"}}},
      {"CmekRegionInfo",
       kOpen,
       {{"region", "string"},
        {"status", "CmekStatus"},
        {"key_infos", "[CmekKeyInfo]", "The newest first"},
        {"last_verified_at?", "time?"},
        {"lease_expires_at?", "time?"},
        {"custody?", "Custody"}}},
      {"CmekClusterInfo",
       kOpen,
       {{"status", "CmekStatus"}, {"region_infos", "[CmekRegionInfo]", "Sorted by name"}}},
      // ---- the audit log ----
      {"AuditEntry",
       kOpen,
       {{"sequence", "integer", "Rises in the order of the changes"},
        {"id", "string"},
        {"action", "string"},
        {"created_at", "time"},
        {"organization_id", "string"},
        {"project_id", "string"},
        {"cluster_id", "string"},
        {"cluster_name", "string"},
        {"service_account_id", "string"},
        {"service_account_name", "string"},
        {"payload", "any", "What was asked for, without secrets"}}},
      {"AuditLog", kOpen, {{"entries", "[AuditEntry]"}}},
      // ---- projects as TiDB Cloud has them ----
      {"BetaNewProject", kClosed, {{"name", "string"}, {"aws_cmek_enabled?", "boolean"}}},
      {"BetaProjectId", kOpen, {{"id", "string"}}},
      {"BetaProject",
       kOpen,
       {{"id", "string"},
        {"org_id", "string"},
        {"name", "string"},
        {"cluster_count", "integer"},
        {"create_timestamp", "string", "Seconds since 1970"},
        {"aws_cmek_enabled", "boolean"}}},
      {"BetaProjectList", kOpen, {{"items", "[BetaProject]"}, {"total", "integer"}}},
      {"AwsCmekSpec", kClosed, {{"region", "string"}, {"kms_arn", "string"}}},
      {"AwsCmekSpecs", kClosed, {{"specs", "[AwsCmekSpec]"}}},
      {"AwsCmekList", kOpen, {{"items", "[AwsCmekSpec]"}}},
      // ---- services as ClickHouse Cloud has them ----
      {"ServiceChange",
       kClosed,
       {{"transparentDataEncryptionKeyId", "string", "The key to rotate to"}}},
      {"Service",
       kOpen,
       {{"id", "string"},
        {"name", "string"},
        {"provider?", "string", "aws, gcp or azure: of its key"},
        {"region", "string", "The first one"},
        {"state", "string", "provisioning, running, stopping, stopped, starting or terminating"},
        {"createdAt", "time"},
        {"hasTransparentDataEncryption", "boolean"},
        {"transparentDataEncryptionKeyId?", "string"},
        {"encryptionRoleId?", "string", "Whom the key's owner has to authorize"}}},
      {"ServiceAnswer",
       kOpen,
       {{"status", "integer"}, {"requestId", "string"}, {"result", "Service"}}},
      {"ServiceError",
       kOpen,
       {{"status", "integer"}, {"requestId", "string"}, {"error", "string"}}},
  };
  return schemas;
}

}  // namespace freehold::server
