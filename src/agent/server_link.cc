#include "agent/server_link.h"

#include <algorithm>
#include <utility>

#include "base/crash_point.h"
#include "base/log.h"
#include "crypto/crypto.h"
#include "fmt/format.h"
#include "net/event_stream.h"

namespace freehold::agent {
namespace {

constexpr Duration kReportInterval = std::chrono::seconds(30);
constexpr Duration kSilence = std::chrono::seconds(45);  // three of the server's heartbeats
constexpr Duration kFirstWait = std::chrono::milliseconds(250);
constexpr Duration kLongestWait = std::chrono::seconds(20);

// Somewhere in the upper half.
Duration Spread(Duration wait) { return wait / 2 + wait / 2 * RandomBytes(1)[0] / 256; }

}  // namespace

ServerLink::ServerLink(std::string state_directory, Identity identity, const Clock& clock,
                       TakeDesired take)
    : state_directory_(std::move(state_directory)),
      clock_(clock),
      take_(std::move(take)),
      identity_(std::move(identity)),
      events_([this](const std::stop_token& stop) { Follow(stop); }),
      reports_([this](const std::stop_token& stop) { SendReports(stop); }) {}

ServerLink::~ServerLink() {
  events_.request_stop();
  reports_.request_stop();
}

Identity ServerLink::CurrentIdentity() const {
  const std::lock_guard lock(mutex_);
  return identity_;
}

bool ServerLink::refused() const {
  const std::lock_guard lock(mutex_);
  return refused_;
}

void ServerLink::Report(api::NodeReport report) {
  const std::lock_guard lock(mutex_);
  if (report_.has_value() && api::Encode(*report_) == api::Encode(report)) return;
  report_ = std::move(report);
  is_new_ = true;
  wake_.notify_all();
}

// Whoever is at the other end now may know less than the one before.
void ServerLink::ReportAgain() {
  const std::lock_guard lock(mutex_);
  is_new_ = true;
  wake_.notify_all();
}

void ServerLink::Answer(api::TrialAnswer answer) {
  const std::lock_guard lock(mutex_);
  answers_.push_back(std::move(answer));
  is_new_ = true;
  wake_.notify_all();
}

bool ServerLink::Sleep(const std::stop_token& stop, Duration duration) {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, stop, duration, [] { return false; });
  return !stop.stop_requested();
}

void ServerLink::Follow(const std::stop_token& stop) {
  Duration wait = kFirstWait;
  while (!stop.stop_requested()) {
    const Identity identity = CurrentIdentity();
    EventParser parser;
    bool is_first = true;
    const auto take = [&](std::string_view bytes) {
      for (const EventParser::Event& event : parser.Feed(bytes)) {
        if (event.name != "desired") continue;
        if (std::exchange(is_first, false)) ReportAgain();
        const auto desired = api::DecodeDesiredState(event.data);
        if (desired.ok()) take_(*desired, std::nullopt);
        wait = kFirstWait;
      }
      return !stop.stop_requested();
    };
    HttpRequest request;
    request.target = "/agent/v1/events";
    const auto ended = StreamHttp(identity.server, request, identity.http, kSilence, take);
    if (!ended && wait >= kLongestWait) LogWarning("agent", "events: " + ended.error().message);
    if (!Sleep(stop, Spread(wait))) return;
    wait = std::min(wait * 2, kLongestWait);
  }
}

Status ServerLink::SendOne(const api::NodeReport& report) {
  const Identity identity = CurrentIdentity();
  const std::string answer =
      TRY(Ask(identity.server, identity.http, "report", api::Encode(report)));
  CrashPoint("report.answered");
  take_(TRY(api::DecodeDesiredState(answer)), Answered{report.epoch, report.revision});
  return {};
}

void ServerLink::RenewWhenDue() {
  const Identity present = CurrentIdentity();
  if (clock_.Wall() < present.renew_at && !IsMutant("renewal-waits")) return;
  auto renewed = Renew(state_directory_, present);
  if (!renewed.ok()) return LogWarning("agent", renewed.error().message());
  LogInfo("agent", "the certificate was renewed");
  const std::lock_guard lock(mutex_);
  identity_ = std::move(*renewed);
}

void ServerLink::SendReports(const std::stop_token& stop) {
  Duration wait = kFirstWait;
  std::string last_words;
  while (!stop.stop_requested()) {
    api::NodeReport report;
    {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, stop, kReportInterval, [this] { return is_new_; });
      if (stop.stop_requested() || !report_.has_value()) continue;
      is_new_ = false;
      report = *report_;
      report.answers = answers_;
    }
    RenewWhenDue();
    const Status sent = SendOne(report);
    const std::string words = sent.ok() ? "" : sent.error().message();
    if (!words.empty() && words != last_words) LogWarning("agent", words);
    last_words = words;
    {
      const std::lock_guard lock(mutex_);
      refused_ = !sent.ok() && sent.error().code() == ErrorCode::kUnauthenticated;
      if (sent.ok()) {
        answers_.erase(answers_.begin(),
                       answers_.begin() + static_cast<std::ptrdiff_t>(report.answers.size()));
      } else {
        is_new_ = true;
      }
    }
    if (sent.ok()) {
      wait = kFirstWait;
    } else {
      if (!Sleep(stop, Spread(wait))) return;
      wait = std::min(wait * 2, kLongestWait);
    }
  }
}

}  // namespace freehold::agent
