// Contacts: /api/v1/contacts.
#include "api/json_reader.h"
#include "fmt/format.h"
#include "net/http_client.h"
#include "net/mail_client.h"
#include "server/api_server.h"

namespace freehold::server {
namespace {

namespace json = boost::json;
using control::Contact;
using control::ContactKind;
using control::Contacts;
using control::Permission;

constexpr std::size_t kLongestUrl = 2000;

json::value TimeOrNull(const std::optional<WallTime>& time) {
  return time.has_value() ? json::value(FormatTime(*time)) : json::value(nullptr);
}

json::object ToJson(const Contact& contact) {
  return {{"id", contact.id},
          {"organization_id", contact.organization},
          {"purpose", NameOf(contact.purpose)},
          {"type", NameOf(contact.kind)},
          {"address", contact.address},
          {"created_at", FormatTime(contact.created_at)},
          {"tested_at", TimeOrNull(contact.tested_at)},
          {"last_delivered_at", TimeOrNull(contact.last_delivered_at)},
          {"last_failed_at", TimeOrNull(contact.last_failed_at)},
          {"last_failure", contact.last_failure},
          {"given_up", contact.given_up}};
}

Status CheckWebhook(const std::string& text, const AddressPolicy& policy) {
  if (text.size() > kLongestUrl) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("must have at most {} characters", kLongestUrl));
  }
  if (text.find('#') != std::string::npos) {
    return Error(ErrorCode::kInvalidArgument, "must be a URL without a fragment");
  }
  const HttpUrl url = TRY(HttpUrl::Parse(text));
  const std::string& place = url.authority;
  const auto end = place.starts_with("[") ? place.find(']') + 1 : place.find(':');
  if (policy.AllowsHost(place.substr(0, end))) return {};
  return Error(ErrorCode::kInvalidArgument, "its address is one that nothing is sent to");
}

// What a contact's address may be depends on how this server can send.
Status CheckAddress(const Contacts::Wish& wish, const ApiOptions& options) {
  if (wish.kind == ContactKind::kEmail && !options.sends_mail) {
    return Error(ErrorCode::kPrecondition, "this service sends no e-mail; give a webhook");
  }
  const Status good = wish.kind == ContactKind::kEmail
                          ? CheckMailAddress(wish.address)
                          : CheckWebhook(wish.address, *options.webhook_addresses);
  return good.ok() ? good : good.error().Because("address");
}

std::string OrganizationOf(const Call& call, const std::string& named) {
  return named.empty() ? call.caller.organization : named;
}

Result<json::object> Create(Contacts& contacts, const ApiOptions& options, const Call& call) {
  const json::object body = TRY(api::ParseObject(call.body, "the body"));
  api::JsonReader reader(body, "");
  Contacts::Wish wish;
  wish.organization = OrganizationOf(call, reader.Text("organization_id"));
  const auto purpose = control::ContactPurposeFromName(reader.RequiredText("purpose"));
  if (purpose.ok()) wish.purpose = *purpose;
  if (!purpose.ok()) reader.Refuse("purpose", purpose.error().message());
  const auto kind = control::ContactKindFromName(reader.RequiredText("type"));
  if (kind.ok()) wish.kind = *kind;
  if (!kind.ok()) reader.Refuse("type", kind.error().message());
  wish.address = reader.RequiredText("address");
  if (wish.organization.empty()) reader.Refuse("organization_id", "is missing");
  TRY(reader.Finish());
  TRY(CheckAddress(wish, options));
  const Contacts::Made made = TRY(contacts.Create(call.caller, wish));
  json::object answer = ToJson(made.contact);
  if (!made.secret.empty()) answer["secret"] = made.secret;
  return answer;
}

}  // namespace

std::vector<Route> ContactRoutes(Contacts& contacts, const ApiOptions& options) {
  return {
      {"POST",
       "/api/v1/contacts",
       {"CreateContact", "NewContact", "ContactWithSecret"},
       Permission::kManageAccess,
       "Has somebody told of the organization's keys; of a webhook, the only answer with its "
       "secret",
       [&](const Call& call) { return Create(contacts, options, call); }},
      {"GET",
       "/api/v1/contacts",
       {"ListContacts", "", "ContactList", "organization_id"},
       Permission::kManageAccess,
       "Whom an organization has told, and what came of it last",
       [&](const Call& call) -> Result<json::object> {
         const auto named = call.query.find("organization_id");
         json::array list;
         for (const Contact& contact : TRY(contacts.List(
                  call.caller,
                  OrganizationOf(call, named == call.query.end() ? "" : named->second)))) {
           list.push_back(ToJson(contact));
         }
         return json::object{{"contacts", std::move(list)}};
       }},
      {"DELETE",
       "/api/v1/contacts/{contact_id}",
       {"DeleteContact", "", "Empty"},
       Permission::kManageAccess,
       "Tells them no more, not even what waits to be sent",
       [&](const Call& call) -> Result<json::object> {
         TRY(contacts.Delete(call.caller, call.Parameter("contact_id")));
         return json::object();
       }},
      {"POST",
       "/api/v1/contacts/{contact_id}/test",
       {"TestContact", "", "Contact"},
       Permission::kManageAccess,
       "Sends a message that says that it came, at most one a minute",
       [&](const Call& call) -> Result<json::object> {
         return ToJson(TRY(contacts.Test(call.caller, call.Parameter("contact_id"))));
       }},
  };
}

}  // namespace freehold::server
