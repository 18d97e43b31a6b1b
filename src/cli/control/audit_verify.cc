// `freehold audit verify`: the chain of the audit log, recomputed here.
#include <algorithm>
#include <boost/json.hpp>
#include <optional>

#include "api/audit_chain.h"
#include "api/json_reader.h"
#include "base/posix_file.h"
#include "cli/control/commands.h"
#include "cli/control/table.h"
#include "cli/output.h"
#include "fmt/format.h"

namespace freehold::cli {
namespace {

namespace json = boost::json;
using api::AuditChain;
using api::AuditHead;

constexpr std::size_t kLongestExport = 4ul << 30;

Result<AuditHead> ReadHead(const std::string& path) {
  const Bytes text = TRY(ReadFile(path));
  auto object = api::ParseObject(AsText(text), path);
  if (!object.ok()) return object.error();
  auto head = api::ParseAuditHead(*object);
  return head.ok() ? std::move(head) : head.error().Because(path);
}

Status AddKeys(std::string_view pem, const std::string& from, std::vector<VerifyingKey>& keys) {
  auto more = VerifyingKey::AllInPem(pem);
  if (!more.ok()) return more.error().Because(from);
  for (VerifyingKey& key : *more) keys.push_back(std::move(key));
  return {};
}

// What is verified, and by what.
struct Evidence {
  std::vector<VerifyingKey> keys;
  std::vector<AuditHead> heads;  // those that were kept
  std::optional<AuditHead> newest;
  std::vector<json::object> entries;
};

Status ReadExport(const std::string& path, Evidence& evidence) {
  const Bytes file = TRY(ReadFile(path, kLongestExport));
  std::string_view rest = AsText(file);
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    auto entry =
        api::ParseObject(line, fmt::format("line {} of {}", evidence.entries.size() + 1, path));
    if (!entry.ok()) return entry.error();
    evidence.entries.push_back(std::move(*entry));
  }
  return {};
}

Status ReadServer(const AuditFlags& flags, Evidence& evidence) {
  ApiClient api = TRY(Connect(flags.common));
  if (evidence.keys.empty()) {
    const ApiAnswer keys = TRY(api.Get(fmt::format("{}/keys", kAuditLog)));
    for (const json::value& key : ListOf(keys.body, "keys")) {
      TRY(AddKeys(FieldOf(key.as_object(), "public_key"), "the server's key", evidence.keys));
    }
  }
  // Before the entries: all that it stands for are among those.
  const ApiAnswer head = TRY(api.Get(fmt::format("{}/head", kAuditLog)));
  evidence.newest = TRY(api::ParseAuditHead(head.body));
  return EachAuditPage(api, 0, [&](const ApiAnswer& page) -> Status {
    for (const json::value& entry : ListOf(page.body, "entries")) {
      evidence.entries.push_back(entry.as_object());
    }
    return {};
  });
}

Result<Evidence> Gather(const AuditFlags& flags) {
  Evidence evidence;
  for (const std::string& path : flags.keys) {
    const Bytes pem = TRY(ReadFile(path));
    TRY(AddKeys(AsText(pem), path, evidence.keys));
  }
  for (const std::string& path : flags.heads) evidence.heads.push_back(TRY(ReadHead(path)));
  if (flags.file.empty()) {
    TRY(ReadServer(flags, evidence));
    return evidence;
  }
  if (!flags.heads.empty() && flags.keys.empty()) {
    return Error(ErrorCode::kInvalidArgument,
                 "a head is checked against a file with the keys of --key, which is missing");
  }
  TRY(ReadExport(flags.file, evidence));
  return evidence;
}

// Whose log it is, as the first that can say so says.
std::string OrganizationOf(const Evidence& evidence) {
  if (evidence.newest.has_value()) return evidence.newest->organization;
  if (!evidence.heads.empty()) return evidence.heads.front().organization;
  return evidence.entries.empty() ? "" : FieldOf(evidence.entries.front(), "organization_id");
}

Status CheckHead(const AuditHead& head, const AuditChain& chain, const Evidence& evidence) {
  TRY(api::CheckSignature(head, evidence.keys));
  return chain.Holds(head);
}

std::string Summary(const AuditChain& chain, const Evidence& evidence) {
  std::string text = fmt::format("{} entries in an unbroken chain", chain.position());
  if (evidence.newest.has_value()) {
    text += fmt::format("; its head is signed by the key {}", evidence.newest->key_id);
  }
  for (const AuditHead& head : evidence.heads) {
    text += fmt::format("; the head of {} is on it, at {}", head.at, head.position);
  }
  if (!evidence.newest.has_value() && evidence.heads.empty()) {
    text += "; without a head, what is missing at its end does not show";
  }
  return text;
}

}  // namespace

Status AuditVerify(const AuditFlags& flags) {
  const Evidence evidence = TRY(Gather(flags));
  AuditChain chain(OrganizationOf(evidence));
  for (const json::object& entry : evidence.entries) TRY(chain.Take(entry));
  for (const AuditHead& head : evidence.heads) TRY(CheckHead(head, chain, evidence));
  if (evidence.newest.has_value()) TRY(CheckHead(*evidence.newest, chain, evidence));
  if (!flags.common.json) {
    Print(Summary(chain, evidence));
    return {};
  }
  Print(json::serialize(json::object{{"organization_id", chain.organization()},
                                     {"position", chain.position()},
                                     {"seal", HexEncode(chain.seal())},
                                     {"heads", evidence.heads.size()}}));
  return {};
}

}  // namespace freehold::cli
