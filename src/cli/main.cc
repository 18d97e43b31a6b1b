// The command line: every group's options in one place (CLI11 is dear to compile), each group's
// work in its own file.
#include "CLI/CLI.hpp"
#include "cli/key_commands.h"
#include "cli/kms_commands.h"
#include "cli/kms_helper_command.h"
#include "cli/output.h"

namespace freehold::cli {
namespace {

void AddKmsServe(CLI::App& kms, int& exit_code) {
  static KmsServeOptions options;
  CLI::App* serve = kms.add_subcommand("serve", "Serve the AWS KMS, STS and IAM protocols");
  serve->add_option("--listen", options.listen, "ADDRESS:PORT; port 0 takes any free one")
      ->capture_default_str();
  serve->add_option("--data", options.data, "Where keys, credentials and events are kept");
  serve->add_flag("--allow-remote", options.allow_remote,
                  "Listen beyond loopback, although there is no TLS");
  serve->add_option("--ready-fd", options.ready_fd, "Descriptor that gets READY when serving");
  serve->callback([&exit_code] { exit_code = RunKmsServe(options); });
}

void AddKmsLog(CLI::App& kms, int& exit_code) {
  static KmsLogOptions options;
  CLI::App* log = kms.add_subcommand("log", "Print who used which key, one line per request");
  log->add_option("--data", options.data, "The KMS's data directory");
  log->add_flag("--follow", options.follow, "Go on printing as requests come in");
  log->add_flag("--json", options.json, "Print the events as they are stored");
  log->add_option("--last", options.last, "Only the last N")->check(CLI::NonNegativeNumber);
  log->callback([&exit_code] { exit_code = RunKmsLog(options); });
}

void AddKmsFault(CLI::App& kms, int& exit_code) {
  static KmsFaultOptions options;
  CLI::App* fault = kms.add_subcommand("fault", "Make a serving KMS fail, for tests");
  fault->add_option("--data", options.data, "The KMS's data directory");
  fault->add_option("--operation", options.operation, "Only this one, such as Decrypt");
  fault->add_option("--latency", options.latency_ms, "Milliseconds before each answer");
  fault->add_flag("--throttle", options.throttle, "Answer ThrottlingException");
  fault->add_flag("--fail", options.fail, "Answer HTTP 500");
  fault->add_flag("--unreachable", options.unreachable, "Close connections without an answer");
  CLI::Option* skew =
      fault->add_option("--clock-skew", options.clock_skew_s, "Seconds that its clock is ahead");
  fault->add_flag("--expire-sessions", options.expire_sessions, "End all role sessions");
  fault->add_flag("--clear", options.clear, "Take back all faults first");
  fault->callback([&exit_code, skew] {
    options.set_clock_skew = skew->count() > 0;
    exit_code = RunKmsFault(options);
  });
}

void AddKmsAccount(CLI::App& kms, int& exit_code) {
  static KmsAccountOptions options;
  CLI::App* account = kms.add_subcommand("account", "Add an account to a serving KMS");
  account->add_option("id", options.account, "12 digits")->required();
  account->add_option("--profile", options.profile, "Its name in DIR/credentials")->required();
  account->add_option("--data", options.data, "The KMS's data directory");
  account->callback([&exit_code] { exit_code = RunKmsAccount(options); });
}

void AddKmsCommands(CLI::App& app, int& exit_code) {
  CLI::App* kms = app.add_subcommand("kms", "The embedded KMS, for trying, developing and testing");
  kms->require_subcommand(1);
  AddKmsServe(*kms, exit_code);
  AddKmsLog(*kms, exit_code);
  AddKmsFault(*kms, exit_code);
  AddKmsAccount(*kms, exit_code);
}

void AddKeyCommands(CLI::App& app, int& exit_code) {
  CLI::App* group = app.add_subcommand("key", "Look at a customer's key");
  group->require_subcommand(1);
  static KeyCheckOptions options;
  CLI::App* check = group->add_subcommand("check", "Try all that a volume needs of a key");
  check->add_option("URI", options.uri, "aws-kms://arn:... or an AWS key ARN")->required();
  check->add_option("--principal", options.principal, "ARN of the role to assume");
  check->add_option("--external-id", options.external_id, "Sent when the role is assumed");
  check->add_flag("--json", options.json, "Print JSON");
  check->callback([&exit_code] {
    HardenProcess();
    exit_code = RunKeyCheck(options);
  });
}

// What the program runs of itself; not for people, so not in the help.
void AddInternalCommands(CLI::App& app, int& exit_code) {
  CLI::App* group = app.add_subcommand("internal")->group("");
  group->require_subcommand(1);
  group->add_subcommand("kms-helper")->callback([&exit_code] {
    HardenProcess();
    exit_code = RunKmsHelper();
  });
}

}  // namespace
}  // namespace freehold::cli

int main(int argc, char** argv) {
  CLI::App app{"Freehold: customer-managed encryption keys for any database"};
  app.require_subcommand(1);
  app.set_version_flag("--version", "freehold 0.1.0");
  int exit_code = 0;
  freehold::cli::AddKeyCommands(app, exit_code);
  freehold::cli::AddKmsCommands(app, exit_code);
  freehold::cli::AddInternalCommands(app, exit_code);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? 0 : freehold::InfoOf(freehold::ErrorCode::kInvalidArgument).exit_code;
  }
  return exit_code;
}
