#include "cli/kms_command_line.h"

#include <string>

#include "CLI/CLI.hpp"
#include "cli/key_commands.h"
#include "cli/kms_azure_commands.h"
#include "cli/kms_commands.h"
#include "cli/output.h"
#include "cli/provision_command.h"

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

}  // namespace

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
      ->add_option("URI", options.uri,
                   "aws-kms://arn:..., gcp-kms://projects/..., azure-kv://..., hcvault://..., "
                   "pkcs11:..., kmip://...")
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
  CLI::App* kmip = add("kmip", "A KMIP server: a certificate for the operator, a key");
  kmip->add_option("--key", options.kmip.key, "Name of the key to make")->capture_default_str();
  kmip->add_option("--policy", options.kmip.policy, "The server's name of the key's rules")
      ->capture_default_str();
}

}  // namespace freehold::cli
