#include <optional>

#include "server/schema_parts.h"

namespace freehold::server {
namespace {

std::vector<Field> ContactFields(std::optional<Field> more = std::nullopt) {
  std::vector<Field> fields = {
      {"id", "string"},
      {"organization_id", "string"},
      {"purpose", "ContactPurpose"},
      {"type", "ContactType"},
      {"address", "string"},
      {"created_at", "time"},
      {"tested_at", "time?"},
      {"last_delivered_at", "time?"},
      {"last_failed_at", "time?", "Null once something was delivered"},
      {"last_failure", "string", "In words; empty once something was delivered"},
      {"given_up", "integer", "Messages that could not be delivered"}};
  if (more.has_value()) fields.push_back(*more);
  return fields;
}

}  // namespace

std::vector<Schema> TellingSchemas() {
  return {
      // ---- who is told ----
      {"NewContact",
       kClosed,
       {{"organization_id?", "string", "For the operator: whose; one's own unless said"},
        {"purpose", "ContactPurpose", "SECURITY: also of who revoked and restored"},
        {"type", "ContactType"},
        {"address", "string", "An e-mail address, or an https URL"}}},
      {"Contact", kOpen, ContactFields()},
      {"ContactWithSecret", kOpen,
       ContactFields(Field{"secret?", "string", "Of a webhook, to verify by; shown this once"})},
      {"ContactList", kOpen, {{"contacts", "[Contact]"}}},
      // ---- their custody ----
      {"CustodyChange",
       kClosed,
       {{"check_interval?", "string", "Between two probes: 60s, 1m30s, 250ms"},
        {"confirm_after?", "string", "From a first no to the second look"},
        {"request_timeout?", "string", "A probe that takes longer is unreachable"},
        {"outage_grace?", "string", "Open although the KMS cannot be reached"},
        {"seal_delay?", "string", "Open after a confirmed no"},
        {"stop_timeout?", "string", "For the database to stop by itself"},
        {"version_interval?", "string", "Between two looks for a new key version; 0s: never"},
        {"open_grant?", "string", "How old the server's word may be by which a volume is opened"},
        {"on_denied?", "OnDenied"},
        {"on_key_return?", "OnKeyReturn", "Opened by itself, or by a restore only"}}},
      {"CustodySettings",
       kOpen,
       {{"check_interval", "string"},
        {"confirm_after", "string"},
        {"request_timeout", "string"},
        {"outage_grace", "string"},
        {"seal_delay", "string"},
        {"stop_timeout", "string"},
        {"version_interval", "string"},
        {"open_grant", "string"},
        {"on_denied", "OnDenied"},
        {"on_key_return", "OnKeyReturn"}}},
      {"WorstCase",
       kOpen,
       {{"denied", "string?", "From the KMS's no to sealed; null: never"},
        {"unreachable", "string", "From the beginning of an outage to sealed"},
        {"text", "string", "Both, for people"}}},
      {"NodeCustody",
       kOpen,
       {{"id", "string"},
        {"region", "string"},
        {"connected", "boolean"},
        {"applied", "boolean", "It runs with the cluster's settings"},
        {"settings", "CustodySettings?", "That it runs with; null: not heard yet"},
        {"worst_case", "WorstCase?"}}},
      {"CustodyAnswer",
       kOpen,
       {{"told", "boolean", "false: nobody has set any; nodes use what they were started with"},
        {"settings", "CustodySettings"},
        {"worst_case", "WorstCase"},
        {"bounds", "CustodyBounds", "The operator's"},
        {"nodes", "[NodeCustody]"},
        {"restore_warning", "string", "Where no other account could restore at once; else empty"}}},
      // ---- the audit log ----
      {"AuditEntry",
       kOpen,
       {{"position", "integer", "1, 2, 3, ... in the order of the organization's changes"},
        {"seal", "string", "SHA-256, in hex, over the seal before and this entry"},
        {"text", "string", "The exact bytes that are sealed; the other fields are what it says"},
        {"id", "string"},
        {"action", "string"},
        {"created_at", "time"},
        {"organization_id", "string"},
        {"project_id", "string"},
        {"cluster_id", "string"},
        {"cluster_name", "string"},
        {"service_account_id", "string"},
        {"service_account_name", "string"},
        {"payload", "any", "What was asked for, without secrets"}}},
      {"AuditLog", kOpen, {{"entries", "[AuditEntry]"}}},
      {"AuditLogHead",
       kOpen,
       {{"organization_id", "string", "Empty: the operator's"},
        {"position", "integer", "Of the newest entry; 0: there is none"},
        {"seal", "string", "Of that entry"},
        {"at", "time", "When it was signed"},
        {"signature", "string", "Ed25519, in base64"},
        {"key_id", "string", "SHA-256, in hex, of the key's SubjectPublicKeyInfo"}}},
      {"AuditLogKey",
       kOpen,
       {{"key_id", "string"},
        {"public_key", "string", "SubjectPublicKeyInfo, in PEM"},
        {"used_since", "time"}}},
      {"AuditLogKeys", kOpen, {{"keys", "[AuditLogKey]"}}},
  };
}

}  // namespace freehold::server
