#include "cli/kms_azure_commands.h"

#include <boost/json.hpp>

#include "base/clock.h"
#include "base/posix_file.h"
#include "cli/kms_commands.h"
#include "cli/output.h"
#include "fmt/format.h"
#include "kms/embedded/control_socket.h"

namespace freehold::cli {
namespace {

namespace json = boost::json;

Result<json::object> CommandOf(const KmsAzureOptions& options) {
  json::object command{{"dialect", "azure"}, {"command", options.command}};
  const std::pair<const char*, const std::string*> texts[] = {
      {"app", &options.app},     {"tenant", &options.tenant}, {"role", &options.role},
      {"scope", &options.scope}, {"vault", &options.vault},   {"firewall", &options.firewall}};
  for (const auto& [name, text] : texts) {
    if (!text->empty()) command[name] = *text;
  }
  if (options.command == "app") command["name"] = options.app;
  if (options.purge_protection) command["purge_protection"] = true;
  if (options.managed_hsm) command["managed_hsm"] = true;
  if (!options.expires_in.empty()) {
    // A secret that has expired already is of use to a test, and no duration says it.
    const Duration duration =
        options.expires_in == "0" ? Duration{} : TRY(ParseDuration(options.expires_in));
    command["expires_in"] = std::chrono::duration_cast<std::chrono::seconds>(duration).count();
  }
  if (!options.certificate_file.empty()) {
    const Bytes pem = TRY(ReadRegularFile(options.certificate_file, 32 << 10));
    command["certificate"] = AsText(pem);
  }
  return command;
}

Status Run(const KmsAzureOptions& options) {
  const std::string directory = TRY(KmsDataDirectory(options.data));
  json::object answer = TRY(embedded::SendControl(directory, TRY(CommandOf(options))));
  answer.erase("ok");
  if (options.json) {
    Print(json::serialize(answer));
    return {};
  }
  for (const auto& [name, value] : answer) {
    Print(
        fmt::format("{} {}", std::string_view(name),
                    value.is_string() ? std::string(value.get_string()) : json::serialize(value)));
  }
  return {};
}

}  // namespace

int RunKmsAzure(const KmsAzureOptions& options) {
  const Status done = Run(options);
  return done.ok() ? 0 : Fail(done.error(), options.json);
}

}  // namespace freehold::cli
