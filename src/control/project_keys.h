// A project's keys: one for a region, for all clusters that are made in it.
//
// A cluster takes a copy. It follows when the project's key changes, as long as its own is one that
// the project has or had. Errors: kPrecondition,
// kInvalidArgument, kForbidden with one sentence, and then nothing has changed. Threads: values.
// Spec: docs/api/projects.md, docs/api/other-services.md.
#pragma once

#include <vector>

#include "control/model.h"

namespace freehold::control {

// kPrecondition for a project without CMEK.
Status CheckTakesKeys(const Project& project);

Status CheckNotRevoked(const Project& project);

// A region that has its key keeps it.
Status AddKeys(Project& project, const Organization& organization,
               const std::vector<api::RegionSpec>& specs);

// Another key for these regions, or a first one.
Status ReplaceKeys(Project& project, const Organization& organization,
                   const std::vector<api::RegionSpec>& specs);

// Those of `specs`, keys that the project has now, that the cluster is to take. kPrecondition when
// it could take one, and has a key of its own there.
Result<std::vector<api::RegionSpec>> SpecsToFollow(const Project& project, const Cluster& cluster,
                                                   const std::vector<api::RegionSpec>& specs);

// A region of the cluster whose key is another than the project's; "" = there is none.
std::string RegionWithAnother(const Project& project, const Cluster& cluster);

// Adds the project's key to `specs` for every region of the cluster that has none there and none of
// its own. In a project with CMEK, kPrecondition for a region that is left without.
Status TakeProjectKeys(const Project& project, const Cluster& cluster,
                       std::vector<api::RegionSpec>& specs);

}  // namespace freehold::control
