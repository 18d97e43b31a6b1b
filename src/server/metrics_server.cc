#include "server/metrics_server.h"

#include "control/fleet.h"
#include "fmt/format.h"

namespace freehold::server {
namespace {

HttpResponse TextResponse(int status, std::string text) {
  return {status, {{"content-type", "text/plain; version=0.0.4; charset=utf-8"}}, std::move(text)};
}

template <typename Number>
void AppendOne(std::string& text, std::string_view name, std::string_view type,
               std::string_view help, Number value) {
  AppendHeading(text, name, type, help);
  text += fmt::format("{} {}\n", name, value);
}

void AppendEach(std::string& text, std::string_view name, std::string_view label,
                std::string_view help, const std::map<std::string, std::uint64_t>& counts) {
  AppendHeading(text, name, "gauge", help);
  for (const auto& [value, count] : counts) {
    text += fmt::format("{}{{{}=\"{}\"}} {}\n", name, label, value, count);
  }
}

}  // namespace

HttpResponse MetricsServer::Handle(const HttpRequest& request) {
  const std::string path = request.target.substr(0, request.target.find('?'));
  if (request.method != "GET") return TextResponse(405, "this takes GET only\n");
  if (path == "/healthz") return TextResponse(200, "ok\n");
  if (path == "/readyz") {
    const auto state = store_.State();
    return state.ok() ? TextResponse(200, "ok\n")
                      : TextResponse(503, "the store does not answer\n");
  }
  if (path == "/metrics") return TextResponse(200, Metrics());
  return TextResponse(404, "there are /healthz, /readyz and /metrics\n");
}

std::string MetricsServer::Metrics() {
  std::string text;
  requests_.AppendTo(text);
  messenger_.AppendTo(text);
  std::string fleet;
  const bool up = AppendFleet(fleet).ok();
  if (up) text += fleet;
  AppendOne(text, "freehold_store_up", "gauge", "1: the store has answered just now.", up ? 1 : 0);
  AppendOne(text, "freehold_store_errors_total", "counter",
            "Calls of the store that it did not do.", store_.errors());
  return text;
}

Status MetricsServer::AppendFleet(std::string& text) {
  const control::StoreState state = TRY(store_.State());
  control::Fleet fleet;
  TRY(store_.Read([&](control::Transaction& transaction) -> Status {
    fleet = TRY(control::CountFleet(transaction, clock_.Wall()));
    return {};
  }));
  AppendEach(text, "freehold_clusters", "status", "Clusters by the status of their keys.",
             fleet.clusters);
  AppendEach(text, "freehold_nodes", "custody", "Nodes by what they said last of their volume.",
             fleet.nodes);
  AppendOne(text, "freehold_nodes_connected", "gauge", "Nodes that have reported lately.",
            fleet.connected);
  AppendOne(text, "freehold_longest_silence_seconds", "gauge",
            "Since the last report of the node that is silent for longest; 0: all are connected.",
            std::chrono::duration<double>(fleet.longest_silence).count());
  AppendOne(text, "freehold_messages_waiting", "gauge", "Messages to contacts that wait.",
            fleet.messages);
  AppendOne(text, "freehold_store_revision", "gauge", "Of the newest change.", state.revision);
  return {};
}

}  // namespace freehold::server
