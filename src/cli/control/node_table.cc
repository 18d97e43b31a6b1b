#include "cli/control/node_table.h"

#include <boost/json.hpp>
#include <map>

#include "cli/control/key_table.h"
#include "cli/control/repair.h"
#include "cli/control/table.h"
#include "cli/output.h"
#include "fmt/format.h"

namespace freehold::cli {
namespace {

namespace json = boost::json;
using Fields = std::vector<std::pair<std::string, std::string>>;

std::string YesOrNo(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value != nullptr && value->is_bool() && value->as_bool() ? "yes" : "no";
}

// "sealed (denied)"
std::string CustodyText(const std::string& state, const std::string& reason) {
  return reason.empty() ? state : fmt::format("{} ({})", state, reason);
}

void Append(std::string& list, const std::string& item) {
  list += (list.empty() ? "" : ", ") + item;
}

json::array NodesIn(const json::array& nodes, const std::string& region) {
  json::array here;
  for (const json::value& node : nodes) {
    if (FieldOf(node.as_object(), "region") == region) here.push_back(node);
  }
  return here;
}

// "2 of 3 nodes: ID, ID"
std::string SeenBy(const json::array& nodes, const json::object& custody) {
  std::string names;
  std::size_t count = 0;
  for (const json::value& item : nodes) {
    const json::object& node = item.as_object();
    if (FieldOf(node, "custody") != FieldOf(custody, "state") ||
        FieldOf(node, "custody_reason") != FieldOf(custody, "reason")) {
      continue;
    }
    Append(names, FieldOf(node, "id"));
    ++count;
  }
  return fmt::format("{} of {} nodes: {}", count, nodes.size(), names);
}

// "1 down, 2 ready"
std::string Databases(const json::array& nodes) {
  std::map<std::string, int> counts;
  for (const json::value& node : nodes) {
    const std::string state = FieldOf(node.as_object(), "database");
    ++counts[state.empty() ? "none" : state];
  }
  std::string text;
  for (const auto& [state, count] : counts) Append(text, fmt::format("{} {}", count, state));
  return text;
}

void AddNodeTroubles(Fields& fields, const json::array& nodes) {
  for (const json::value& item : nodes) {
    const json::object& node = item.as_object();
    const std::string id = FieldOf(node, "id");
    if (YesOrNo(node, "connected") == "no") {
      fields.emplace_back("not heard",
                          fmt::format("{} since {}; its volume goes on under its lease", id,
                                      FieldOf(node, "reported_at")));
    }
    const std::string problem = FieldOf(node, "problem");
    if (!problem.empty()) fields.emplace_back("problem", fmt::format("{}: {}", id, problem));
  }
}

void PrintRegion(const json::object& cluster, const json::object& region,
                 const json::array& nodes) {
  const json::object& custody = ObjectOf(region, "custody");
  Fields fields = {{FieldOf(region, "region"), FieldOf(region, "status")}};
  if (!ListOf(region, "key_infos").empty()) {
    const json::object& key = ListOf(region, "key_infos").front().as_object();
    const std::string words = FieldOf(key, "user_message");
    if (!words.empty()) fields.emplace_back("the change", words);
  }
  if (custody.empty()) {
    fields.emplace_back("custody", "no node has reported");
  } else {
    fields.emplace_back(
        "custody", fmt::format("{} since {}",
                               CustodyText(FieldOf(custody, "state"), FieldOf(custody, "reason")),
                               FieldOf(custody, "since")));
    const std::string words = FieldOf(custody, "message");
    if (!words.empty()) fields.emplace_back("the KMS says", words);
    fields.emplace_back("seen by", SeenBy(nodes, custody));
    fields.emplace_back("databases", Databases(nodes));
    fields.emplace_back("last verified", FieldOf(custody, "last_verified_at"));
    fields.emplace_back("lease ends", FieldOf(custody, "lease_expires_at"));
    fields.emplace_back("next probe", FieldOf(custody, "next_probe_at"));
    fields.emplace_back("left keys read", FieldOf(custody, "old_key_bytes") + " bytes");
  }
  AddNodeTroubles(fields, nodes);
  const char* when = "next";
  for (const std::string& command : RepairsOf(cluster, region, nodes)) {
    fields.emplace_back(std::exchange(when, "then"), command);
  }
  Print("");
  PrintFields(fields);
}

}  // namespace

void PrintNodes(const json::array& nodes) {
  std::vector<Row> rows;
  for (const json::value& item : nodes) {
    const json::object& one = item.as_object();
    rows.push_back({FieldOf(one, "id"), FieldOf(one, "region"), FieldOf(one, "cluster_id"),
                    YesOrNo(one, "pinned"), FieldOf(one, "joined_at")});
  }
  PrintTable({"NODE", "REGION", "CLUSTER", "PINNED", "JOINED AT"}, rows);
}

void PrintNodeStates(const json::array& nodes) {
  std::vector<Row> rows;
  for (const json::value& item : nodes) {
    const json::object& one = item.as_object();
    rows.push_back({FieldOf(one, "id"), FieldOf(one, "region"), YesOrNo(one, "connected"),
                    CustodyText(FieldOf(one, "custody"), FieldOf(one, "custody_reason")),
                    FieldOf(one, "since"), FieldOf(one, "database"), FieldOf(one, "key_uri"),
                    FieldOf(one, "problem")});
  }
  PrintTable({"NODE", "REGION", "CONNECTED", "CUSTODY", "SINCE", "DATABASE", "KEY", "PROBLEM"},
             rows);
}

void PrintCustody(const json::object& cluster, const json::object& info, const json::array& nodes) {
  PrintFields({{"cluster", fmt::format("{} ({})", FieldOf(cluster, "name"),
                                       FieldOf(cluster, "service_state"))},
               {"keys", FieldOf(info, "status")}});
  PrintKeyRows(info, true);
  for (const json::value& item : ListOf(info, "region_infos")) {
    const json::object& region = item.as_object();
    PrintRegion(cluster, region, NodesIn(nodes, FieldOf(region, "region")));
  }
}

}  // namespace freehold::cli
