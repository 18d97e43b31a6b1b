#include "cli/control/command_line.h"

#include "CLI/CLI.hpp"
#include "cli/control/commands.h"
#include "cli/output.h"

namespace freehold::cli {
namespace {

void AddCommonFlags(CLI::App& command, CommonFlags& flags) {
  command.add_flag("--json", flags.json, "Print the API's answer, unchanged");
  command.add_option("--ca", flags.ca, "PEM file of a private certificate authority");
}

// What is JSON and not what the API says makes Boost's accessors throw; it ends here.
template <typename Flags>
Status RunSafely(Status (*run)(const Flags&), const Flags& flags) try {
  return run(flags);
} catch (const std::exception&) {
  return Error(ErrorCode::kIo, "the server's answer is not what its API says");
}

// A command of `group` that works on `flags`, which live for ever.
template <typename Flags>
CLI::App* Add(CLI::App& group, const char* name, const char* help, Flags& flags,
              Status (*run)(const Flags&), int& exit_code) {
  CLI::App* command = group.add_subcommand(name, help);
  AddCommonFlags(*command, flags.common);
  command->callback([&flags, &exit_code, run] {
    const Status done = RunSafely(run, flags);
    exit_code = done.ok() ? 0 : Fail(done.error(), flags.common.json);
  });
  return command;
}

CLI::App* AddGroup(CLI::App& app, const char* name, const char* help) {
  CLI::App* group = app.add_subcommand(name, help);
  group->require_subcommand(1);
  return group;
}

// Neither of the two names: unset. CLI11's own flags would make that a no.
void AddChoice(CLI::App& command, const char* names, std::optional<bool>& choice,
               const char* help) {
  command.add_flag_function(
      names, [&choice](std::int64_t count) { choice = count > 0; }, help);
}

void AddWait(CLI::App& command, bool& wait, std::string& timeout) {
  command.add_flag("--wait", wait, "Show the progress and end when it is done");
  command.add_option("--timeout", timeout, "Of the wait")->capture_default_str();
}

void AddLogin(CLI::App& app, int& exit_code) {
  static LoginFlags flags;
  CLI::App* login = app.add_subcommand(
      "login", "Keep where the control plane is and an API key, which standard input gives");
  login->add_option("URL", flags.url, "https://HOST[:PORT]")->required();
  login->add_option("--key-file", flags.key_file,
                    "Where the API key is [FREEHOLD_API_KEY, or standard input]");
  login->add_option("--ca", flags.ca, "PEM file of a private certificate authority");
  login->callback([&exit_code] {
    const Status done = LogIn(flags);
    exit_code = done.ok() ? 0 : Fail(done.error());
  });
  app.add_subcommand("logout", "Forget the login")->callback([&exit_code] {
    const Status done = LogOut();
    exit_code = done.ok() ? 0 : Fail(done.error());
  });
}

void AddOrganizations(CLI::App& app, int& exit_code) {
  static OrganizationFlags flags;
  CLI::App* org = AddGroup(app, "org", "Organizations: the operator's view of customers");
  Add(*org, "list", "Those one may see", flags, OrganizationList, exit_code);
  CLI::App* show = Add(*org, "show", "One organization", flags, OrganizationShow, exit_code);
  show->add_option("ORG", flags.organization, "Id or name")->required();
  CLI::App* create = Add(*org, "create", "Make one", flags, OrganizationCreate, exit_code);
  create->add_option("NAME", flags.organization)->required();
  CLI::App* update = Add(*org, "update", "Change its bounds", flags, OrganizationUpdate, exit_code);
  update->add_option("ORG", flags.organization, "Id or name")->required();
  for (CLI::App* command : {create, update}) {
    AddChoice(*command, "--grant-cmek,!--withdraw-cmek", flags.cmek_granted,
              "Whether its clusters may have customer-managed keys");
    AddChoice(*command, "--unique-keys,!--shared-keys", flags.unique_keys,
              "Whether each cluster needs a key of its own");
    command->add_option("--allow", flags.allow,
                        "REGION=TYPE,TYPE that its clusters may use; '*' for other regions; may "
                        "be repeated");
    command->add_option("--custody", flags.custody,
                        "NAME=LOWEST..HIGHEST of a custody setting, or NAME=VALUE,VALUE of "
                        "on_denied and on_key_return; may be repeated; 'none' for no bounds");
  }
}

void AddProjects(CLI::App& app, int& exit_code) {
  static ProjectFlags flags;
  CLI::App* project = AddGroup(app, "project", "Projects of one's organization");
  Add(*project, "list", "Those one may see", flags, ProjectList, exit_code);
  CLI::App* show = Add(*project, "show", "One project", flags, ProjectShow, exit_code);
  show->add_option("PROJECT", flags.project, "Id or name")->required();
  CLI::App* create = Add(*project, "create", "Make one", flags, ProjectCreate, exit_code);
  create->add_option("NAME", flags.project)->required();
  create->add_flag("--cmek", flags.cmek, "Its clusters have customer-managed keys");
  CLI::App* keys = Add(*project, "keys", "Its keys, by region, and how its clusters are", flags,
                       ProjectKeys, exit_code);
  CLI::App* rotate = Add(*project, "rotate", "Other keys for it and for the clusters that follow",
                         flags, ProjectRotate, exit_code);
  rotate->add_option("-f,--file", flags.file, "Manifest, JSON or YAML; - for standard input")
      ->required();
  CLI::App* revoke = Add(*project, "revoke", "Take the keys of all of its clusters away", flags,
                         ProjectRevoke, exit_code);
  CLI::App* restore =
      Add(*project, "restore", "Give revoked keys back", flags, ProjectRestore, exit_code);
  CLI::App* start =
      Add(*project, "start", "Start all of its clusters", flags, ProjectStart, exit_code);
  CLI::App* stop = Add(*project, "stop", "Stop all of its clusters, sealed and in order", flags,
                       ProjectStop, exit_code);
  for (CLI::App* command : {keys, rotate, revoke, restore, start, stop}) {
    command->add_option("PROJECT", flags.project, "Id or name")->required();
  }
  for (CLI::App* command : {revoke, restore, stop}) {
    command->add_flag("--yes", flags.yes, "Do not ask");
  }
}

void AddClusters(CLI::App& app, int& exit_code) {
  static ClusterFlags flags;
  CLI::App* group =
      AddGroup(app, "cluster", "Clusters: made, looked at, started, stopped, deleted");
  Add(*group, "list", "Those one may see", flags, ClusterList, exit_code);
  CLI::App* show = Add(*group, "show", "One cluster, and all that setting up its keys needs", flags,
                       ClusterShow, exit_code);
  CLI::App* remove =
      Add(*group, "delete", "Delete one; its nodes let go of it", flags, ClusterDelete, exit_code);
  remove->add_flag("--yes", flags.yes, "Do not ask");
  CLI::App* grow =
      Add(*group, "add-region", "Add regions, with their keys", flags, ClusterAddRegion, exit_code);
  CLI::App* nodes =
      Add(*group, "nodes", "What its nodes last said", flags, ClusterNodes, exit_code);
  CLI::App* start = Add(*group, "start",
                        "Open its volumes and start its databases, if its keys can "
                        "be used",
                        flags, ClusterStart, exit_code);
  CLI::App* stop = Add(*group, "stop", "Stop its databases in order and seal its volumes", flags,
                       ClusterStop, exit_code);
  stop->add_flag("--yes", flags.yes, "Do not ask");
  for (CLI::App* command : {start, stop}) AddWait(*command, flags.wait, flags.timeout);
  for (CLI::App* command : {show, remove, grow, nodes, start, stop}) {
    command->add_option("CLUSTER", flags.cluster, "Id or name")->required();
  }
  CLI::App* create = Add(*group, "create", "Make a cluster, with keys if a manifest is given",
                         flags, ClusterCreate, exit_code);
  create->add_option("NAME", flags.cluster, "Small letters, digits, hyphens")->required();
  create->add_option("--project", flags.project, "Id or name");
  for (CLI::App* command : {create, grow}) {
    command->add_option("--region", flags.regions,
                        "REGION or REGION=NODES; may be repeated [those of the manifest]");
    command->add_option("-f,--file", flags.file, "Manifest of its keys, JSON or YAML; - for input");
    AddWait(*command, flags.wait, flags.timeout);
  }
}

void AddNodes(CLI::App& app, int& exit_code) {
  static NodeFlags flags;
  CLI::App* group = AddGroup(app, "node", "Hosts with agents: the operator's view of them");
  Add(*group, "list", "All of them, and the cluster of each", flags, NodeList, exit_code);
  CLI::App* token = Add(*group, "token", "Let one host join: a token for 'freehold agent'", flags,
                        NodeToken, exit_code);
  token->add_option("--region", flags.region, "Where the host is")->required();
  token->add_option("--cluster", flags.cluster, "The only one it may be given to; its id");
  token->add_option("--token-file", flags.token_file, "A new file for it [standard output]");
  CLI::App* remove = Add(*group, "remove", "Let one in no more", flags, NodeRemove, exit_code);
  remove->add_option("NODE", flags.node, "Its id")->required();
  remove->add_flag("--lost", flags.lost,
                   "Though it belongs to a cluster: its host is gone for good");
  remove->add_flag("--duplicated", flags.duplicated,
                   "Though two hosts had its identity: both are ended, or without its key");
  remove->add_flag("--yes", flags.yes, "Do not ask");
}

void AddCmek(CLI::App& app, int& exit_code) {
  static CmekFlags flags;
  CLI::App* group = AddGroup(app, "cmek", "A cluster's keys: enabled, rotated, revoked, restored");
  CLI::App* show = Add(*group, "status", "Its keys, who can read what, and what to do next", flags,
                       CmekShow, exit_code);
  CLI::App* enable =
      Add(*group, "enable", "Enable keys: one for every region", flags, CmekEnable, exit_code);
  CLI::App* rotate = Add(*group, "rotate", "Other keys, or the same ones wrapped anew", flags,
                         CmekRotate, exit_code);
  CLI::App* revoke =
      Add(*group, "revoke", "Take the keys away from every node", flags, CmekRevoke, exit_code);
  CLI::App* restore =
      Add(*group, "restore", "Give revoked keys back", flags, CmekRestore, exit_code);
  CLI::App* leave =
      Add(*group, "disenrol", "Go back under the operator's key", flags, CmekDisenrol, exit_code);
  CLI::App* rekey = Add(*group, "rekey", "A new KEK over the same DEKs, under the present keys",
                        flags, CmekRekey, exit_code);
  CLI::App* reencrypt =
      Add(*group, "re-encrypt", "New DEKs and a new KEK, and every file under them", flags,
          CmekReencrypt, exit_code);
  for (CLI::App* command : {show, enable, rotate, revoke, restore, leave, rekey, reencrypt}) {
    command->add_option("CLUSTER", flags.cluster, "Id or name")->required();
  }
  for (CLI::App* command : {enable, rotate}) {
    command->add_option("-f,--file", flags.file, "Manifest, JSON or YAML; - for standard input")
        ->required();
  }
  for (CLI::App* command : {revoke, restore, leave}) {
    command->add_flag("--yes", flags.yes, "Do not ask");
  }
  for (CLI::App* command : {enable, rotate, revoke, restore, leave, rekey, reencrypt}) {
    AddWait(*command, flags.wait, flags.timeout);
  }
  CLI::App* check = Add(*group, "check", "Try keys from their regions' nodes; nothing is changed",
                        flags, CmekCheck, exit_code);
  check->add_option("CLUSTER", flags.cluster, "Id or name; without -f its present keys");
  check->add_option("-f,--file", flags.file,
                    "Manifest, JSON or YAML; - for standard input. Without a cluster, free nodes "
                    "try it");
  CLI::App* recheck =
      Add(*group, "recheck", "Have every node probe its key now", flags, CmekRecheck, exit_code);
  recheck->add_option("CLUSTER", flags.cluster, "Id or name")->required();
  AddWait(*recheck, flags.wait, flags.timeout);
  static CustodyTermsFlags custody_flags;
  CLI::App* custody =
      Add(*group, "custody", "How fast a cluster obeys its KMS: shown, or set with --set",
          custody_flags, CmekCustody, exit_code);
  custody->add_option("CLUSTER", custody_flags.cluster, "Id or name")->required();
  custody->add_option("--set", custody_flags.set,
                      "NAME=VALUE, such as check_interval=30s; may be repeated");
  CLI::App* manifest = Add(*group, "manifest", "Print a manifest to fill in, YAML or --json", flags,
                           CmekManifest, exit_code);
  manifest->add_option("CLUSTER", flags.cluster, "Whose regions; id or name");
  manifest->add_option("--region", flags.regions, "Without a cluster; may be repeated");
  manifest
      ->add_option("--type", flags.type,
                   "AWS_KMS, GCP_CLOUD_KMS, AZURE_KEY_VAULT, HASHICORP_VAULT, PKCS11 or KMIP")
      ->capture_default_str();
}

// Below "key", which looks at keys without a control plane.
void AddKeyUsage(CLI::App& app, int& exit_code) {
  static KeyUsageFlags flags;
  CLI::App* usage =
      Add(*app.get_subcommand("key"), "usage", "Every cluster that a key is in use for, or was",
          flags, KeyUsage, exit_code);
  usage->add_option("URI", flags.uri, "In any form")->required();
}

void AddAccess(CLI::App& app, int& exit_code) {
  static AccountFlags accounts;
  static ApiKeyFlags keys;
  CLI::App* group = AddGroup(app, "account", "Service accounts and their roles");
  const auto add_organization = [](CLI::App* command, std::string& organization) {
    command->add_option("--organization", organization,
                        "For the operator: whose; id or name [one's own]");
  };
  CLI::App* list = Add(*group, "list", "All of them", accounts, AccountList, exit_code);
  CLI::App* create = Add(*group, "create", "Make one", accounts, AccountCreate, exit_code);
  create->add_option("NAME", accounts.account)->required();
  create
      ->add_option("--role", accounts.roles,
                   "ROLE, ROLE@project=NAME or ROLE@cluster=NAME; may be repeated")
      ->required();
  CLI::App* remove =
      Add(*group, "delete", "Delete one, with its API keys", accounts, AccountDelete, exit_code);
  remove->add_option("ACCOUNT", accounts.account, "Id or name")->required();
  for (CLI::App* command : {list, create, remove}) {
    add_organization(command, accounts.organization);
  }
  CLI::App* api_key = AddGroup(app, "api-key", "API keys of service accounts");
  CLI::App* keys_of =
      Add(*api_key, "list", "An account's, without their secrets", keys, ApiKeyList, exit_code);
  CLI::App* new_key =
      Add(*api_key, "create", "Make one; it is shown once", keys, ApiKeyCreate, exit_code);
  for (CLI::App* command : {keys_of, new_key}) {
    command->add_option("ACCOUNT", keys.account, "Id or name")->required();
    add_organization(command, keys.organization);
  }
  new_key->add_option("NAME", keys.key)->required();
  new_key->add_option("--key-file", keys.key_file, "A new file for it [standard output]");
  Add(*api_key, "delete", "End one at once", keys, ApiKeyDelete, exit_code)
      ->add_option("ID", keys.key)
      ->required();
}

void AddContacts(CLI::App& app, int& exit_code) {
  static ContactFlags flags;
  CLI::App* group = AddGroup(app, "contact", "Whom an organization has told of its keys");
  CLI::App* list =
      Add(*group, "list", "All of them, and what came of it last", flags, ContactList, exit_code);
  CLI::App* add = Add(*group, "add", "Have somebody told", flags, ContactAdd, exit_code);
  add->add_option("--email", flags.email, "An e-mail address");
  add->add_option("--webhook", flags.webhook, "An https URL; its signing secret is shown once");
  add->add_option("--secret-file", flags.secret_file, "A new file for it [standard output]");
  add->add_flag("--security", flags.security, "Also of who revoked and restored");
  for (CLI::App* command : {list, add}) {
    command->add_option("--organization", flags.organization,
                        "For the operator: whose; id or name [one's own]");
  }
  CLI::App* remove = Add(*group, "remove", "Tell one no more", flags, ContactRemove, exit_code);
  CLI::App* test =
      Add(*group, "test", "Send a message that says that it came", flags, ContactTest, exit_code);
  for (CLI::App* command : {remove, test}) {
    command->add_option("ID", flags.contact)->required();
  }
}

void AddAudit(CLI::App& app, int& exit_code) {
  static AuditFlags flags;
  CLI::App* group = AddGroup(app, "audit", "Who changed what");
  CLI::App* list = Add(*group, "list", "As a table, oldest first", flags, AuditList, exit_code);
  CLI::App* file = Add(*group, "export", "An entry a line, as JSON", flags, AuditExport, exit_code);
  for (CLI::App* command : {list, file}) {
    command->add_option("--after", flags.after, "The position of the last entry seen");
  }
  Add(*group, "head", "The newest head, signed: keep it where the operator cannot reach it", flags,
      AuditHeadShow, exit_code);
  Add(*group, "keys", "The public keys that sign heads, in PEM", flags, AuditKeysShow, exit_code);
  CLI::App* verify = Add(*group, "verify", "Whether no entry was changed, removed, added or moved",
                         flags, AuditVerify, exit_code);
  verify->add_option("-f,--file", flags.file, "What 'audit export' has printed [the server's log]");
  verify->add_option("--head", flags.heads, "A head that you kept: it must be on the same chain");
  verify->add_option("--key", flags.keys, "PEM of the keys that you trust [those of the server]");
}

}  // namespace

void AddControlCommands(CLI::App& app, int& exit_code) {
  AddLogin(app, exit_code);
  AddOrganizations(app, exit_code);
  AddProjects(app, exit_code);
  AddClusters(app, exit_code);
  AddNodes(app, exit_code);
  AddCmek(app, exit_code);
  AddKeyUsage(app, exit_code);
  AddAccess(app, exit_code);
  AddContacts(app, exit_code);
  AddAudit(app, exit_code);
}

}  // namespace freehold::cli
