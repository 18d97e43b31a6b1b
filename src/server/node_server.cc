#include "server/node_server.h"

#include "api/json_reader.h"
#include "base/crash_point.h"
#include "base/log.h"
#include "fmt/format.h"
#include "server/route.h"

namespace freehold::server {
namespace {

constexpr std::string_view kPrefix = "/agent/v1/";
// So many are read in one transaction, and told before the next.
constexpr std::size_t kAtOnce = 500;
constexpr Duration kLookInterval = std::chrono::milliseconds(200);
// Agents take a stream that is silent for three of these for a dead one.
constexpr Duration kHeartbeat = std::chrono::seconds(15);

HttpResponse JsonText(std::string body) {
  return {200, {{"content-type", "application/json"}}, std::move(body)};
}

HttpResponse JoinedResponse(const control::Joined& joined) {
  return JsonResponse(200, {{"node", joined.node}, {"certificate", joined.certificate_pem}});
}

struct JoinBody {
  std::string token;
  std::string secret;
  Bytes request;
};

Result<JoinBody> ReadJoin(const std::string& text, bool with_token) {
  const boost::json::object body = TRY(api::ParseObject(text, "the body"));
  api::JsonReader reader(body, "");
  JoinBody join;
  if (with_token) {
    join.token = reader.RequiredText("token");
    join.secret = reader.RequiredText("secret");
  }
  const auto request = Base64Decode(reader.RequiredText("request"));
  if (request.ok()) {
    join.request = *request;
  } else {
    reader.Refuse("request", "is not base64");
  }
  TRY(reader.Finish());
  return join;
}

}  // namespace

NodeServer::NodeServer(control::Nodes& nodes, const Clock& clock)
    : nodes_(nodes), clock_(clock), watch_([this](const std::stop_token& stop) { Watch(stop); }) {}

void NodeServer::Stop() {
  watch_.request_stop();
  if (watch_.joinable()) watch_.join();
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  for (const auto& [node, stream] : streams_) stream->Abandon();
  streams_.clear();
}

HttpResponse NodeServer::Handle(const HttpRequest& request) {
  auto answer = Answer(request);
  return answer.ok() ? std::move(*answer) : ErrorResponse(answer.error());
}

Result<HttpResponse> NodeServer::Answer(const HttpRequest& request) {
  const std::string what =
      request.target.starts_with(kPrefix)
          ? fmt::format("{} {}", request.method, request.target.substr(kPrefix.size()))
          : "";
  if (what == "POST join") return Join(request);
  const control::Node node =
      TRY(nodes_.Authenticate(request.client.name, request.client.public_key));
  if (what == "POST renew") {
    const JoinBody body = TRY(ReadJoin(request.body, false));
    return JoinedResponse(TRY(nodes_.Renew(node, body.request)));
  }
  if (what == "POST report") {
    auto report = api::DecodeNodeReport(request.body);
    if (!report.ok()) return Error(ErrorCode::kInvalidArgument, report.error().message());
    return JsonText(api::Encode(TRY(nodes_.Report(node, *report))));
  }
  if (what == "GET events") return Follow(node);
  return Error(ErrorCode::kNotFound, "there is no such path for agents");
}

Result<HttpResponse> NodeServer::Join(const HttpRequest& request) {
  const JoinBody body = TRY(ReadJoin(request.body, true));
  const control::Joined joined = TRY(nodes_.Join(body.token, body.secret, body.request));
  LogInfo("nodes", fmt::format("node {} joined from {}", joined.node, request.peer));
  return JoinedResponse(joined);
}

Result<HttpResponse> NodeServer::Follow(const control::Node& node) {
  auto stream = std::make_shared<EventStream>();
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) return Error(ErrorCode::kNotReady, "the server stops");
    auto& present = streams_[node.id];
    if (present != nullptr) present->Close();
    present = stream;
  }
  Tell({node.id});  // after it is among the streams: no change falls between
  HttpResponse response{
      200, {{"content-type", "text/event-stream"}, {"cache-control", "no-store"}}, ""};
  response.stream = std::move(stream);
  return response;
}

std::shared_ptr<EventStream> NodeServer::StreamOf(const std::string& node) {
  const std::lock_guard lock(mutex_);
  const auto found = streams_.find(node);
  if (found == streams_.end()) return nullptr;
  if (found->second->open()) return found->second;
  streams_.erase(found);
  return nullptr;
}

void NodeServer::Tell(const std::vector<std::string>& nodes) {
  for (std::size_t at = 0; at < nodes.size(); at += kAtOnce) {
    const auto end =
        nodes.begin() + static_cast<std::ptrdiff_t>(std::min(at + kAtOnce, nodes.size()));
    std::map<std::string, std::shared_ptr<EventStream>> streams;
    std::vector<std::string> connected;
    for (auto node = nodes.begin() + static_cast<std::ptrdiff_t>(at); node != end; ++node) {
      if (auto stream = StreamOf(*node); stream != nullptr) {
        streams[*node] = std::move(stream);
        connected.push_back(*node);
      }
    }
    if (connected.empty()) continue;
    const auto desired = nodes_.Desired(connected);
    if (!desired.ok()) continue;  // a report asks again
    CrashPoint("order.read");
    for (const auto& [node, stream] : streams) {
      const auto wanted = desired->find(node);
      if (wanted == desired->end()) {
        stream->Close();  // it was removed
      } else {
        stream->Send(FormatEvent("desired", api::Encode(wanted->second)));
      }
    }
    CrashPoint("order.sent");
  }
}

void NodeServer::SendHeartbeats() {
  const std::lock_guard lock(mutex_);
  std::erase_if(streams_, [](const auto& item) { return !item.second->Send(":\n\n"); });
}

void NodeServer::Watch(const std::stop_token& stop) {
  std::uint64_t seen = 0;
  bool failing = false;
  BootTime next_heartbeat = clock_.Boot() + kHeartbeat;
  while (!stop.stop_requested()) {
    auto changes = nodes_.ChangedSince(seen);
    if (changes.ok()) {
      seen = changes->revision;
      Tell(changes->nodes);
    } else if (!failing) {
      LogWarning("nodes", changes.error().message());
    }
    failing = !changes.ok();
    if (clock_.Boot() >= next_heartbeat) {
      SendHeartbeats();
      next_heartbeat = clock_.Boot() + kHeartbeat;
    }
    // Other servers write to the same store, and it cannot call us.
    std::this_thread::sleep_for(kLookInterval);
  }
}

}  // namespace freehold::server
