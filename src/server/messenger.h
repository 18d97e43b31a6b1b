// Messenger: sends what waits in the outbox, by mail and to webhooks.
//
// A webhook is a POST of JSON, signed as Standard Webhooks has it (webhook-id, webhook-timestamp,
// webhook-signature); TLS verified, no redirect followed, times and sizes bounded, and to addresses
// that the operator allows only. A few threads, and one message at a time for each contact: one
// that is slow holds up itself. Errors end on the contact. Threads: its own; the counters are safe.
// Spec: docs/api/contacts.md; https://www.standardwebhooks.com
#pragma once

#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "control/outbox.h"
#include "net/address_policy.h"
#include "net/mail_client.h"

namespace freehold::server {

struct MessengerOptions {
  std::shared_ptr<const MailServer> mail;  // null: no mail is sent
  std::shared_ptr<const AddressPolicy> addresses = std::make_shared<const AddressPolicy>();
  std::string webhook_ca;  // PEM file; "" = the system's
};

class Messenger {
 public:
  // `outbox` and `key` outlive it.
  Messenger(control::Outbox& outbox, const control::WebhookKey& key, const Clock& clock,
            MessengerOptions options);
  ~Messenger();

  // Prometheus's text.
  void AppendTo(std::string& text) const;

 private:
  void Watch(const std::stop_token& stop);
  void Work(const std::stop_token& stop);
  // The next that is due and whose contact nothing is on its way to.
  std::optional<std::string> TakeDue(control::Outbox::Waiting& taken);
  void SendOne(const std::string& id, control::Outbox::Waiting taken);
  Status Deliver(const control::Message& message, const control::Contact& contact) const;
  Status Call(const control::Message& message, const control::Contact& contact) const;

  control::Outbox& outbox_;
  const control::WebhookKey& key_;
  const Clock& clock_;
  const MessengerOptions options_;

  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::map<std::string, control::Outbox::Waiting> waiting_;
  std::set<std::string> busy_;          // contacts
  std::map<std::string, int> busy_of_;  // messages under way, by organization

  std::atomic<std::uint64_t> delivered_{0};
  std::atomic<std::uint64_t> failed_{0};
  std::atomic<std::uint64_t> given_up_{0};
  std::vector<std::jthread> threads_;
};

}  // namespace freehold::server
