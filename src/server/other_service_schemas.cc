#include "server/schema_parts.h"

namespace freehold::server {
std::vector<Schema> OtherServiceSchemas() {
  return {
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
}

}  // namespace freehold::server
