#include "control/contacts.h"

#include <algorithm>
#include <boost/json.hpp>

#include "api/archive.h"
#include "base/bytes.h"
#include "control/audit.h"
#include "control/outbox.h"
#include "crypto/crypto.h"
#include "crypto/uuid.h"
#include "fmt/format.h"

namespace freehold::api {

template <>
inline constexpr int kEnumCount<control::ContactPurpose> = 2;
template <>
inline constexpr int kEnumCount<control::ContactKind> = 2;

}  // namespace freehold::api

namespace freehold::control {
namespace {

// Who are still to be told that they are no contacts any more.
constexpr std::size_t kMostRemoved = 40;
constexpr Duration kBetweenTests = std::chrono::minutes(1);
constexpr std::size_t kSecretSize = 32;

// The contact, for who manages its organization's access.
Result<Contact> LoadFor(Transaction& transaction, const Caller& caller, const std::string& id) {
  auto contact = TRY(Load<Contact>(transaction, Kind::kContact, id, "contact"));
  TRY(Require(caller, Permission::kManageAccess, {contact.organization, "", ""}, "contact", id));
  return contact;
}

// Who was removed has no name any more.
bool IsPresent(const Record& contact) { return !contact.name.empty(); }

boost::json::object PayloadOf(const Contact& contact) {
  return {{"contact_id", contact.id},
          {"purpose", NameOf(contact.purpose)},
          {"type", NameOf(contact.kind)},
          {"address", contact.address}};
}

}  // namespace

std::string_view NameOf(ContactPurpose purpose) {
  return purpose == ContactPurpose::kSecurity ? "SECURITY" : "TECHNICAL";
}

Result<ContactPurpose> ContactPurposeFromName(std::string_view name) {
  for (const auto purpose : {ContactPurpose::kTechnical, ContactPurpose::kSecurity}) {
    if (NameOf(purpose) == name) return purpose;
  }
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("'{}' is no purpose: TECHNICAL or SECURITY", Printable(name)));
}

std::string_view NameOf(ContactKind kind) {
  return kind == ContactKind::kWebhook ? "WEBHOOK" : "EMAIL";
}

Result<ContactKind> ContactKindFromName(std::string_view name) {
  for (const auto kind : {ContactKind::kEmail, ContactKind::kWebhook}) {
    if (NameOf(kind) == name) return kind;
  }
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("'{}' is no type of contact: EMAIL or WEBHOOK", Printable(name)));
}

template <typename Archive>
void Fields(Archive& archive, Contact& contact) {
  archive("id", contact.id);
  archive("organization", contact.organization);
  archive("purpose", contact.purpose);
  archive("type", contact.kind);
  archive("address", contact.address);
  archive("secret_digest", contact.secret_digest);
  archive("created_at", contact.created_at);
  archive("tested_at", contact.tested_at);
  archive("last_delivered_at", contact.last_delivered_at);
  archive("last_failed_at", contact.last_failed_at);
  archive("last_failure", contact.last_failure);
  archive("given_up", contact.given_up);
  archive("removed", contact.removed);
}

// Its name makes it unique below its organization, while it is there.
Record ToRecord(const Contact& contact) {
  std::string name =
      contact.removed ? "" : fmt::format("{} {}", NameOf(contact.purpose), contact.address);
  return {Kind::kContact, contact.id, contact.organization, std::move(name),
          api::EncodeBody(contact)};
}

template <>
Result<Contact> FromRecord(const Record& record) {
  return api::DecodeBody<Contact>(record.body, "a record of the store");
}

template <>
Result<Contact> Load(Transaction& transaction, Kind kind, const std::string& id,
                     std::string_view what) {
  const auto record = TRY(transaction.Get(kind, id));
  if (!record.has_value()) return Absent(what, id);
  auto contact = TRY(FromRecord<Contact>(*record));
  if (contact.removed) return Absent(what, id);
  return contact;
}

Result<std::vector<Contact>> LoadContacts(Transaction& transaction,
                                          const std::string& organization) {
  std::vector<Contact> contacts;
  for (const Record& record : TRY(transaction.List(Kind::kContact, organization, {}))) {
    if (IsPresent(record)) contacts.push_back(TRY(FromRecord<Contact>(record)));
  }
  return contacts;
}

SecretBytes WebhookKey::SecretOf(const std::string& contact) const {
  return DeriveKey(key_, AsBytes(contact), "freehold webhook v1", kSecretSize);
}

std::string WebhookKey::TextOf(const std::string& contact) const {
  return "whsec_" + Base64Encode(SecretOf(contact).ExposeSecret());
}

std::string WebhookKey::DigestOf(const std::string& contact) const {
  return HexEncode(Sha256(SecretOf(contact).ExposeSecret()));
}

std::string WebhookKey::Sign(const std::string& contact, const std::string& message,
                             std::int64_t seconds, std::string_view body) const {
  const std::string signed_text = fmt::format("{}.{}.{}", message, seconds, body);
  return "v1," + Base64Encode(HmacSha256(SecretOf(contact).ExposeSecret(), AsBytes(signed_text)));
}

namespace {

// Of the organization, by address: a contact that is made anew is no way around.
Status NoteTest(Transaction& transaction, const Contact& contact, WallTime now) {
  auto organization = TRY(
      Load<Organization>(transaction, Kind::kOrganization, contact.organization, "organization"));
  std::erase_if(organization.tested,
                [&](const auto& one) { return now - one.second >= kBetweenTests; });
  if (organization.tested.contains(contact.address)) {
    return Error(ErrorCode::kRateLimited, "this contact was tested within the last minute");
  }
  if (organization.tested.size() >= kMostContacts) {
    return Error(ErrorCode::kRateLimited, "too many contacts were tested within the last minute");
  }
  organization.tested[contact.address] = now;
  return transaction.Put(ToRecord(organization));
}

}  // namespace

Result<Contacts::Made> Contacts::Create(const Caller& caller, const Wish& wish) {
  Contact contact;
  contact.id = NewUuid();
  contact.organization = wish.organization;
  contact.purpose = wish.purpose;
  contact.kind = wish.kind;
  contact.address = wish.address;
  contact.created_at = clock_.Wall();
  const bool is_webhook = wish.kind == ContactKind::kWebhook;
  if (is_webhook) contact.secret_digest = key_->DigestOf(contact.id);
  TRY(caller.Require(Permission::kManageAccess, {wish.organization, "", ""}));
  TRY(ChangeAs(store_, caller, [&](Transaction& transaction) -> Status {
    TRY(Load<Organization>(transaction, Kind::kOrganization, wish.organization, "organization"));
    const auto all = TRY(transaction.List(Kind::kContact, wish.organization, {}));
    const auto present = std::count_if(all.begin(), all.end(), IsPresent);
    if (present >= static_cast<std::ptrdiff_t>(kMostContacts)) {
      return Error(ErrorCode::kPrecondition,
                   fmt::format("an organization has at most {} contacts", kMostContacts));
    }
    if (all.size() >= kMostContacts + kMostRemoved) {
      return Error(ErrorCode::kRateLimited,
                   "too many contacts were removed and are not yet told of it");
    }
    TRY(transaction.Put(ToRecord(contact)));
    return Note(transaction, clock_, caller, {"CREATE_CONTACT", {wish.organization, "", ""}},
                PayloadOf(contact));
  }));
  return Made{contact, is_webhook ? key_->TextOf(contact.id) : ""};
}

Result<std::vector<Contact>> Contacts::List(const Caller& caller, const std::string& organization) {
  TRY(caller.Require(Permission::kManageAccess, {organization, "", ""}));
  std::vector<Contact> contacts;
  TRY(store_.Read([&](Transaction& transaction) -> Status {
    contacts = TRY(LoadContacts(transaction, organization));
    return {};
  }));
  return contacts;
}

Status Contacts::Delete(const Caller& caller, const std::string& id) {
  return ChangeAs(store_, caller, [&](Transaction& transaction) -> Status {
    Contact contact = TRY(LoadFor(transaction, caller, id));
    TRY(TellRemoved(transaction, contact, caller, clock_.Wall()));
    if (contact.purpose == ContactPurpose::kSecurity) {
      contact.removed = true;
      TRY(transaction.Put(ToRecord(contact)));
      TRY(ForgetIfTold(transaction, contact));
    } else {
      for (const Record& message : TRY(transaction.List(Kind::kMessage, id, {}))) {
        TRY(transaction.Remove(Kind::kMessage, message.id));
      }
      TRY(transaction.Remove(Kind::kContact, id));
    }
    return Note(transaction, clock_, caller, {"DELETE_CONTACT", {contact.organization, "", ""}},
                PayloadOf(contact));
  });
}

Result<Contact> Contacts::Test(const Caller& caller, const std::string& id) {
  Contact contact;
  TRY(ChangeAs(store_, caller, [&](Transaction& transaction) -> Status {
    contact = TRY(LoadFor(transaction, caller, id));
    const WallTime now = clock_.Wall();
    TRY(NoteTest(transaction, contact, now));
    contact.tested_at = now;
    TRY(transaction.Put(ToRecord(contact)));
    TRY(PostTest(transaction, contact, now));
    return Note(transaction, clock_, caller, {"TEST_CONTACT", {contact.organization, "", ""}},
                PayloadOf(contact));
  }));
  return contact;
}

}  // namespace freehold::control
