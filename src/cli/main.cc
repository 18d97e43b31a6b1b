// The command line: the options of volumes and databases, each group's work in its own file. Those
// about a KMS are in kms_command_line.cc; nowhere else, as CLI11 is dear to compile.
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "CLI/CLI.hpp"
#include "cli/agent_command.h"
#include "cli/answers_command.h"
#include "cli/api_routes_command.h"
#include "cli/command_tree.h"
#include "cli/control/command_line.h"
#include "cli/kms_command_line.h"
#include "cli/kms_helper_command.h"
#include "cli/output.h"
#include "cli/run_command.h"
#include "cli/server_command.h"
#include "cli/shared_flags.h"
#include "cli/transfer_commands.h"
#include "cli/volume_commands.h"
#include "node/guardian.h"

namespace freehold::cli {
namespace {

void AddKeyFlags(CLI::App& command, KeyFlags& flags, bool required) {
  command.add_option("--key", flags.key, "aws-kms://arn:aws:kms:REGION:ACCOUNT:key/ID")
      ->check([](const std::string& key) { return std::string(key.empty() ? "is empty" : ""); })
      ->required(required);
  command.add_option("--principal", flags.principal, "ARN of the role to assume");
  command.add_option("--external-id", flags.external_id, "Sent when the role is assumed");
}

void AddVolumeFlags(CLI::App& command, VolumeFlags& flags) {
  command.add_option("DIR", flags.directory, "The volume's directory")->required();
  command.add_option("--state", flags.state_directory,
                     "Where this machine remembers its volumes [/var/lib/freehold]");
  AddKeyPatterns(command, "--allow-key", flags.allow_keys,
                 "Shell pattern of key URIs that may be used; may be repeated");
  command.add_option("--accept-keyring", flags.accept_keyring,
                     "Fingerprint of a keyring to accept although it is older or unknown");
  command.add_flag("--json", flags.json, "Print JSON");
}

void AddVolumeCreate(CLI::App& volume, int& exit_code) {
  static VolumeCreateOptions options;
  CLI::App* create = volume.add_subcommand("create", "Make a volume under a customer's key");
  AddVolumeFlags(*create, options.volume);
  AddKeyFlags(*create, options.volume.key, true);
  create->add_option("--context", options.context,
                     "NAME=VALUE of the encryption context; may be repeated");
  create
      ->add_option("--cipher", options.cipher,
                   "aes-256-xts, or aes-256-ctr for files that are written once")
      ->capture_default_str();
  create->callback([&exit_code] { exit_code = RunVolumeCreate(options); });
}

void AddVolumeMount(CLI::App& volume, int& exit_code) {
  static VolumeMountOptions options;
  CLI::App* mount = volume.add_subcommand("mount", "Open a volume and mount it");
  AddVolumeFlags(*mount, options.volume);
  mount->add_option("MOUNTPOINT", options.mount_point, "An existing directory")->required();
  AddKeyFlags(*mount, options.volume.key, false);
  AddCustodyFlags(*mount, options.custody);
  mount->add_option("--workers", options.workers, "Threads that serve requests")
      ->capture_default_str()
      ->check(CLI::Range(2, 64));
  mount->add_option("--direct", options.direct,
                    "Shell pattern of files that bypass the kernel's cache, such as write-ahead "
                    "logs; may be repeated");
  AddReserveFlag(*mount, options.reserve);
  mount->add_flag("--foreground", options.foreground, "Stay in front, log to standard error");
  mount->add_flag("--wait-for-key", options.wait_for_key,
                  "Go on trying when the key cannot be used now");
  mount->add_flag("--allow-null-cipher", options.allow_null_cipher, "For benchmarks");
  mount->add_option("--ends-with", options.ends_with)->group("");  // freehold run's child
  mount->callback([&exit_code] { exit_code = RunVolumeMount(options); });
}

void AddVolumeUnmount(CLI::App& volume, int& exit_code) {
  static VolumeUnmountOptions options;
  CLI::App* unmount = volume.add_subcommand("unmount", "Unmount a volume (or its mount point)");
  AddVolumeFlags(*unmount, options.volume);
  unmount->add_flag("--force", options.force, "Seal it even while files are open");
  unmount->callback([&exit_code] { exit_code = RunVolumeUnmount(options); });
}

void AddVolumeReencrypt(CLI::App& volume, int& exit_code) {
  static VolumeReencryptOptions options;
  CLI::App* command = volume.add_subcommand(
      "re-encrypt", "Bring every file under a new DEK and KEK while it is in use");
  AddVolumeFlags(*command, options.volume);
  AddKeyFlags(*command, options.volume.key, false);
  command
      ->add_option("--rate", options.rate,
                   "Bytes per second, such as 10MiB (64MiB); also of one that is under way")
      ->transform(CLI::AsSizeValue(false))
      ->check(CLI::Range(std::uint64_t{4096}, std::uint64_t{1} << 40));
  command->add_flag("--wait", options.wait, "Show the progress and end when it is done");
  command->callback([&exit_code] { exit_code = RunVolumeReencrypt(options); });
}

void AddVolumeTransfers(CLI::App& volume, int& exit_code) {
  static TransferOptions import_options;
  static TransferOptions export_options;
  const auto add_common = [](CLI::App& command, TransferOptions& options) {
    AddKeyFlags(command, options.volume.key, false);
    command.add_flag("--running", options.running,
                     "The source is in use: copy once, compare nothing, to be repeated");
  };
  CLI::App* in = volume.add_subcommand("import", "Copy a plain directory into a volume");
  in->add_option("SRC", import_options.plain, "The directory to copy")->required();
  AddVolumeFlags(*in, import_options.volume);
  in->add_option("--to", import_options.below, "Where in the volume [its root]");
  add_common(*in, import_options);
  AddReserveFlag(*in, import_options.reserve);
  in->callback([&exit_code] { exit_code = RunVolumeImport(import_options); });
  CLI::App* out = volume.add_subcommand("export", "Copy a volume's files to a plain directory");
  AddVolumeFlags(*out, export_options.volume);
  out->add_option("DEST", export_options.plain, "A new or empty directory")->required();
  out->add_option("--from", export_options.below, "Where in the volume [its root]");
  add_common(*out, export_options);
  out->callback([&exit_code] { exit_code = RunVolumeExport(export_options); });
}

void AddVolumeCommands(CLI::App& app, int& exit_code) {
  CLI::App* volume = app.add_subcommand("volume", "Encrypted volumes on this machine");
  volume->require_subcommand(1);
  AddVolumeCreate(*volume, exit_code);
  AddVolumeMount(*volume, exit_code);
  AddVolumeUnmount(*volume, exit_code);
  AddVolumeReencrypt(*volume, exit_code);
  AddVolumeTransfers(*volume, exit_code);
  struct Simple {
    const char* name;
    const char* help;
    int (*run)(const VolumeFlags&);
    bool takes_key;
    bool needs_key;
  };
  static constexpr Simple kSimple[] = {
      {"status", "What a volume and its custody are doing", RunVolumeStatus, false, false},
      {"rotate-key", "Rewrap the KEK under another key", RunVolumeRotateKey, true, true},
      {"rekey", "Wrap the same DEKs in a new KEK", RunVolumeRekey, true, false},
      {"verify", "Look at every file and list what is wrong", RunVolumeVerify, true, false},
      {"seal", "Take the keys out of memory until 'volume open'", RunVolumeSeal, false, false},
      {"open", "Open a sealed volume again", RunVolumeOpen, false, false},
  };
  static VolumeFlags flags[std::size(kSimple)];
  for (std::size_t i = 0; i < std::size(kSimple); ++i) {
    CLI::App* command = volume->add_subcommand(kSimple[i].name, kSimple[i].help);
    AddVolumeFlags(*command, flags[i]);
    if (kSimple[i].takes_key) AddKeyFlags(*command, flags[i].key, kSimple[i].needs_key);
    command->callback([&exit_code, i] { exit_code = kSimple[i].run(flags[i]); });
  }
}

void AddRunCommand(CLI::App& app, int& exit_code) {
  static RunOptions options;
  CLI::App* run = app.add_subcommand(
      "run", "Mount a volume and run its database while, and only while, the key may be used");
  run->add_option("--volume", options.volume.directory, "The volume's directory")->required();
  run->add_option("--mount", options.mount_point, "An existing directory")->required();
  AddDatabaseFlags(*run, options);
  run->add_option("--state", options.volume.state_directory,
                  "Where this machine remembers its volumes [/var/lib/freehold]");
  AddKeyPatterns(*run, "--allow-key", options.volume.allow_keys,
                 "Shell pattern of key URIs that may be used; may be repeated");
  run->add_option("--accept-keyring", options.volume.accept_keyring,
                  "Fingerprint of a keyring to accept although it is older or unknown");
  AddKeyFlags(*run, options.volume.key, false);
  AddCustodyFlags(*run, options.custody);
  run->callback([&exit_code] { exit_code = RunRun(options); });
}

void AddInspectCommand(CLI::App& app, int& exit_code) {
  static std::string path;
  static bool json = false;
  CLI::App* inspect =
      app.add_subcommand("inspect", "Print what an encrypted file or a keyring says of itself");
  inspect->add_option("FILE", path)->required();
  inspect->add_flag("--json", json, "Print JSON");
  inspect->callback([&exit_code] { exit_code = RunInspect(path, json); });
}

// What the program runs of itself; not for people, so not in the help.
void AddGuardianCommand(CLI::App& internal, int& exit_code);

void AddInternalCommands(CLI::App& app, int& exit_code) {
  CLI::App* group = app.add_subcommand("internal")->group("");
  group->require_subcommand(1);
  group->add_subcommand("kms-helper")->callback([&exit_code] {
    HardenProcess();
    exit_code = RunKmsHelper();
  });
  group->add_subcommand("api-routes")->callback([&exit_code] { exit_code = RunApiRoutes(); });
  group->add_subcommand("man-page")->callback([&app, &exit_code] {
    Print(ManPage(app));
    exit_code = 0;
  });
  group->add_subcommand("openapi")->callback([&exit_code] { exit_code = RunOpenApi(); });
  group->add_subcommand("kms-answers")->callback([&exit_code] { exit_code = RunKmsAnswers(); });
  AddGuardianCommand(*group, exit_code);
}

void AddGuardianCommand(CLI::App& internal, int& exit_code) {
  static GuardianOptions options;
  static std::int64_t timeout_ms = 0;
  static pid_t daemon = 0;
  CLI::App* guardian = internal.add_subcommand("guardian");
  guardian->add_option("mount_point", options.mount_point)->required();
  guardian->add_option("timeout_ms", timeout_ms)->required();
  guardian->add_option("daemon", daemon)->required();
  guardian->callback([&exit_code] {
    RefuseCoreFiles();  // no keys here, but the environment's credentials
    options.heartbeat_timeout = std::chrono::milliseconds(timeout_ms);
    exit_code = RunGuardian(options, daemon);
  });
}

// Help goes to standard output as it is; what is wrong with the words, like any other error.
int EndOfParsing(const CLI::App& app, const CLI::ParseError& error,
                 const std::vector<std::string>& words) {
  if (error.get_exit_code() == 0) return app.exit(error);
  std::string sentence = error.what();
  std::replace(sentence.begin(), sentence.end(), '\n', ' ');
  constexpr std::string_view kConfig = "INI was not able to parse ";  // CLI11's words for TOML too
  if (sentence.starts_with(kConfig)) {
    sentence.replace(0, kConfig.size(),
                     "the configuration file has an unknown option or section: ");
  }
  const bool json = std::find(words.begin(), words.end(), "--json") != words.end();
  return Fail(Error(ErrorCode::kInvalidArgument, sentence + " (--help shows what there is)"), json);
}

// An answer that nobody got is no success: it may have been a secret that is shown once.
int AfterOutput(int exit_code) {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return exit_code;
  if (exit_code != 0) return exit_code;
  return Fail(Error(ErrorCode::kIo, "standard output could not be written to"));
}

}  // namespace
}  // namespace freehold::cli

int main(int argc, char** argv) {
  freehold::cli::OccupyStandardDescriptors();
  CLI::App app{"Freehold: customer-managed encryption keys for any database"};
  app.require_subcommand(1);
  app.set_version_flag("--version", "freehold 0.1.0");
  // Every flag can be given in a file too: [volume.mount] check-interval = "2s"
  app.set_config("--config", "/etc/freehold/freehold.toml", "Read options from this file");
  app.allow_config_extras(CLI::config_extras_mode::error);  // a misspelt option must not be lost
  int exit_code = 0;
  freehold::cli::AddKeyCommands(app, exit_code);
  freehold::cli::AddKmsCommands(app, exit_code);
  freehold::cli::AddVolumeCommands(app, exit_code);
  freehold::cli::AddRunCommand(app, exit_code);
  freehold::cli::AddInspectCommand(app, exit_code);
  freehold::cli::AddProvision(app, exit_code);
  freehold::cli::AddServer(app, exit_code);
  freehold::cli::AddAgent(app, exit_code);
  freehold::cli::AddControlCommands(app, exit_code);
  freehold::cli::AddCompletion(app, exit_code);
  freehold::cli::AddInternalCommands(app, exit_code);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return freehold::cli::EndOfParsing(app, error, {argv + 1, argv + argc});
  }
  return freehold::cli::AfterOutput(exit_code);
}
