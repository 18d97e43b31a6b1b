// Notice: one thing that happened to a customer's key, and how it is told.
//
// From what the store knows; no I/O. Types are words that receivers may switch on, and stay as they
// are. Texts hold what a KMS said, printable, and nothing secret. Threads: values.
// Spec: docs/api/contacts.md.
#pragma once

#include <boost/json/fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/model.h"

namespace freehold::control {

enum class NoticeType {
  kDenied,             // the KMS says no
  kGraceEnding,        // it does not answer, and half of the grace is used up
  kSealed,             // the data cannot be read
  kDeletionScheduled,  // the key will be deleted
  kReturned,           // all of that is over
  kNewVersion,         // of the key, and it was wrapped to
  kRevoked,            // over the API
  kRestored,           // over the API
  kLeft,               // over the API: back to the operator's key
  kLoosened,           // over the API: custody
  kRestoreAwaited,     // an API key was made that can restore what was revoked before, later
  kContactRemoved,     // over the API
  kDuplicated,         // two hosts speak for one node
  kTest,
};
inline constexpr int kNoticeTypeCount = 14;
std::string_view NameOf(NoticeType type);  // "key.denied"

struct Notice {
  NoticeType type = NoticeType::kTest;
  Place at;
  std::string cluster_name;
  std::string region;               // "" = all of the cluster's
  std::optional<api::KeySpec> key;  // unset where it is about all of them
  std::string kms_message;          // the KMS's own words
  std::optional<WallTime> since;
  std::vector<std::string> nodes;  // that saw it
  std::string what;                // one sentence: what happened
  std::string follows;             // what will happen; "" = nothing
  std::optional<WallTime> follows_at;
  std::vector<std::string> commands;  // what to type, each with a remark after the #
};

// {"type", "timestamp", "data"}: what a webhook gets.
boost::json::object ToJson(const Notice& notice, WallTime now);
// For people: the subject of a mail, printable ASCII, and its text.
std::string SubjectOf(const Notice& notice);
std::string TextOf(const Notice& notice, WallTime now);

}  // namespace freehold::control
