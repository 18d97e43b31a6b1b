// Organizations, which the operator makes and bounds, and their projects.
//
// Errors: kNotFound, kForbidden, kAlreadyExists, kInvalidArgument. Threads: safe.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "control/model.h"

namespace freehold::control {

// What the operator may set; what is unset stays as it is.
struct OrganizationChange {
  std::optional<bool> cmek_granted;
  std::optional<std::map<std::string, std::vector<std::string>>> allowed_kms_types;
  std::optional<bool> unique_keys;
  std::optional<api::CustodyBounds> custody_bounds;  // all of them
};

class Organizations {
 public:
  Organizations(Store& store, const Clock& clock) : store_(store), clock_(clock) {}

  Result<Organization> Create(const Caller& caller, const std::string& name,
                              const OrganizationChange& bounds);
  Result<Organization> Get(const Caller& caller, const std::string& id);
  // All of them for the operator; their own for others.
  Result<std::vector<Organization>> List(const Caller& caller, const Page& page);
  Result<Organization> Update(const Caller& caller, const std::string& id,
                              const OrganizationChange& change);

  Result<Project> CreateProject(const Caller& caller, const std::string& name, bool cmek_enabled);
  Result<Project> GetProject(const Caller& caller, const std::string& id);
  Result<std::vector<Project>> ListProjects(const Caller& caller, const Page& page);
  // kPrecondition for a project without CMEK.
  Result<std::vector<api::RegionSpec>> ProjectKeys(const Caller& caller, const std::string& id);
  // Keys for the regions of the project's clusters to come; one that is there already stays as it
  // is: another one for the region is refused, as clusters change their keys each for itself.
  Result<Project> AddProjectKeys(const Caller& caller, const std::string& id,
                                 const std::vector<api::RegionSpec>& specs);

 private:
  Store& store_;
  const Clock& clock_;
};

}  // namespace freehold::control
