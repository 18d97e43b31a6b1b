#include "cli/key_commands.h"

#include <boost/json.hpp>
#include <set>

#include "cli/key_providers.h"
#include "cli/output.h"
#include "cli/volume_flags.h"
#include "fmt/format.h"
#include "kms/key_provider.h"
#include "papers/grants.h"

namespace freehold::cli {
namespace {

namespace json = boost::json;

std::string_view NameOf(KeyCheckItem::Outcome outcome) {
  switch (outcome) {
    case KeyCheckItem::Outcome::kOk:
      return "ok";
    case KeyCheckItem::Outcome::kWarning:
      return "warning";
    case KeyCheckItem::Outcome::kFailed:
      return "failed";
  }
  return "failed";
}

void PrintJson(const KeyAccess& access, const KeyCheckReport& report) {
  json::array items;
  for (const KeyCheckItem& item : report.items) {
    json::object object = {
        {"outcome", NameOf(item.outcome)}, {"what", item.what}, {"detail", item.detail}};
    if (item.failure.has_value()) {
      object["class"] = freehold::NameOf(item.failure->kms_class);
      object["meaning"] = InfoOf(item.failure->meaning).name;
      object["kms_code"] = item.failure->code;
      object["remedy"] = item.failure->remedy;
    }
    items.push_back(std::move(object));
  }
  json::object body = {
      {"valid", report.valid()}, {"key", access.uri.text()}, {"items", std::move(items)}};
  if (const KmsFailure* failure = report.failure()) {
    const ErrorCodeInfo& info = InfoOf(CodeOf(failure->kms_class));
    body["error"] = {{"code", info.name},
                     {"exit_code", info.exit_code},
                     {"retryable", info.retryable},
                     {"message", failure->Sentence()}};
  }
  Print(json::serialize(body));
}

void PrintText(const KeyCheckReport& report) {
  Print(report.valid() ? "Valid" : "Not valid");
  for (const KeyCheckItem& item : report.items) {
    Print(fmt::format("  {:<8} {}{}{}", NameOf(item.outcome), item.what,
                      item.detail.empty() ? "" : ": ", item.detail));
  }
}

// Whose papers a key's owner has: `freehold provision ...`.
std::string_view CloudOf(KmsType type) {
  switch (type) {
    case KmsType::kAwsKms:
      return "aws";
    case KmsType::kGcpCloudKms:
      return "gcp";
    case KmsType::kAzureKeyVault:
      return "azure";
    case KmsType::kHashicorpVault:
      return "vault";
    case KmsType::kPkcs11:
    case KmsType::kKmip:
      break;
  }
  return "";
}

// What was refused, and the papers of this release grant: a policy that was made with older ones.
void WarnOfOldPolicy(KmsType type, KeyCheckReport& report) {
  std::set<std::string> said;
  for (const std::string& operation : report.refused) {
    const papers::Grant* grant = papers::FindGrant(CloudOf(type), operation);
    if (grant == nullptr || !said.insert(operation).second) continue;
    report.items.push_back(
        {KeyCheckItem::Outcome::kWarning, "Policy", papers::LackOf(*grant), std::nullopt});
  }
}

Result<KeyAccess> AccessOf(const KeyCheckOptions& options) {
  KeyAccess access{TRY(KeyUri::Parse(options.uri)), options.principal, options.external_id};
  TRY(CheckPrincipal(access));
  return access;
}

}  // namespace

int RunKeyCheck(const KeyCheckOptions& options) {
  const auto access = AccessOf(options);
  if (!access.ok()) return Fail(access.error(), options.json);
  const auto context = ParseContext(options.context);
  if (!context.ok()) return Fail(context.error(), options.json);
  const auto provider = KeyProviders().NewProvider(*access);
  KeyCheckReport report = CheckKey(*provider, *access, *context, options.region);
  WarnOfOldPolicy(access->uri.type(), report);
  if (options.json) {
    PrintJson(*access, report);
  } else {
    PrintText(report);
  }
  const KmsFailure* failure = report.failure();
  return failure == nullptr ? 0 : Fail(failure->ToError());
}

}  // namespace freehold::cli
