// MetricsServer: what monitoring asks a server, on a listener of its own and without keys:
// /healthz (it lives), /readyz (its store answers), /metrics (Prometheus).
//
// Threads: safe. Errors: 503 where the store does not answer; /metrics still gives what it has.
// Spec: docs/metrics.md.
#pragma once

#include "control/counting_store.h"
#include "net/http.h"
#include "server/messenger.h"
#include "server/request_counter.h"

namespace freehold::server {

class MetricsServer {
 public:
  // All of them outlive it.
  MetricsServer(control::CountingStore& store, const RequestCounter& requests,
                const Messenger& messenger, const Clock& clock)
      : store_(store), requests_(requests), messenger_(messenger), clock_(clock) {}

  HttpResponse Handle(const HttpRequest& request);

 private:
  std::string Metrics();
  Status AppendFleet(std::string& text);

  control::CountingStore& store_;
  const RequestCounter& requests_;
  const Messenger& messenger_;
  const Clock& clock_;
};

}  // namespace freehold::server
