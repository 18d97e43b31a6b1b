#include "server/schemas.h"

#include "api/cmek.h"
#include "control/access.h"
#include "server/schema_parts.h"

namespace freehold::server {
namespace {

std::vector<std::string_view> StatusNames() {
  std::vector<std::string_view> names;
  for (auto i = 0; i <= static_cast<int>(api::CmekStatus::kRevokeFailed); ++i) {
    names.push_back(NameOf(static_cast<api::CmekStatus>(i)));
  }
  return names;
}

std::vector<std::string_view> KmsTypeNames() {
  std::vector<std::string_view> names;
  for (auto i = 0; i <= static_cast<int>(KmsType::kKmip); ++i) {
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
      {"CmekAction", {"REVOKE", "RESTORE", "DISENROL", "REKEY", "REENCRYPT"}},
      {"OnDenied", {"seal", "alert"}},
      {"OnKeyReturn", {"auto", "manual"}},
      {"KmsType", KmsTypeNames()},
      {"RoleName", RoleNames()},
      {"ContactPurpose", {"TECHNICAL", "SECURITY"}},
      {"ContactType", {"EMAIL", "WEBHOOK"}},
  };
  return enums;
}

const std::vector<QueryParameter>& AllQueryParameters() {
  static const std::vector<QueryParameter> parameters = {
      {"pagination.limit", "integer", "How many at once: 1 to 500, 100 unless said"},
      {"pagination.page", "string", "The next_page of the page before"},
      {"organization_id", "string", "For the operator: whose; one's own unless said"},
      {"lost", "boolean", "true: it will never come back"},
      {"duplicated", "boolean", "true: two hosts had its identity, and that is known"},
      {"uri", "string", "The key, in any form of its URI"},
      {"after", "integer", "The position of the last entry seen"},
      {"limit", "integer", "How many at once: 1 to 1000, 100 unless said"},
      {"page", "integer", "From 1"},
      {"page_size", "integer", "1 to 100, 10 unless said"},
  };
  return parameters;
}
const std::vector<Schema>& AllSchemas() {
  static const std::vector<Schema> schemas = [] {
    std::vector<Schema> all = {
        // ---- what everybody shares ----
        {"Empty", kOpen, {}},
        {"Status",
         kOpen,
         {{"code", "integer", "google.rpc.Code"},
          {"message", "string", "One sentence"},
          {"details", "[any]"}}},
        {"Pagination", kOpen, {{"next_page", "string", "Empty: this was the last one"}}},
    };
    for (const auto& part :
         {OrganizationSchemas(), ClusterSchemas(), TellingSchemas(), OtherServiceSchemas()}) {
      all.insert(all.end(), part.begin(), part.end());
    }
    return all;
  }();
  return schemas;
}

}  // namespace freehold::server
