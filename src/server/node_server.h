// NodeServer: what agents talk to, on a listener of its own: they join, report, and follow events.
//
// Everything but joining takes the client certificate that joining gave. A node is told what is
// wanted of it as soon as that changes, by whichever server: the store is looked at five times a
// second. Knows HTTP; what nodes are, control/ knows. Threads: safe. Spec: docs/api/agents.md.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "control/nodes.h"
#include "net/event_stream.h"
#include "net/http.h"

namespace freehold::server {

class NodeServer {
 public:
  // `nodes` outlives it.
  NodeServer(control::Nodes& nodes, const Clock& clock);
  ~NodeServer() { Stop(); }

  // Ends all streams, before the listener that serves them.
  void Stop();

  HttpResponse Handle(const HttpRequest& request);

 private:
  Result<HttpResponse> Answer(const HttpRequest& request);
  Result<HttpResponse> Join(const HttpRequest& request);
  Result<HttpResponse> Follow(const control::Node& node);
  void Watch(const std::stop_token& stop);
  // Null for one that does not follow.
  std::shared_ptr<EventStream> StreamOf(const std::string& node);
  void Tell(const std::vector<std::string>& nodes);
  void SendHeartbeats();

  control::Nodes& nodes_;
  const Clock& clock_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<EventStream>> streams_;  // by node
  bool stopped_ = false;
  std::jthread watch_;
};

}  // namespace freehold::server
