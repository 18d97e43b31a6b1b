#include "control/cluster_view.h"

#include <algorithm>
#include <boost/json.hpp>

#include "fmt/format.h"

namespace freehold::control {

// Every region that is to do something has a node to do it.
Status CheckReady(const Cluster& cluster, const std::vector<NodeState>& nodes,
                  const std::vector<api::RegionSpec>& specs) {
  for (const api::RegionSpec& spec : specs) {
    const auto ready = [&](const NodeState& node) {
      return node.region == spec.region && node.connected;
    };
    if (std::none_of(nodes.begin(), nodes.end(), ready)) {
      return Error(ErrorCode::kNotReady,
                   fmt::format("no node of cluster '{}' in region '{}' is ready; try again later",
                               cluster.name, spec.region));
    }
  }
  return {};
}

boost::json::array KeysOver(const Cluster& cluster) {
  boost::json::array list;
  for (const Region& region : cluster.regions) {
    for (const std::vector<RegionKey>* keys : {&region.keys, &region.left_keys}) {
      for (const RegionKey& key : *keys) {
        boost::json::object row = api::ToJson(key.spec);
        row["region"] = region.name;
        row["versions"] = boost::json::array(key.versions.begin(), key.versions.end());
        list.push_back(std::move(row));
      }
    }
  }
  return list;
}

// The newest key of each region that has one.
std::vector<api::RegionSpec> PresentKeys(const Cluster& cluster) {
  std::vector<api::RegionSpec> present;
  for (const Region& region : cluster.regions) {
    if (!region.keys.empty()) present.push_back({region.name, region.keys.front().spec});
  }
  return present;
}

}  // namespace freehold::control
