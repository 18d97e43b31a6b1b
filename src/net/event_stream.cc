#include "net/event_stream.h"

#include <utility>

#include "fmt/format.h"

namespace freehold {
namespace {

// The text after "NAME:" and one space.
bool TakeField(std::string_view line, std::string_view name, std::string& value) {
  if (!line.starts_with(name)) return false;
  line.remove_prefix(name.size());
  if (!line.starts_with(":")) return false;
  line.remove_prefix(1);
  if (line.starts_with(" ")) line.remove_prefix(1);
  value += line;
  return true;
}

constexpr std::size_t kLongestEvent =
    4 * EventStream::kMostWaiting;  // of a server that is not ours

}  // namespace

bool EventStream::Send(std::string_view text) {
  std::function<void()> wake;
  {
    const std::lock_guard lock(mutex_);
    if (!open_) return false;
    if (waiting_.size() + text.size() > kMostWaiting) {
      open_ = false;
      waiting_.clear();
    } else {
      waiting_ += text;
    }
    wake = wake_;
  }
  if (wake) wake();
  return open();
}

void EventStream::Close() {
  std::function<void()> wake;
  {
    const std::lock_guard lock(mutex_);
    open_ = false;
    wake = wake_;
  }
  if (wake) wake();
}

bool EventStream::open() const {
  const std::lock_guard lock(mutex_);
  return open_;
}

void EventStream::Attach(std::function<void()> wake) {
  {
    const std::lock_guard lock(mutex_);
    wake_ = wake;
  }
  wake();
}

std::string EventStream::Take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(waiting_, {});
}

void EventStream::Abandon() {
  std::function<void()> last;  // outlives the lock: it may hold the connection
  const std::lock_guard lock(mutex_);
  open_ = false;
  waiting_.clear();
  last.swap(wake_);
}

std::string FormatEvent(std::string_view name, std::string_view data) {
  return fmt::format("event: {}\ndata: {}\n\n", name, data);
}

std::vector<EventParser::Event> EventParser::Feed(std::string_view bytes) {
  std::vector<Event> complete;
  for (const char c : bytes) {
    if (c != '\n') {
      if (line_.size() < kLongestEvent) line_ += c;
      continue;
    }
    if (line_.empty()) {
      if (!event_.data.empty()) complete.push_back(std::move(event_));
      event_ = {};
    } else if (event_.name.size() + event_.data.size() + line_.size() <= kLongestEvent) {
      TakeField(line_, "event", event_.name) || TakeField(line_, "data", event_.data);
    }
    line_.clear();
  }
  return complete;
}

}  // namespace freehold
