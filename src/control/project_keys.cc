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

// That it has, or had.
bool IsOfProject(const Project& project, const api::RegionSpec& key) {
  const auto is_same = [&](const api::RegionSpec& other) {
    return other.region == key.region && api::SameKey(other.key_spec, key.key_spec);
  };
  return std::any_of(project.keys.begin(), project.keys.end(), is_same) ||
         std::any_of(project.past_keys.begin(), project.past_keys.end(), is_same);
}

}  // namespace

Status CheckNotRevoked(const Project& project) {
  if (!project.revoked.has_value()) return {};
  return Error(ErrorCode::kPrecondition,
               "the project's keys are revoked; restore them before anything else");
}

Status CheckTakesKeys(const Project& project) {
  if (project.cmek_enabled) return {};
  return Error(ErrorCode::kPrecondition,
               "the project was made without customer-managed keys, and takes none");
}

Status AddKeys(Project& project, const Organization& organization,
               const std::vector<api::RegionSpec>& specs) {
  for (const api::RegionSpec& spec : specs) {
    const api::RegionSpec* present = KeyOf(project.keys, spec.region);
    if (present != nullptr && !api::SameKey(present->key_spec, spec.key_spec)) {
      TRY(CheckTakesKeys(project));
      TRY(CheckGranted(organization, specs));
      return Error(ErrorCode::kPrecondition,
                   fmt::format("the project has its key for the region '{}' already", spec.region));
    }
  }
  return ReplaceKeys(project, organization, specs);
}

Status ReplaceKeys(Project& project, const Organization& organization,
                   const std::vector<api::RegionSpec>& specs) {
  TRY(CheckTakesKeys(project));
  TRY(CheckNotRevoked(project));
  for (const api::RegionSpec& spec : specs) {
    TRY(CheckLabel("region", spec.region, kLongestRegionName));
  }
  TRY(CheckGranted(organization, specs));
  std::vector<api::RegionSpec> keys = project.keys;
  std::vector<api::RegionSpec> past = project.past_keys;
  for (const api::RegionSpec& spec : specs) {
    const auto present = std::find_if(keys.begin(), keys.end(), [&](const api::RegionSpec& key) {
      return key.region == spec.region;
    });
    std::erase(past, spec);
    if (present == keys.end()) {
      keys.push_back(spec);
    } else if (!api::SameKey(present->key_spec, spec.key_spec)) {
      past.push_back(*present);
      *present = spec;
    }
  }
  if (keys.size() > kMostRegions) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("a project has at most {} keys", kMostRegions));
  }
  std::sort(keys.begin(), keys.end(),
            [](const api::RegionSpec& a, const api::RegionSpec& b) { return a.region < b.region; });
  project.keys = std::move(keys);
  project.past_keys = std::move(past);
  return {};
}

Result<std::vector<api::RegionSpec>> SpecsToFollow(const Project& project, const Cluster& cluster,
                                                   const std::vector<api::RegionSpec>& specs) {
  std::vector<api::RegionSpec> wanted;
  for (const Region& region : cluster.regions) {
    const api::RegionSpec* spec = KeyOf(specs, region.name);
    if (spec == nullptr) continue;
    if (!region.keys.empty() && !IsOfProject(project, {region.name, region.keys.front().spec})) {
      return Error(ErrorCode::kPrecondition,
                   fmt::format("its key in the region '{}' is its own, and stays as it is; PUT on "
                               "its own cmek changes it",
                               region.name));
    }
    wanted.push_back(*spec);
  }
  return wanted;
}

std::string RegionWithAnother(const Project& project, const Cluster& cluster) {
  for (const Region& region : cluster.regions) {
    const api::RegionSpec* wanted = KeyOf(project.keys, region.name);
    if (wanted == nullptr) continue;
    if (region.keys.empty() || !api::SameKey(region.keys.front().spec, wanted->key_spec)) {
      return region.name;
    }
  }
  return "";
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
