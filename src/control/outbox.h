// Outbox: messages on their way to contacts, as records of the store.
//
// A message is written in the transaction that notices what it tells, so that none is lost with a
// server; one server leases it, sends it, and removes it. A server that dies in between has its
// lease run out, and the message goes out once more, under the same id: at least once, and never
// from two servers at the same time. What cannot be delivered is tried again, ever less often, for
// a bounded time; then it is given up, and its contact says so.
// Errors: as Store. Threads: safe; Post and TakeBack are those of the transaction.
// Spec: docs/api/contacts.md.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "control/contacts.h"
#include "control/notice.h"

namespace freehold::control {

// More than so many wait for no contact.
inline constexpr std::size_t kMostWaitingMessages = 200;

struct Message {
  std::string id;
  std::string organization;
  std::string contact;  // id
  std::string type;     // "key.denied"
  std::string body;     // JSON, for a webhook
  std::string subject;  // and for a mail
  std::string text;
  WallTime created_at;
  WallTime next_at;  // when it is to be tried
  std::uint64_t attempts = 0;
  std::string leased_by;
  std::optional<WallTime> leased_until;
  std::optional<WallTime> first_try_at;
};
Record ToRecord(const Message& message);

// One for each contact that wants to know of it; their ids.
Result<std::vector<std::string>> Post(Transaction& transaction, const Notice& notice, WallTime now,
                                      WallTime not_before);
// To this one alone.
Status PostTest(Transaction& transaction, const Contact& contact, WallTime now);
// Those that nobody has begun to send. How many it were.
Result<std::size_t> TakeBack(Transaction& transaction, const std::vector<std::string>& messages);

// Tells what the nodes' words have made of the cluster; in the transaction that takes them in.
Status TellNews(Transaction& transaction, const Cluster& cluster,
                const std::vector<NodeState>& nodes, WallTime now);
// Who revoked, or restored, what the cluster now says; with the warning of restorers.h, or "".
Status TellRevocation(Transaction& transaction, const Cluster& cluster, const Caller& caller,
                      const std::string& warning, WallTime now);
// Who left the customer's keys, or keeps data open longer by which settings.
Status TellLeft(Transaction& transaction, const Cluster& cluster, const Caller& caller,
                WallTime now);
Status TellLoosened(Transaction& transaction, const Cluster& cluster, const Caller& caller,
                    const std::vector<std::string>& settings, WallTime now);
// That two hosts speak for one of its nodes.
Status TellDuplicated(Transaction& transaction, const Cluster& cluster, const NodeState& node,
                      WallTime now);
// To those that are left, and to itself if it is told of such things.
Status TellRemoved(Transaction& transaction, const Contact& contact, const Caller& caller,
                   WallTime now);
// A removed contact for whom no message waits.
Status ForgetIfTold(Transaction& transaction, const Contact& contact);
// Of a cluster that is deleted.
Status ForgetNews(Transaction& transaction, const std::string& cluster);

class Outbox {
 public:
  struct Settings {
    Duration lease = std::chrono::seconds(60);  // longer than one delivery takes
    Duration first_wait = std::chrono::seconds(1);
    Duration longest_wait = std::chrono::minutes(15);
    Duration give_up = std::chrono::hours(24);
  };
  // `holder` names this server among those over the store.
  Outbox(Store& store, const Clock& clock, std::string holder, Settings settings)
      : store_(store), clock_(clock), holder_(std::move(holder)), settings_(settings) {}

  struct Waiting {
    std::string organization;
    std::string contact;
    WallTime at;  // when it may be leased
  };
  // Takes in what has changed since the call before: the messages by their ids.
  Status Refresh(std::map<std::string, Waiting>& waiting);

  struct Leased {
    Message message;
    Contact contact;
  };
  // Nothing when it is gone, not due, or another server's; `waiting` then says what is known of it.
  Result<std::optional<Leased>> Lease(const std::string& id);
  Status Delivered(const Message& message);
  // `problem` is what the contact shows. True when it was given up.
  Result<bool> Failed(const Message& message, const std::string& problem);

 private:
  Store& store_;
  const Clock& clock_;
  const std::string holder_;
  const Settings settings_;
  std::uint64_t seen_ = 0;  // revision
};

}  // namespace freehold::control
