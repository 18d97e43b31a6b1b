#include "cli/control/key_table.h"

#include <boost/json.hpp>

#include "base/bytes.h"
#include "cli/control/table.h"
#include "cli/output.h"
#include "fmt/format.h"

namespace freehold::cli {
namespace {

namespace json = boost::json;

Row RowOf(const json::object& region, const json::object& key) {
  const json::object& spec = ObjectOf(key, "spec");
  return {FieldOf(region, "region"), FieldOf(key, "status"),          FieldOf(spec, "type"),
          FieldOf(spec, "uri"),      FieldOf(spec, "auth_principal"), FieldOf(key, "updated_at")};
}

}  // namespace

void PrintKeyRows(const json::object& info, bool past) {
  std::vector<Row> rows;
  for (const json::value& item : ListOf(info, "region_infos")) {
    const json::object& region = item.as_object();
    const std::string name = FieldOf(region, "region");
    const json::array& keys = ListOf(region, "key_infos");
    if (keys.empty()) rows.push_back({name, FieldOf(region, "status"), "", "", "", ""});
    for (const json::value& key : keys) {
      Row row = RowOf(region, key.as_object());
      if (rows.empty() || rows.back().front() != name) row[1] = FieldOf(region, "status");
      rows.push_back(std::move(row));
      if (!past) break;
    }
  }
  PrintTable({"REGION", "STATUS", "TYPE", "KEY", "PRINCIPAL", "SINCE"}, rows);
}

void PrintKeys(const json::object& info, bool past) {
  PrintKeyRows(info, past);
  std::vector<std::string> remarks;
  for (const json::value& item : ListOf(info, "region_infos")) {
    const json::object& region = item.as_object();
    const std::string name = FieldOf(region, "region");
    const json::array& keys = ListOf(region, "key_infos");
    if (!keys.empty()) {
      const std::string words = FieldOf(keys.front().as_object(), "user_message");
      if (!words.empty()) remarks.push_back(fmt::format("{}: {}", name, words));
    }
    if (const json::object& custody = ObjectOf(region, "custody"); !custody.empty()) {
      const std::string reason = FieldOf(custody, "reason");
      remarks.push_back(fmt::format(
          "{}: {} nodes, {}{}, last verified {}", name, ListOf(custody, "nodes").size(),
          FieldOf(custody, "state"), reason.empty() ? "" : " (" + reason + ")",
          FieldOf(custody, "last_verified_at").empty() ? "never"
                                                       : FieldOf(custody, "last_verified_at")));
    }
  }
  for (const std::string& remark : remarks) Print(Printable(remark));
}

std::string RegionNames(const json::object& info) {
  std::string names;
  for (const json::value& item : ListOf(info, "region_infos")) {
    names += (names.empty() ? "" : ", ") + FieldOf(item.as_object(), "region");
  }
  return names;
}

}  // namespace freehold::cli
