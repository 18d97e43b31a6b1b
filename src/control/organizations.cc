#include "control/organizations.h"

#include <boost/json.hpp>

#include "base/bytes.h"
#include "control/audit.h"
#include "control/cmek.h"
#include "control/project_keys.h"
#include "crypto/uuid.h"
#include "fmt/format.h"
#include "kms/key_uri.h"

namespace freehold::control {
namespace {

Status Apply(const OrganizationChange& change, Organization& organization) {
  if (change.cmek_granted.has_value()) organization.cmek_granted = *change.cmek_granted;
  if (change.unique_keys.has_value()) organization.unique_keys = *change.unique_keys;
  if (change.custody_bounds.has_value()) organization.custody_bounds = *change.custody_bounds;
  if (change.allowed_kms_types.has_value()) {
    for (const auto& [region, types] : *change.allowed_kms_types) {
      for (const std::string& type : types) {
        if (auto known = KmsTypeFromName(type); !known.ok()) {
          return known.error().Because(fmt::format("allowed_kms_types.{}", Printable(region)));
        }
      }
    }
    organization.allowed_kms_types = *change.allowed_kms_types;
  }
  return {};
}

boost::json::object PayloadOf(const Organization& organization) {
  boost::json::object types;
  for (const auto& [region, list] : organization.allowed_kms_types) {
    types[region] = boost::json::array(list.begin(), list.end());
  }
  return {{"name", organization.name},
          {"cmek_granted", organization.cmek_granted},
          {"unique_keys", organization.unique_keys},
          {"allowed_kms_types", std::move(types)},
          {"custody_bounds", api::ToJson(organization.custody_bounds)}};
}

}  // namespace

Result<Organization> Organizations::Create(const Caller& caller, const std::string& name,
                                           const OrganizationChange& bounds) {
  TRY(caller.Require(Permission::kManageOrganizations, {}));
  TRY(CheckName(name));
  Organization made;
  made.id = NewUuid();
  made.name = name;
  made.created_at = clock_.Wall();
  TRY(Apply(bounds, made));
  TRY(ChangeAs(store_, caller, [&](Transaction& transaction) -> Status {
    TRY(transaction.Put(ToRecord(made)));
    return Note(transaction, clock_, caller, {"CREATE_ORGANIZATION", {made.id, "", ""}},
                PayloadOf(made));
  }));
  return made;
}

Result<Organization> Organizations::Get(const Caller& caller, const std::string& id) {
  TRY(Require(caller, Permission::kRead, {id, "", ""}, "organization", id));
  Organization found;
  TRY(store_.Read([&](Transaction& transaction) -> Status {
    found = TRY(Load<Organization>(transaction, Kind::kOrganization, id, "organization"));
    return {};
  }));
  return found;
}

Result<std::vector<Organization>> Organizations::List(const Caller& caller, const Page& page) {
  std::vector<Organization> all;
  if (!caller.organization.empty()) {
    if (page.after < caller.organization) {
      all.push_back(TRY(Get(caller, caller.organization)));
    }
    return all;
  }
  TRY(caller.Require(Permission::kManageOrganizations, {}));
  TRY(store_.Read([&](Transaction& transaction) -> Status {
    all = TRY(LoadAll<Organization>(transaction, Kind::kOrganization, "", page));
    return {};
  }));
  return all;
}

Result<Organization> Organizations::Update(const Caller& caller, const std::string& id,
                                           const OrganizationChange& change) {
  TRY(Require(caller, Permission::kManageOrganizations, {id, "", ""}, "organization", id));
  Organization changed;
  TRY(ChangeAs(store_, caller, [&](Transaction& transaction) -> Status {
    changed = TRY(Load<Organization>(transaction, Kind::kOrganization, id, "organization"));
    TRY(Apply(change, changed));
    TRY(transaction.Put(ToRecord(changed)));
    return Note(transaction, clock_, caller, {"UPDATE_ORGANIZATION", {id, "", ""}},
                PayloadOf(changed));
  }));
  return changed;
}

Result<Project> Organizations::CreateProject(const Caller& caller, const std::string& name,
                                             bool cmek_enabled) {
  TRY(caller.Require(Permission::kManageProjects, {caller.organization, "", ""}));
  TRY(CheckName(name));
  Project made;
  made.id = NewUuid();
  made.organization = caller.organization;
  made.name = name;
  made.created_at = clock_.Wall();
  made.cmek_enabled = cmek_enabled;
  TRY(ChangeAs(store_, caller, [&](Transaction& transaction) -> Status {
    const auto organization = TRY(
        Load<Organization>(transaction, Kind::kOrganization, made.organization, "organization"));
    if (cmek_enabled) TRY(CheckGranted(organization, {}));
    TRY(transaction.Put(ToRecord(made)));
    return Note(transaction, clock_, caller, {"CREATE_PROJECT", PlaceOf(made)},
                {{"name", name}, {"cmek_enabled", cmek_enabled}});
  }));
  return made;
}

Result<Project> Organizations::GetProject(const Caller& caller, const std::string& id) {
  Project found;
  TRY(store_.Read([&](Transaction& transaction) -> Status {
    found = TRY(Load<Project>(transaction, Kind::kProject, id, "project"));
    return Require(caller, Permission::kRead, PlaceOf(found), "project", id);
  }));
  return found;
}

Result<std::vector<api::RegionSpec>> Organizations::ProjectKeys(const Caller& caller,
                                                                const std::string& id) {
  Project project = TRY(GetProject(caller, id));
  TRY(CheckTakesKeys(project));
  return std::move(project.keys);
}

Result<Project> Organizations::AddProjectKeys(const Caller& caller, const std::string& id,
                                              const std::vector<api::RegionSpec>& specs) {
  Project changed;
  TRY(ChangeAs(store_, caller, [&](Transaction& transaction) -> Status {
    changed = TRY(Load<Project>(transaction, Kind::kProject, id, "project"));
    TRY(Require(caller, Permission::kManageKeys, PlaceOf(changed), "project", id));
    const auto organization = TRY(
        Load<Organization>(transaction, Kind::kOrganization, changed.organization, "organization"));
    TRY(AddKeys(changed, organization, specs));
    TRY(transaction.Put(ToRecord(changed)));
    return Note(transaction, clock_, caller, {"UPDATE_PROJECT_CMEK", PlaceOf(changed)},
                api::SpecsPayload(specs));
  }));
  return changed;
}

Result<std::vector<Project>> Organizations::ListProjects(const Caller& caller, const Page& page) {
  std::vector<Project> seen;
  TRY(store_.Read([&](Transaction& transaction) -> Status {
    seen = TRY(LoadSeen<Project>(transaction, Kind::kProject, caller, page));
    return {};
  }));
  return seen;
}

}  // namespace freehold::control
