// Organizations.
#include "cli/control/commands.h"
#include "cli/control/custody_bounds.h"
#include "cli/control/names.h"
#include "cli/control/table.h"
#include "fmt/format.h"

namespace freehold::cli {
namespace {

namespace json = boost::json;

void PrintOrganizations(const json::array& items) {
  std::vector<Row> rows;
  for (const json::value& item : items) {
    const json::object& one = item.as_object();
    rows.push_back({FieldOf(one, "name"), FieldOf(one, "id"), FieldOf(one, "cmek_granted"),
                    FieldOf(one, "unique_keys"), FieldOf(one, "allowed_kms_types")});
  }
  PrintTable({"NAME", "ID", "CMEK GRANTED", "UNIQUE KEYS", "KMS TYPES"}, rows);
}

void PrintOrganization(const json::object& one) {
  PrintFields({{"name", FieldOf(one, "name")},
               {"id", FieldOf(one, "id")},
               {"made at", FieldOf(one, "created_at")},
               {"CMEK granted", FieldOf(one, "cmek_granted")},
               {"a key for each", FieldOf(one, "unique_keys")},
               {"KMS types", FieldOf(one, "allowed_kms_types")},
               {"custody", CustodyBoundsText(ObjectOf(one, "custody_bounds"))}});
}

// {"us-east-1": ["AWS_KMS"]} of "us-east-1=AWS_KMS".
Result<json::object> AllowedTypes(const std::vector<std::string>& allow) {
  json::object types;
  for (const std::string& text : allow) {
    const auto equals = text.find('=');
    if (equals == std::string::npos || equals == 0) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("--allow: '{}' is not REGION=TYPE,TYPE", text));
    }
    json::array list;
    for (std::size_t start = equals + 1; start < text.size();) {
      const auto end = std::min(text.find(',', start), text.size());
      list.emplace_back(text.substr(start, end - start));
      start = end + 1;
    }
    types[text.substr(0, equals)] = std::move(list);
  }
  return types;
}

Result<json::object> BoundsOf(const OrganizationFlags& flags) {
  json::object body;
  if (flags.cmek_granted.has_value()) body["cmek_granted"] = *flags.cmek_granted;
  if (flags.unique_keys.has_value()) body["unique_keys"] = *flags.unique_keys;
  if (!flags.allow.empty()) body["allowed_kms_types"] = TRY(AllowedTypes(flags.allow));
  if (!flags.custody.empty()) body["custody_bounds"] = TRY(CustodyBoundsOf(flags.custody));
  return body;
}

}  // namespace

Status OrganizationList(const OrganizationFlags& flags) {
  ApiClient api = TRY(Connect(flags.common));
  Show(TRY(api.List(kOrganizations.path, kOrganizations.field)), flags.common, PrintOrganizations);
  return {};
}

Status OrganizationShow(const OrganizationFlags& flags) {
  ApiClient api = TRY(Connect(flags.common));
  const std::string path = TRY(PathOf(api, kOrganizations, flags.organization));
  Show(TRY(api.Get(path)), flags.common, PrintOrganization);
  return {};
}

Status OrganizationCreate(const OrganizationFlags& flags) {
  json::object body = TRY(BoundsOf(flags));
  body["name"] = flags.organization;
  ApiClient api = TRY(Connect(flags.common));
  Show(TRY(api.Send("POST", kOrganizations.path, body)), flags.common, PrintOrganization);
  return {};
}

Status OrganizationUpdate(const OrganizationFlags& flags) {
  const json::object body = TRY(BoundsOf(flags));
  ApiClient api = TRY(Connect(flags.common));
  const std::string path = TRY(PathOf(api, kOrganizations, flags.organization));
  Show(TRY(api.Send("PATCH", path, body)), flags.common, PrintOrganization);
  return {};
}

}  // namespace freehold::cli
