#include "cli/provision_command.h"

#include "cli/output.h"
#include "fmt/format.h"

namespace freehold::cli {
namespace {

Error NoSuchFormat(const ProvisionOptions& options, std::string_view formats) {
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("--format {} is none of {}", options.format, formats));
}

Result<std::string> Aws(const ProvisionOptions& options) {
  TRY(papers::Check(options.aws));
  if (!options.link.empty()) return papers::AwsQuickCreateLink(options.aws, options.link);
  const std::string& format = options.format;
  if (format.empty() || format == "cloudformation") return papers::AwsCloudFormation(options.aws);
  if (format == "terraform") return papers::AwsTerraform(options.aws);
  if (format == "trust-policy") return papers::AwsTrustPolicy(options.aws);
  if (format == "key-policy") {
    if (options.account.size() != 12 || !papers::IsMadeOf(options.account, "")) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("--account '{}' is not 12 digits", options.account));
    }
    return papers::AwsKeyPolicy(options.aws, options.account);
  }
  return NoSuchFormat(options, "cloudformation, terraform, trust-policy, key-policy");
}

Result<std::string> Gcp(const ProvisionOptions& options) {
  TRY(papers::Check(options.gcp));
  if (options.format.empty() || options.format == "commands") {
    return papers::GcpCommands(options.gcp);
  }
  if (options.format == "terraform") return papers::GcpTerraform(options.gcp);
  return NoSuchFormat(options, "commands, terraform");
}

Result<std::string> Azure(const ProvisionOptions& options) {
  TRY(papers::Check(options.azure));
  if (options.format.empty() || options.format == "commands") {
    return papers::AzureCommands(options.azure);
  }
  if (options.format == "terraform") return papers::AzureTerraform(options.azure);
  return NoSuchFormat(options, "commands, terraform");
}

Result<std::string> Vault(const ProvisionOptions& options) {
  TRY(papers::Check(options.vault));
  if (options.format.empty() || options.format == "commands") {
    return papers::VaultCommands(options.vault);
  }
  if (options.format == "policy") return papers::VaultPolicy(options.vault);
  if (options.format == "keymgmt-aws") return papers::VaultKeymgmtCommands(options.vault, true);
  if (options.format == "keymgmt-gcp") return papers::VaultKeymgmtCommands(options.vault, false);
  return NoSuchFormat(options, "commands, policy, keymgmt-aws, keymgmt-gcp");
}

Result<std::string> Kmip(const ProvisionOptions& options) {
  TRY(papers::Check(options.kmip));
  if (options.format.empty() || options.format == "commands") {
    return papers::KmipCommands(options.kmip);
  }
  return NoSuchFormat(options, "commands");
}

}  // namespace

int RunProvision(const ProvisionOptions& options) {
  const auto text = options.cloud == "aws"     ? Aws(options)
                    : options.cloud == "gcp"   ? Gcp(options)
                    : options.cloud == "azure" ? Azure(options)
                    : options.cloud == "kmip"  ? Kmip(options)
                                               : Vault(options);
  if (!text.ok()) return Fail(text.error());
  std::string_view printed = *text;
  if (printed.ends_with('\n')) printed.remove_suffix(1);
  Print(printed);
  return 0;
}

}  // namespace freehold::cli
