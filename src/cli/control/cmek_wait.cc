#include "cli/control/cmek_wait.h"

#include "base/bytes.h"
#include "cli/control/table.h"
#include "cli/control/wait.h"
#include "fmt/format.h"

namespace freehold::cli {
namespace {

namespace json = boost::json;

bool AnySealed(const json::object& info) {
  for (const json::value& region : ListOf(info, "region_infos")) {
    const std::string state = FieldOf(ObjectOf(region.as_object(), "custody"), "state");
    if (!state.empty() && state != "open" && state != "grace") return true;
  }
  return false;
}

// What the nodes said of it, region by region.
std::string WordsOfFailure(const json::object& info) {
  std::string words;
  for (const json::value& item : ListOf(info, "region_infos")) {
    const json::object& region = item.as_object();
    const json::array& keys = ListOf(region, "key_infos");
    if (keys.empty()) continue;
    const std::string message = FieldOf(keys.front().as_object(), "user_message");
    if (!message.empty()) words += fmt::format("; {}: {}", FieldOf(region, "region"), message);
  }
  return words;
}

}  // namespace

CmekProgress ProgressOf(const json::object& info, CmekGoal goal) {
  const std::string status = FieldOf(info, "status");
  if (status.ends_with("_FAILED")) return CmekProgress::kFailed;
  if (goal == CmekGoal::kRevoked) {
    if (status == "REVOKED") return CmekProgress::kReached;
    return status == "REVOKING" ? CmekProgress::kGoesOn : CmekProgress::kFailed;
  }
  if (goal == CmekGoal::kLeft) {
    if (status == "DISABLED") return CmekProgress::kReached;
    return status == "DISABLING" ? CmekProgress::kGoesOn : CmekProgress::kFailed;
  }
  if (status == "REVOKED" || status == "REVOKING" || status == "DISABLED") {
    return CmekProgress::kFailed;
  }
  if (status != "ENABLED") return CmekProgress::kGoesOn;
  return goal == CmekGoal::kRestored && AnySealed(info) ? CmekProgress::kGoesOn
                                                        : CmekProgress::kReached;
}

std::string ProgressText(const json::object& info) {
  std::string text;
  for (const json::value& item : ListOf(info, "region_infos")) {
    const json::object& region = item.as_object();
    const std::string custody = FieldOf(ObjectOf(region, "custody"), "state");
    text += fmt::format("{}{} {}{}", text.empty() ? "" : ", ", FieldOf(region, "region"),
                        FieldOf(region, "status"), custody.empty() ? "" : " (" + custody + ")");
  }
  return Printable(text);
}

Result<ApiAnswer> WaitForCmek(ApiClient& api, const std::string& path, CmekGoal goal,
                              Duration at_most) {
  const auto is_reached = [goal](const json::object& info) -> Result<bool> {
    const CmekProgress progress = ProgressOf(info, goal);
    if (progress != CmekProgress::kFailed) return progress == CmekProgress::kReached;
    return Error(ErrorCode::kPrecondition,
                 fmt::format("the keys are {}{}", FieldOf(info, "status"), WordsOfFailure(info)));
  };
  return WaitFor(api, path, {ProgressText, is_reached}, at_most);
}

}  // namespace freehold::cli
