// EmbeddedKms: from an HTTP request to its answer: AWS's KMS, STS and IAM, and other dialects.
//
// Tells the protocols apart, applies faults, authenticates, runs the operation, writes the event,
// renders. Knows no sockets: hand Handle() to an HttpServer. Threads: Handle() from any.
// Errors: every request gets an AWS answer; nothing a client sends can stop the process.
// Spec: AWS JSON 1.1 (KMS) and Query (STS 2011-06-15, IAM 2010-05-08) protocols.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "kms/embedded/dialect.h"
#include "kms/embedded/event_log.h"
#include "kms/embedded/faults.h"
#include "kms/embedded/key_store.h"
#include "net/http.h"

namespace freehold::embedded {

class EmbeddedKms {
 public:
  // Opens the data directory; the first start makes the two accounts and their credentials.
  static Result<std::unique_ptr<EmbeddedKms>> Open(const std::string& directory,
                                                   const Clock& clock);

  HttpResponse Handle(const HttpRequest& request);

  // What is due by now: deletes keys whose waiting period is over, rotates those that rotate.
  Status DoWhatIsDue();
  // Role sessions issued until now count as expired.
  Status ExpireSessions();
  // One more account with credentials of its own; exists already: just its credentials.
  Status AddAccount(const std::string& account, const std::string& profile);

  // One more protocol; before anything is served.
  void Add(std::unique_ptr<Dialect> dialect) { dialects_.push_back(std::move(dialect)); }
  Dialect* Find(std::string_view name) const;  // null: not spoken
  const MasterKey& master() const { return store_->master(); }

  // DIR/config for AWS's tools, and the other dialects' files, with the addresses served now.
  Status WriteConfig(const std::string& url, const std::string& tls_url);

  Faults& faults() { return faults_; }
  const std::string& directory() const { return store_->directory(); }

 private:
  EmbeddedKms(std::unique_ptr<KeyStore> store, const Clock& clock)
      : store_(std::move(store)), clock_(clock) {}
  WallTime Now() const { return clock_.Wall() + faults_.clock_skew(); }
  HttpResponse HandleKms(const HttpRequest& request, const std::string& target, Call& call);
  HttpResponse HandleQuery(const HttpRequest& request, Call& call);
  HttpResponse HandleDialect(Dialect& dialect, const std::string& operation,
                             const HttpRequest& request);

  std::unique_ptr<KeyStore> store_;
  const Clock& clock_;
  EventLog events_;
  Faults faults_;
  std::vector<std::unique_ptr<Dialect>> dialects_;
};

}  // namespace freehold::embedded
