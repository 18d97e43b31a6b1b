#include "control/notice.h"

#include <array>
#include <boost/json.hpp>

#include "base/bytes.h"
#include "fmt/format.h"

namespace freehold::control {
namespace {

namespace json = boost::json;

struct TypeRow {
  std::string_view name;
  std::string_view subject;  // {} is the cluster and its region
};

// In the order of NoticeType.
constexpr std::array<TypeRow, kNoticeTypeCount> kTypes = {{
    {"key.denied", "the key of {} is refused"},
    {"key.grace_ending", "the key of {} cannot be reached, and the grace nears its end"},
    {"key.sealed", "{} is sealed"},
    {"key.deletion_scheduled", "the key of {} will be deleted"},
    {"key.returned", "the key of {} can be used again"},
    {"key.new_version", "the key of {} has a new version"},
    {"keys.revoked", "the keys of {} were revoked"},
    {"keys.restored", "the keys of {} were restored"},
    {"keys.left", "the keys of {} are being left"},
    {"custody.loosened", "the custody of {} was loosened"},
    {"restore.awaited", "a new API key may restore revoked keys later"},
    {"contact.removed", "a contact was removed"},
    {"node.duplicated", "two hosts are one node of {}"},
    {"contact.test", "a test message"},
}};

json::value TimeOrNull(const std::optional<WallTime>& time) {
  if (!time.has_value()) return nullptr;
  return json::value(FormatTime(*time));
}

json::array ListOf(const std::vector<std::string>& texts) {
  json::array list;
  for (const std::string& text : texts) list.emplace_back(Printable(text));
  return list;
}

void AddLine(std::string& text, std::string_view name, const std::string& value) {
  if (!value.empty()) text += fmt::format("{:<13} {}\n", name, Printable(value));
}

}  // namespace

std::string_view NameOf(NoticeType type) { return kTypes[static_cast<std::size_t>(type)].name; }

json::object ToJson(const Notice& notice, WallTime now) {
  json::object data = {{"organization_id", notice.at.organization},
                       {"project_id", notice.at.project},
                       {"cluster_id", notice.at.cluster},
                       {"cluster_name", notice.cluster_name},
                       {"region", notice.region},
                       {"what", Printable(notice.what)},
                       {"kms_message", Printable(notice.kms_message)},
                       {"since", TimeOrNull(notice.since)},
                       {"nodes", ListOf(notice.nodes)},
                       {"follows", Printable(notice.follows)},
                       {"follows_at", TimeOrNull(notice.follows_at)},
                       {"commands", ListOf(notice.commands)}};
  data["key_spec"] = notice.key.has_value() ? json::value(api::ToJson(*notice.key)) : nullptr;
  return {{"type", NameOf(notice.type)}, {"timestamp", FormatTime(now)}, {"data", std::move(data)}};
}

std::string SubjectOf(const Notice& notice) {
  const std::string where = notice.region.empty()
                                ? notice.cluster_name
                                : fmt::format("{} in {}", notice.cluster_name, notice.region);
  const TypeRow& row = kTypes[static_cast<std::size_t>(notice.type)];
  return "Freehold: " + fmt::vformat(row.subject, fmt::make_format_args(where));
}

std::string TextOf(const Notice& notice, WallTime now) {
  std::string text = Printable(notice.what) + "\n\n";
  AddLine(text, "cluster", notice.cluster_name);
  AddLine(text, "cluster id", notice.at.cluster);
  AddLine(text, "region", notice.region);
  if (notice.key.has_value()) {
    AddLine(text, "key", notice.key->uri);
    AddLine(text, "principal", notice.key->auth_principal);
  }
  AddLine(text, "the KMS says", notice.kms_message);
  if (notice.since.has_value()) AddLine(text, "since", FormatTime(*notice.since));
  for (const std::string& node : notice.nodes) AddLine(text, "seen by node", node);
  AddLine(text, "told at", FormatTime(now));
  if (!notice.follows.empty()) {
    text += fmt::format(
        "\nWhat will happen{}: {}\n",
        notice.follows_at.has_value() ? " at " + FormatTime(*notice.follows_at) : std::string(),
        Printable(notice.follows));
  }
  if (!notice.commands.empty()) text += "\nWhat to type:\n";
  for (const std::string& command : notice.commands) text += "  " + Printable(command) + "\n";
  return text;
}

}  // namespace freehold::control
