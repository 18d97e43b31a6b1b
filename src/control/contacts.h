// Contacts: whom an organization wants told of its keys, by e-mail or by webhook.
//
// Security contacts are told of everything, technical ones of all but who revoked and restored.
// A webhook's signing secret is derived from the servers' own key and the contact's id: it is shown
// once, and the store holds no more than its digest. Whether an address can be used, server/ has
// judged. Errors: as in clusters.h; kAlreadyExists for a contact that is there, kRateLimited for a
// second test within a minute. Threads: safe. Spec: docs/api/contacts.md.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/secret_bytes.h"
#include "control/model.h"

namespace freehold::control {

inline constexpr std::size_t kMostContacts = 20;  // of an organization

enum class ContactPurpose { kTechnical, kSecurity };
std::string_view NameOf(ContactPurpose purpose);  // "TECHNICAL"
Result<ContactPurpose> ContactPurposeFromName(std::string_view name);

enum class ContactKind { kEmail, kWebhook };
std::string_view NameOf(ContactKind kind);  // "EMAIL"
Result<ContactKind> ContactKindFromName(std::string_view name);

struct Contact {
  std::string id;
  std::string organization;
  ContactPurpose purpose = ContactPurpose::kTechnical;
  ContactKind kind = ContactKind::kEmail;
  std::string address;        // an e-mail address, or a URL
  std::string secret_digest;  // of a webhook's secret; hex of SHA-256
  WallTime created_at;
  std::optional<WallTime> tested_at;
  std::optional<WallTime> last_delivered_at;
  std::optional<WallTime> last_failed_at;
  std::string last_failure;    // in words; "" once something was delivered
  std::uint64_t given_up = 0;  // messages that could not be delivered
  // Gone for everybody but the outbox, which still tells a security contact what it was to be told,
  // and that it was removed: whoever takes it away does not silence it.
  bool removed = false;
};
Record ToRecord(const Contact& contact);
template <>
Result<Contact> FromRecord(const Record& record);
template <>
Result<Contact> Load(Transaction& transaction, Kind kind, const std::string& id,
                     std::string_view what);
Result<std::vector<Contact>> LoadContacts(Transaction& transaction,
                                          const std::string& organization);

// The servers' key for webhooks, and what is made of it.
class WebhookKey {
 public:
  explicit WebhookKey(SecretBytes key) : key_(std::move(key)) {}

  // Of a contact: 32 bytes.
  SecretBytes SecretOf(const std::string& contact) const;
  // As receivers take it: "whsec_" and base64.
  std::string TextOf(const std::string& contact) const;
  std::string DigestOf(const std::string& contact) const;
  // "v1," and base64, over the message's id, the time in seconds and the body.
  std::string Sign(const std::string& contact, const std::string& message, std::int64_t seconds,
                   std::string_view body) const;

 private:
  SecretBytes key_;
};

class Contacts {
 public:
  // `key` outlives it.
  Contacts(Store& store, const Clock& clock, const WebhookKey* key)
      : store_(store), clock_(clock), key_(key) {}

  struct Wish {
    std::string organization;
    ContactPurpose purpose = ContactPurpose::kTechnical;
    ContactKind kind = ContactKind::kEmail;
    std::string address;
  };
  struct Made {
    Contact contact;
    std::string secret;  // of a webhook; shown this once
  };
  Result<Made> Create(const Caller& caller, const Wish& wish);
  Result<std::vector<Contact>> List(const Caller& caller, const std::string& organization);
  // Its messages that wait go with it.
  Status Delete(const Caller& caller, const std::string& id);
  // Sends a message that says nothing but that it came.
  Result<Contact> Test(const Caller& caller, const std::string& id);

 private:
  Store& store_;
  const Clock& clock_;
  const WebhookKey* const key_;
};

}  // namespace freehold::control
