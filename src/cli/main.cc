// The command line: every group's options in one place (CLI11 is dear to compile), each group's
// work in its own file.
#include "CLI/CLI.hpp"
#include "cli/key_commands.h"
#include "cli/kms_helper_command.h"
#include "cli/output.h"

namespace {

void AddKeyCommands(CLI::App& app, int& exit_code) {
  CLI::App* group = app.add_subcommand("key", "Look at a customer's key");
  group->require_subcommand(1);
  CLI::App* check = group->add_subcommand("check", "Try all that a volume needs of a key");
  static freehold::cli::KeyCheckOptions options;
  check->add_option("URI", options.uri, "aws-kms://arn:... or an AWS key ARN")->required();
  check->add_option("--principal", options.principal, "ARN of the role to assume");
  check->add_option("--external-id", options.external_id, "Sent when the role is assumed");
  check->add_flag("--json", options.json, "Print JSON");
  check->callback([&exit_code] {
    freehold::cli::HardenProcess();
    exit_code = freehold::cli::RunKeyCheck(options);
  });
}

// What the program runs of itself; not for people, so not in the help.
void AddInternalCommands(CLI::App& app, int& exit_code) {
  CLI::App* group = app.add_subcommand("internal")->group("");
  group->require_subcommand(1);
  group->add_subcommand("kms-helper")->callback([&exit_code] {
    freehold::cli::HardenProcess();
    exit_code = freehold::cli::RunKmsHelper();
  });
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Freehold: customer-managed encryption keys for any database"};
  app.require_subcommand(1);
  app.set_version_flag("--version", "freehold 0.1.0");
  int exit_code = 0;
  AddKeyCommands(app, exit_code);
  AddInternalCommands(app, exit_code);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? 0 : freehold::InfoOf(freehold::ErrorCode::kInvalidArgument).exit_code;
  }
  return exit_code;
}
