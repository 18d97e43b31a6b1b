#include "cli/control/repair.h"

#include <boost/json.hpp>

#include "api/owner_commands.h"
#include "cli/control/table.h"
#include "fmt/format.h"
#include "kms/key_uri.h"

namespace freehold::cli {
namespace {

namespace json = boost::json;

std::string Quoted(const std::string& word) { return api::ShellQuoted(word); }

struct UsedKey {
  std::string uri;
  std::string principal;  // "" = the nodes' own
  bool is_operators = false;
};

// The region's present key; without one, what its nodes use: the operator's.
UsedKey KeyOf(const json::object& region, const json::array& nodes) {
  const json::array& keys = ListOf(region, "key_infos");
  if (!keys.empty()) {
    const json::object& spec = ObjectOf(keys.front().as_object(), "spec");
    return {FieldOf(spec, "uri"), FieldOf(spec, "auth_principal"), false};
  }
  for (const json::value& node : nodes) {
    const std::string uri = FieldOf(node.as_object(), "key_uri");
    if (!uri.empty()) return {uri, "", true};
  }
  return {"", "", true};
}

std::string CheckCommand(const KeyUri& uri, const UsedKey& key, const std::string& organization) {
  std::string command = "freehold key check " + Quoted(uri.text());
  if (!key.principal.empty()) {
    command += " --principal " + Quoted(key.principal);
    if (uri.type() == KmsType::kAwsKms) command += " --external-id " + Quoted(organization);
  }
  return command + "   # on a node, as the agent: what exactly is missing";
}

// For a key that the KMS refuses or does not answer for.
std::vector<std::string> KeyRepairs(const UsedKey& key, const std::string& organization,
                                    bool is_denied) {
  std::vector<std::string> repairs;
  const auto uri = KeyUri::Parse(key.uri);
  if (!uri.ok()) return repairs;
  if (is_denied) {
    const std::string enable = api::EnableCommand(*uri);
    if (!enable.empty()) {
      repairs.push_back(fmt::format("{}   # for the key's owner, {}", enable,
                                    key.is_operators ? "here the operator" : "if it was disabled"));
    }
  }
  repairs.push_back(CheckCommand(*uri, key, organization));
  return repairs;
}

}  // namespace

std::vector<std::string> RepairsOf(const json::object& cluster, const json::object& region,
                                   const json::array& nodes) {
  const std::string name = Quoted(FieldOf(cluster, "name"));
  const std::string status = FieldOf(region, "status");
  const json::object& custody = ObjectOf(region, "custody");
  const std::string state = FieldOf(custody, "state");
  const std::string reason = FieldOf(custody, "reason");
  if (status == "REVOKED") {
    return {fmt::format("freehold cmek restore {}   # by another account than the one that revoked",
                        name)};
  }
  if (status == "REVOKING") {
    return {fmt::format("freehold cluster nodes {}   # who has not confirmed: look at its agent",
                        name)};
  }
  const std::string organization = FieldOf(cluster, "organization_id");
  const UsedKey key = KeyOf(region, nodes);
  if (reason == "denied") return KeyRepairs(key, organization, true);
  if (reason == "grace" || state == "grace") return KeyRepairs(key, organization, false);
  if (status.ends_with("_FAILED")) {
    auto repairs = KeyRepairs(key, organization, false);
    repairs.push_back(
        fmt::format("freehold cmek rotate {} -f MANIFEST --wait   # then, again", name));
    return repairs;
  }
  if (FieldOf(cluster, "service_state") == "stopped") {
    return {fmt::format("freehold cluster start {} --wait", name)};
  }
  return {};
}

}  // namespace freehold::cli
