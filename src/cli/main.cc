// The command line: every group's options in one place (CLI11 is dear to compile), each group's
// work in its own file.
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "CLI/CLI.hpp"
#include "cli/answers_command.h"
#include "cli/key_commands.h"
#include "cli/kms_azure_commands.h"
#include "cli/kms_commands.h"
#include "cli/kms_helper_command.h"
#include "cli/output.h"
#include "cli/provision_command.h"
#include "cli/run_command.h"
#include "cli/transfer_commands.h"
#include "cli/volume_commands.h"
#include "node/guardian.h"

namespace freehold::cli {
namespace {

void AddKmsServe(CLI::App& kms, int& exit_code) {
  static KmsServeOptions options;
  CLI::App* serve = kms.add_subcommand("serve", "Serve the AWS KMS, STS and IAM protocols");
  serve
      ->add_option("--tls-listen", options.tls_listen, "the same with TLS, for the other protocols")
      ->capture_default_str();
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

CLI::App* AddKmsAzureCommand(CLI::App& azure, const std::string& name, const char* help,
                             KmsAzureOptions& options, int& exit_code) {
  CLI::App* command = azure.add_subcommand(name, help);
  command->add_option("--data", options.data, "The KMS's data directory");
  command->add_flag("--json", options.json, "Print JSON");
  command->callback([&options, &exit_code, name] {
    options.command = name;
    exit_code = RunKmsAzure(options);
  });
  return command;
}

void AddKmsAzure(CLI::App& kms, int& exit_code) {
  static KmsAzureOptions options;
  CLI::App* azure = kms.add_subcommand("azure", "What Azure's administrators do, at a serving KMS");
  azure->require_subcommand(1);
  const auto add = [&](const char* name, const char* help) {
    return AddKmsAzureCommand(*azure, name, help, options, exit_code);
  };
  const auto add_expiry = [](CLI::App* command) {
    command->add_option("--expires-in", options.expires_in, "Such as 1h; 0: expired already");
  };
  CLI::App* app = add("app", "Register an application; its secret is shown once");
  app->add_option("NAME", options.app)->required();
  app->add_option("--tenant", options.tenant, "Where it is registered [operator]");
  app->add_option("--certificate", options.certificate_file, "A PEM file, in place of a secret");
  add_expiry(app);
  CLI::App* secret = add("secret", "Give an application a new secret in place of the old");
  secret->add_option("APP", options.app, "Client id or name")->required();
  add_expiry(secret);
  for (const auto& [name, help] :
       {std::pair("consent", "A tenant's administrator consents to an application"),
        std::pair("remove-consent", "... and takes it back")}) {
    CLI::App* consent = add(name, help);
    consent->add_option("APP", options.app)->required();
    consent->add_option("TENANT", options.tenant, "Id or name")->required();
  }
  for (const auto& [name, help] :
       {std::pair("assign", "Give an application a role on a vault or one key"),
        std::pair("unassign", "... and take it away")}) {
    CLI::App* assign = add(name, help);
    assign->add_option("ROLE", options.role, "Such as 'Key Vault Crypto User'")->required();
    assign->add_option("APP", options.app)->required();
    assign->add_option("SCOPE", options.scope, "VAULT or VAULT/KEY")->required();
  }
  CLI::App* create = add("vault-create", "Make a vault, or a Managed HSM");
  create->add_flag("--purge-protection", options.purge_protection);
  create->add_flag("--managed-hsm", options.managed_hsm);
  create->add_option("--tenant", options.tenant, "Whose it is [customer]");
  create->add_option("--firewall", options.firewall, "deny or allow [allow]");
  CLI::App* firewall = add("vault-firewall", "Let a vault's firewall refuse everybody, or nobody");
  firewall->add_option("--firewall", options.firewall, "deny or allow")->required();
  for (CLI::App* command : {create, firewall, add("vault-protect", "Turn purge protection on"),
                            add("vault-delete", "Delete a vault with all its keys")}) {
    command->add_option("VAULT", options.vault)->required();
  }
  add("show", "Tenants, applications, vaults and role assignments");
}

void AddKmsCommands(CLI::App& app, int& exit_code) {
  CLI::App* kms = app.add_subcommand("kms", "The embedded KMS, for trying, developing and testing");
  kms->require_subcommand(1);
  AddKmsServe(*kms, exit_code);
  AddKmsLog(*kms, exit_code);
  AddKmsFault(*kms, exit_code);
  AddKmsAccount(*kms, exit_code);
  AddKmsAzure(*kms, exit_code);
}

void AddKeyCommands(CLI::App& app, int& exit_code) {
  CLI::App* group = app.add_subcommand("key", "Look at a customer's key");
  group->require_subcommand(1);
  static KeyCheckOptions options;
  CLI::App* check = group->add_subcommand("check", "Try all that a volume needs of a key");
  check
      ->add_option(
          "URI", options.uri,
          "aws-kms://arn:..., gcp-kms://projects/..., azure-kv://..., hcvault://..., pkcs11:...")
      ->required();
  check->add_option("--principal", options.principal,
                    "As whom: a role's ARN, a service account, a tenant, a role of Vault");
  check->add_option("--region", options.region, "Where the key will be used from");
  check->add_option("--external-id", options.external_id, "Sent when the role is assumed");
  check->add_option("--context", options.context,
                    "NAME=VALUE of the encryption context; may be repeated");
  check->add_flag("--json", options.json, "Print JSON");
  check->callback([&exit_code] {
    HardenProcess();
    exit_code = RunKeyCheck(options);
  });
}

void AddCustodyFlags(CLI::App& command, CustodyFlags& flags) {
  const auto add = [&](const char* name, std::string& value, const char* help) {
    command.add_option(name, value, help)->capture_default_str()->group("Custody");
  };
  add("--check-interval", flags.check_interval, "Between two probes of the key");
  add("--confirm-after", flags.confirm_after, "From a first 'no' to the second look");
  add("--request-timeout", flags.request_timeout, "For one probe");
  add("--outage-grace", flags.outage_grace, "Open although the KMS cannot be reached");
  add("--stop-timeout", flags.stop_timeout, "For the database to stop by itself");
  add("--on-denied", flags.on_denied, "seal or alert");
  add("--on-key-return", flags.on_key_return, "auto or manual");
}

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
  command.add_option("--allow-key", flags.allow_keys,
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

void AddReserveFlag(CLI::App& command, std::optional<std::uint64_t>& reserve) {
  command
      .add_option(
          "--reserve", reserve,
          "Disk space that is held back for a full disk, such as 64MiB; 0 for none [256MiB, "
          "or 5 % of a smaller disk]")
      ->transform(CLI::AsSizeValue(false));
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
  CLI::App* import = volume.add_subcommand("import", "Copy a plain directory into a volume");
  import->add_option("SRC", import_options.plain, "The directory to copy")->required();
  AddVolumeFlags(*import, import_options.volume);
  import->add_option("--to", import_options.below, "Where in the volume [its root]");
  add_common(*import, import_options);
  import->callback([&exit_code] { exit_code = RunVolumeImport(import_options);
});
CLI::App* out = volume.add_subcommand("export", "Copy a volume's files to a plain directory");
AddVolumeFlags(*out, export_options.volume);
out->add_option("DEST", export_options.plain, "A new or empty directory")->required();
out->add_option("--from", export_options.below, "Where in the volume [its root]");
add_common(*out, export_options);
out->callback([&exit_code] { exit_code = RunVolumeExport(export_options); });
}  // namespace

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
  run->add_option("--profile", options.profile, "Which database: a name, or a file with a slash");
  run->add_option("--profile-dir", options.profile_dir, "Where profiles are looked for first");
  run->add_option("--version", options.version, "Of the database [the newest installed]");
  run->add_option("--set", options.set, "NAME=VALUE, a parameter of the profile; may be repeated");
  AddReserveFlag(*run, options.reserve);
  run->add_flag("--no-supervise", options.no_supervise,
                "Run no database: only mount, and call the two hooks");
  run->add_option("--on-open", options.on_open, "Command to run when the volume is open");
  run->add_option("--on-seal", options.on_seal, "Command to run, and wait for, before a seal");
  run->add_option("--state", options.volume.state_directory,
                  "Where this machine remembers its volumes [/var/lib/freehold]");
  run->add_option("--allow-key", options.volume.allow_keys,
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
void AddProvision(CLI::App& app, int& exit_code) {
  static ProvisionOptions options;
  CLI::App* group = app.add_subcommand(
      "provision", "Print what a customer runs in their account to let Freehold use a key");
  group->require_subcommand(1);
  const auto add = [&](const char* cloud, const char* what) {
    CLI::App* command = group->add_subcommand(cloud, what);
    command->add_option("--format", options.format, "Which paper; a wrong one lists them all");
    command->callback([cloud, &exit_code] {
      options.cloud = cloud;
      exit_code = RunProvision(options);
    });
    return command;
  };
  CLI::App* aws = add("aws", "CloudFormation, Terraform, policies");
  aws->add_option("--operator", options.aws.operator_principal, "ARN of the operator's role")
      ->required();
  aws->add_option("--external-id", options.aws.external_id, "The operator's name for the customer")
      ->required();
  aws->add_option("--role", options.aws.role_name, "Name of the customer's role")
      ->capture_default_str();
  aws->add_option("--key", options.aws.key_arn, "An existing key; without it a new one is made");
  aws->add_option("--region", options.aws.region, "Region of the link");
  aws->add_option("--account", options.account, "The customer's account, for key-policy");
  aws->add_option("--link", options.link,
                  "Print the quick-create link to the template at this URL");
  CLI::App* gcp = add("gcp", "gcloud commands, Terraform");
  gcp->add_option("--operator", options.gcp.operator_account, "The operator's service account")
      ->required();
  gcp->add_option("--project", options.gcp.project, "The customer's project")->required();
  gcp->add_option("--location", options.gcp.location)->capture_default_str();
  gcp->add_option("--key-ring", options.gcp.key_ring)->capture_default_str();
  gcp->add_option("--key", options.gcp.key)->capture_default_str();
  CLI::App* azure = add("azure", "az commands, Terraform");
  azure
      ->add_option("--operator", options.azure.operator_application,
                   "Client id of the operator's application")
      ->required();
  azure->add_option("--tenant", options.azure.tenant, "The customer's tenant")->required();
  azure->add_option("--vault", options.azure.vault, "Name of the vault to make")->required();
  azure->add_option("--resource-group", options.azure.resource_group)->capture_default_str();
  azure->add_option("--location", options.azure.location)->capture_default_str();
  azure->add_option("--key", options.azure.key)->capture_default_str();
  CLI::App* vault = add("vault", "Vault and OpenBao: commands, policy, keymgmt");
  vault->add_option("--mount", options.vault.mount)->capture_default_str();
  vault->add_option("--key", options.vault.key)->capture_default_str();
  vault->add_option("--role", options.vault.role)->capture_default_str();
}

void AddGuardianCommand(CLI::App& internal, int& exit_code);

void AddInternalCommands(CLI::App& app, int& exit_code) {
  CLI::App* group = app.add_subcommand("internal")->group("");
  group->require_subcommand(1);
  group->add_subcommand("kms-helper")->callback([&exit_code] {
    HardenProcess();
    exit_code = RunKmsHelper();
  });
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

}  // namespace freehold::cli
}  // namespace freehold::cli

int main(int argc, char** argv) {
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
  freehold::cli::AddInternalCommands(app, exit_code);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return freehold::cli::EndOfParsing(app, error, {argv + 1, argv + argc});
  }
  return exit_code;
}
