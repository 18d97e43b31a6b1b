// EventLog: one line of JSON per request, in CloudTrail's field names.
//
// Append-only, DIR/events.jsonl, 0600. Gets what an event may hold from Call: parameters that are
// safe to show, never plaintext, ciphertext or secrets. Errors: a line that cannot be written is
// reported on standard error; the request goes on. Threads: safe.
// Spec: CloudTrail User Guide, "CloudTrail record contents".
#pragma once

#include <mutex>
#include <string>
#include <string_view>

#include "base/posix_file.h"
#include "base/result.h"
#include "kms/embedded/aws_failure.h"
#include "kms/embedded/call.h"
#include "kms/embedded/dialect.h"

namespace freehold::embedded {

struct EventOutcome {
  std::string_view service;  // "kms", "sts", "iam"
  std::string_view operation;
  std::string_view source_address;
  std::string_view user_agent;
  bool read_only = false;
  const AwsFailure* failure = nullptr;  // null: it worked
};

class EventLog {
 public:
  static std::string PathIn(const std::string& directory) { return directory + "/events.jsonl"; }

  Status Open(const std::string& directory);
  void Append(const Call& call, const EventOutcome& outcome);
  // Of a dialect: the same fields, as far as they exist there.
  void Append(const DialectCall& call, std::string_view source, std::string_view operation,
              const HttpRequest& request);

 private:
  void Write(const boost::json::object& event);

  std::mutex mutex_;
  UniqueFd file_;
};

// "2026-01-02T03:04:05Z Decrypt    ok     arn:..:role/x  arn:..:key/..  {context}", or "" for a
// line that is no event.
std::string FormatEvent(std::string_view json_line);

}  // namespace freehold::embedded
