#include "server/messenger.h"

#include "base/bytes.h"
#include "base/crash_point.h"
#include "base/log.h"
#include "fmt/format.h"
#include "net/http_client.h"
#include "server/request_counter.h"

namespace freehold::server {
namespace {

constexpr int kWorkers = 16;
constexpr int kOfOneOrganization = 4;  // whose receivers may all be slow
// The store may be a database that another server writes to: it can only be asked again.
constexpr Duration kLookInterval = std::chrono::milliseconds(300);
constexpr Duration kAfterStoreTrouble = std::chrono::seconds(2);
constexpr std::size_t kLongestAnswer = 64 << 10;

}  // namespace

Messenger::Messenger(control::Outbox& outbox, const control::WebhookKey& key, const Clock& clock,
                     MessengerOptions options)
    : outbox_(outbox), key_(key), clock_(clock), options_(std::move(options)) {
  threads_.emplace_back([this](const std::stop_token& stop) { Watch(stop); });
  for (int i = 0; i < kWorkers; ++i) {
    threads_.emplace_back([this](const std::stop_token& stop) { Work(stop); });
  }
}

Messenger::~Messenger() {
  for (std::jthread& thread : threads_) thread.request_stop();
  threads_.clear();  // what is being sent has its time
}

void Messenger::Watch(const std::stop_token& stop) {
  bool failing = false;
  while (!stop.stop_requested()) {
    std::map<std::string, control::Outbox::Waiting> fresh;
    const Status refreshed = outbox_.Refresh(fresh);
    if (!refreshed.ok() && !failing) LogWarning("messages", refreshed.error().message());
    failing = !refreshed.ok();
    std::unique_lock lock(mutex_);
    for (auto& [id, one] : fresh) waiting_[id] = std::move(one);
    wake_.notify_all();
    wake_.wait_for(lock, stop, kLookInterval, [] { return false; });
  }
}

std::optional<std::string> Messenger::TakeDue(control::Outbox::Waiting& taken) {
  const WallTime now = clock_.Wall();
  auto first = waiting_.end();
  for (auto one = waiting_.begin(); one != waiting_.end(); ++one) {
    if (one->second.at > now || busy_.contains(one->second.contact)) continue;
    const auto busy = busy_of_.find(one->second.organization);
    if (busy != busy_of_.end() && busy->second >= kOfOneOrganization) continue;
    if (first == waiting_.end() || one->second.at < first->second.at) first = one;
  }
  if (first == waiting_.end()) return std::nullopt;
  std::string id = first->first;
  taken = first->second;
  busy_.insert(taken.contact);
  ++busy_of_[taken.organization];
  waiting_.erase(first);
  return id;
}

void Messenger::Work(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    control::Outbox::Waiting taken;
    std::optional<std::string> id;
    {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, stop, kLookInterval, [&] {
        id = TakeDue(taken);
        return id.has_value();
      });
    }
    if (!id.has_value()) continue;
    SendOne(*id, taken);
    const std::lock_guard lock(mutex_);
    busy_.erase(taken.contact);
    if (--busy_of_[taken.organization] == 0) busy_of_.erase(taken.organization);
    wake_.notify_all();
  }
}

void Messenger::SendOne(const std::string& id, control::Outbox::Waiting taken) {
  CrashPoint("message.due");
  auto leased = outbox_.Lease(id);
  if (!leased.ok()) {
    LogWarning("messages", leased.error().message());
    const std::lock_guard lock(mutex_);
    taken.at = clock_.Wall() + kAfterStoreTrouble;
    waiting_.try_emplace(id, std::move(taken));
    return;
  }
  if (!leased->has_value()) return;  // another server's, or nobody wants it any more
  const auto& [message, contact] = **leased;
  const Status sent = Deliver(message, contact);
  if (sent.ok()) {
    CrashPoint("message.sent");
    ++delivered_;
    // If this fails it goes out once more when the lease is over, under the same id.
    if (auto done = outbox_.Delivered(message); !done.ok()) {
      LogWarning("messages", done.error().message());
    }
    return;
  }
  ++failed_;
  const auto given_up = outbox_.Failed(message, Printable(sent.error().message()));
  if (!given_up.ok()) return LogWarning("messages", given_up.error().message());
  if (!*given_up) return;
  ++given_up_;
  LogWarning("messages", fmt::format("{} for contact {} was given up: {}", message.type, contact.id,
                                     Printable(sent.error().message())));
}

Status Messenger::Deliver(const control::Message& message, const control::Contact& contact) const {
  if (contact.kind == control::ContactKind::kWebhook) return Call(message, contact);
  if (options_.mail == nullptr) {
    return Error(ErrorCode::kNotReady, "this service has no mail server");
  }
  return SendMail(*options_.mail,
                  {contact.address, message.subject, message.text, message.id, message.created_at});
}

Status Messenger::Call(const control::Message& message, const control::Contact& contact) const {
  if (key_.DigestOf(contact.id) != contact.secret_digest) {
    return Error(ErrorCode::kPrecondition,
                 "the service's webhooks.key is not the one that this contact was made with");
  }
  const HttpUrl url = TRY(HttpUrl::Parse(contact.address));
  const std::int64_t now =
      std::chrono::duration_cast<std::chrono::seconds>(clock_.Wall().since_epoch).count();
  HttpRequest request;
  request.method = "POST";
  request.target = url.target;
  request.headers = {{"content-type", "application/json"},
                     {"user-agent", "freehold"},
                     {"webhook-id", message.id},
                     {"webhook-timestamp", fmt::format("{}", now)},
                     {"webhook-signature", key_.Sign(contact.id, message.id, now, message.body)}};
  request.body = message.body;
  HttpOptions options;
  options.connect_timeout = std::chrono::seconds(5);
  options.total_timeout = std::chrono::seconds(10);
  options.body_limit = kLongestAnswer;
  options.ca_bundle = options_.webhook_ca;
  options.addresses = options_.addresses;
  const HttpResult answer = SendHttp(url.origin, request, options);
  if (!answer.has_value()) return Error(ErrorCode::kNotReady, answer.error().message);
  if (answer->status >= 200 && answer->status < 300) return {};
  return Error(ErrorCode::kNotReady,
               fmt::format("{} answered HTTP {}{}", url.origin, answer->status,
                           answer->status / 100 == 3 ? ": redirects are not followed" : ""));
}

void Messenger::AppendTo(std::string& text) const {
  constexpr std::string_view kName = "freehold_messages_total";
  AppendHeading(text, kName, "counter",
                "Deliveries of messages to contacts that this server has tried.");
  text += fmt::format(
      "{0}{{outcome=\"delivered\"}} {1}\n{0}{{outcome=\"failed\"}} {2}\n"
      "{0}{{outcome=\"given_up\"}} {3}\n",
      kName, delivered_.load(), failed_.load(), given_up_.load());
}

}  // namespace freehold::server
