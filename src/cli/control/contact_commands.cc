// Contacts: whom an organization has told of its keys.
#include "base/bytes.h"
#include "cli/control/commands.h"
#include "cli/control/names.h"
#include "cli/control/secret_file.h"
#include "cli/control/table.h"
#include "cli/output.h"
#include "fmt/format.h"

namespace freehold::cli {
namespace {

namespace json = boost::json;

constexpr const char* kContacts = "/api/v1/contacts";

void PrintContacts(const json::object& answer) {
  std::vector<Row> rows;
  std::vector<std::string> remarks;
  for (const json::value& item : ListOf(answer, "contacts")) {
    const json::object& one = item.as_object();
    rows.push_back({FieldOf(one, "id"), FieldOf(one, "purpose"), FieldOf(one, "type"),
                    FieldOf(one, "address"), FieldOf(one, "last_delivered_at"),
                    FieldOf(one, "last_failed_at"), FieldOf(one, "given_up")});
    const std::string words = FieldOf(one, "last_failure");
    if (!words.empty()) remarks.push_back(fmt::format("{}: {}", FieldOf(one, "address"), words));
  }
  PrintTable({"ID", "PURPOSE", "TYPE", "ADDRESS", "DELIVERED", "FAILED", "GIVEN UP"}, rows);
  for (const std::string& remark : remarks) Print(Printable(remark));
}

void PrintContact(const json::object& one) {
  PrintFields({{"id", FieldOf(one, "id")},
               {"purpose", FieldOf(one, "purpose")},
               {"type", FieldOf(one, "type")},
               {"address", FieldOf(one, "address")}});
}

std::string ContactPath(const ContactFlags& flags) {
  return fmt::format("{}/{}", kContacts, UrlPart(flags.contact));
}

}  // namespace

Status ContactAdd(const ContactFlags& flags) {
  if (flags.email.empty() == flags.webhook.empty()) {
    return Error(ErrorCode::kInvalidArgument, "give --email or --webhook, one of them");
  }
  const bool is_webhook = !flags.webhook.empty();
  if (!is_webhook && !flags.secret_file.empty()) {
    return Error(ErrorCode::kInvalidArgument, "--secret-file goes with --webhook");
  }
  ApiClient api = TRY(Connect(flags.common));
  json::object body = {{"purpose", flags.security ? "SECURITY" : "TECHNICAL"},
                       {"type", is_webhook ? "WEBHOOK" : "EMAIL"},
                       {"address", is_webhook ? flags.webhook : flags.email}};
  if (!flags.organization.empty()) {
    body["organization_id"] = TRY(IdOf(api, kOrganizations, flags.organization));
  }
  SecretFile file = TRY(SecretFile::Create(flags.secret_file));
  ApiAnswer made = TRY(api.Send("POST", kContacts, body));
  const std::string secret = FieldOf(made.body, "secret");
  if (file.is_wanted()) {
    TRY(file.Write(secret));
    made.body.erase("secret");
    made.text = json::serialize(made.body);
  }
  Show(made, flags.common, [&](const json::object& one) {
    PrintContact(one);
    if (secret.empty()) return;
    PrintFields(
        {{"secret, shown this once", file.is_wanted() ? "in " + flags.secret_file : secret}});
  });
  return {};
}

Status ContactList(const ContactFlags& flags) {
  ApiClient api = TRY(Connect(flags.common));
  std::string target = kContacts;
  if (!flags.organization.empty()) {
    target += "?organization_id=" + UrlPart(TRY(IdOf(api, kOrganizations, flags.organization)));
  }
  Show(TRY(api.Get(target)), flags.common, PrintContacts);
  return {};
}

Status ContactRemove(const ContactFlags& flags) {
  ApiClient api = TRY(Connect(flags.common));
  Show(TRY(api.Delete(ContactPath(flags))), flags.common, [&](const json::object&) {
    Print(fmt::format("the contact {} is removed", flags.contact));
  });
  return {};
}

Status ContactTest(const ContactFlags& flags) {
  ApiClient api = TRY(Connect(flags.common));
  Show(TRY(api.Send("POST", ContactPath(flags) + "/test", {})), flags.common,
       [](const json::object& one) {
         Print(
             fmt::format("a message is on its way to {}; 'freehold contact list' shows whether "
                         "it came",
                         FieldOf(one, "address")));
       });
  return {};
}

}  // namespace freehold::cli
