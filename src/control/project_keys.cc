#include "control/project_keys.h"

#include <algorithm>

#include "control/cmek.h"
#include "fmt/format.h"

namespace freehold::control {
namespace {

constexpr std::size_t kMostRegions = 50;  // as of a cluster

const api::RegionSpec* KeyOf(const std::vector<api::RegionSpec>& specs, const std::string& region) {
  const auto found = std::find_if(specs.begin(), specs.end(), [&](const api::RegionSpec& spec) {
    return spec.region == region;
  });
  return found == specs.end() ? nullptr : &*found;
}

}  // namespace

Status CheckTakesKeys(const Project& project) {
  if (project.cmek_enabled) return {};
  return Error(ErrorCode::kPrecondition,
               "the project was made without customer-managed keys, and takes none");
}

Status AddKeys(Project& project, const Organization& organization,
               const std::vector<api::RegionSpec>& specs) {
  TRY(CheckTakesKeys(project));
  TRY(CheckGranted(organization, specs));
  std::vector<api::RegionSpec> keys = project.keys;
  for (const api::RegionSpec& spec : specs) {
    const api::RegionSpec* present = KeyOf(keys, spec.region);
    if (present == nullptr) {
      keys.push_back(spec);
    } else if (!api::SameKey(present->key_spec, spec.key_spec)) {
      return Error(ErrorCode::kPrecondition,
                   fmt::format("the project has its key for the region '{}' already", spec.region));
    }
  }
  if (keys.size() > kMostRegions) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("a project has at most {} keys", kMostRegions));
  }
  std::sort(keys.begin(), keys.end(),
            [](const api::RegionSpec& a, const api::RegionSpec& b) { return a.region < b.region; });
  project.keys = std::move(keys);
  return {};
}

Status TakeProjectKeys(const Project& project, const Cluster& cluster,
                       std::vector<api::RegionSpec>& specs) {
  if (!project.cmek_enabled) return {};
  for (const Region& region : cluster.regions) {
    if (!region.keys.empty() || KeyOf(specs, region.name) != nullptr) continue;
    const api::RegionSpec* key = KeyOf(project.keys, region.name);
    if (key == nullptr) {
      return Error(ErrorCode::kPrecondition,
                   fmt::format("the project has no key for the region '{}', and its clusters are "
                               "in regions with a key only",
                               region.name));
    }
    specs.push_back(*key);
  }
  return {};
}

}  // namespace freehold::control
