#include "cli/control/wait.h"

#include <unistd.h>

#include <cstdio>
#include <thread>

#include "base/bytes.h"
#include "fmt/format.h"

namespace freehold::cli {
namespace {

constexpr Duration kPause = std::chrono::seconds(1);

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

}  // namespace

Result<ApiAnswer> WaitFor(ApiClient& api, const std::string& path, const WaitedFor& wanted,
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
      line.Show(Printable(wanted.progress(answer->body)));
      if (TRY(wanted.is_reached(answer->body))) return answer;
    }
    if (SystemClock().Boot() + kPause > end) {
      return Error(ErrorCode::kTimeout,
                   fmt::format("not within {}; what was begun goes on", FormatDuration(at_most)));
    }
    std::this_thread::sleep_for(kPause);
  }
}

Result<Duration> ParseTimeout(const std::string& text) {
  auto duration = ParseDuration(text);
  return duration.ok() ? std::move(duration) : duration.error().Because("--timeout");
}

}  // namespace freehold::cli
