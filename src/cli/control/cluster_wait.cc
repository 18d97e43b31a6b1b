#include "cli/control/cluster_wait.h"

#include <boost/json.hpp>
#include <map>

#include "cli/control/table.h"
#include "fmt/format.h"

namespace freehold::cli {
namespace {

namespace json = boost::json;

struct Region {
  std::int64_t wanted = 0;
  std::int64_t up = 0;
  std::string problem;  // of one of those that are not
};
using Regions = std::map<std::string, Region>;

Regions CountUp(Regions regions, const json::object& answer) {
  for (const json::value& item : ListOf(answer, "nodes")) {
    const json::object& node = item.as_object();
    const auto region = regions.find(FieldOf(node, "region"));
    if (region == regions.end()) continue;
    if (FieldOf(node, "custody") == "open" && FieldOf(node, "database") == "ready") {
      ++region->second.up;
    } else if (const std::string problem = FieldOf(node, "problem"); !problem.empty()) {
      region->second.problem = ": " + problem;
    }
  }
  return regions;
}

}  // namespace

WaitedFor StateIs(std::string_view wanted, std::string_view on_the_way) {
  return {[](const json::object& cluster) { return FieldOf(cluster, "service_state"); },
          [wanted, on_the_way](const json::object& cluster) -> Result<bool> {
            const std::string state = FieldOf(cluster, "service_state");
            if (state == wanted || state == on_the_way) return state == wanted;
            return Error(ErrorCode::kPrecondition, fmt::format("the cluster is {}", state));
          }};
}

WaitedFor NodesAreUp(const json::object& cluster) {
  Regions regions;
  for (const json::value& item : ListOf(cluster, "regions")) {
    const json::object& region = item.as_object();
    regions[FieldOf(region, "name")].wanted = region.at("node_count").to_number<std::int64_t>();
  }
  return {[regions](const json::object& answer) {
            std::string text;
            for (const auto& [name, region] : CountUp(regions, answer)) {
              text += fmt::format("{}{}: {} of {} nodes up{}", text.empty() ? "" : ", ", name,
                                  region.up, region.wanted, region.problem);
            }
            return text;
          },
          [regions](const json::object& answer) -> Result<bool> {
            for (const auto& [name, region] : CountUp(regions, answer)) {
              if (region.up < region.wanted) return false;
            }
            return true;
          }};
}

}  // namespace freehold::cli
