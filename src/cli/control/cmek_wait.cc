#include "cli/control/cmek_wait.h"

#include <unistd.h>

#include <thread>

#include "base/bytes.h"
#include "cli/control/table.h"
#include "fmt/format.h"

namespace freehold::cli {
namespace {

namespace json = boost::json;

constexpr Duration kPause = std::chrono::seconds(1);

// On a terminal one line that is written again and again; elsewhere a line for each change.
class ProgressLine {
 public:
  ~ProgressLine() {
    if (on_terminal_ && !last_.empty()) fmt::print(stderr, "\n");
  }
  void Show(const std::string& text) {
    if (text == last_) return;
    const std::size_t blanks = last_.size() > text.size() ? last_.size() - text.size() : 0;
    if (on_terminal_) {
      fmt::print(stderr, "\r{}{}", text, std::string(blanks, ' '));
    } else {
      fmt::print(stderr, "{}\n", text);
    }
    std::fflush(stderr);
    last_ = text;
  }

 private:
  const bool on_terminal_ = isatty(STDERR_FILENO) != 0;
  std::string last_;
};

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
  ProgressLine line;
  const BootTime end = SystemClock().Boot() + at_most;
  for (;;) {
    auto answer = api.Get(path);
    if (!answer.ok()) {
      const ErrorCode code = answer.error().code();
      if (!InfoOf(code).retryable && code != ErrorCode::kIo) return answer;
      line.Show(Printable(answer.error().message()));
    } else {
      line.Show(ProgressText(answer->body));
      const CmekProgress progress = ProgressOf(answer->body, goal);
      if (progress == CmekProgress::kReached) return answer;
      if (progress == CmekProgress::kFailed) {
        return Error(ErrorCode::kPrecondition,
                     fmt::format("the keys are {}{}", FieldOf(answer->body, "status"),
                                 WordsOfFailure(answer->body)));
      }
    }
    if (SystemClock().Boot() + kPause > end) {
      return Error(ErrorCode::kTimeout,
                   fmt::format("not within {}; what was begun goes on", FormatDuration(at_most)));
    }
    std::this_thread::sleep_for(kPause);
  }
}

}  // namespace freehold::cli
