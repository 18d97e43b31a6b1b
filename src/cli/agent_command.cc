#include "cli/agent_command.h"

#include <fcntl.h>
#include <unistd.h>

#include <boost/json.hpp>

#include "CLI/CLI.hpp"
#include "agent/agent.h"
#include "api/cluster_identity.h"
#include "base/bytes.h"
#include "base/file_lock.h"
#include "base/posix_file.h"
#include "cli/output.h"
#include "cli/shared_flags.h"
#include "cli/volume_flags.h"
#include "fmt/format.h"
#include "node/pin.h"

namespace freehold::cli {
namespace {

struct AgentFlags {
  RunOptions run;
  std::string state;  // of the agent and its volumes
  std::string join_file;
  std::string cipher = "aes-256-xts";
  std::string open_grant = "1h";
  std::vector<std::string> custody_limits;
  bool adopt = false;
  bool allow_disenrol = false;
  std::vector<std::string> operators_keys;
  std::vector<std::string> identities;
};

void AddWord(std::vector<std::string>& words, const char* flag, const std::string& value) {
  if (value.empty()) return;
  words.emplace_back(flag);
  words.push_back(value);
}

// What `volume create` and `run` are told, both.
std::vector<std::string> SharedWords(const AgentFlags& flags) {
  std::vector<std::string> words;
  AddWord(words, "--state", flags.state);
  for (const std::string& pattern : flags.run.volume.allow_keys) {
    AddWord(words, "--allow-key", pattern);
  }
  return words;
}

std::vector<std::string> RunWords(const AgentFlags& flags) {
  const RunOptions& run = flags.run;
  std::vector<std::string> words = SharedWords(flags);
  AddWord(words, "--mount", run.mount_point);
  AddWord(words, "--profile", run.profile);
  AddWord(words, "--profile-dir", run.profile_dir);
  AddWord(words, "--version", run.version);
  for (const std::string& pair : run.set) AddWord(words, "--set", pair);
  if (run.no_supervise) words.emplace_back("--no-supervise");
  AddWord(words, "--on-open", run.on_open);
  AddWord(words, "--on-seal", run.on_seal);
  if (run.reserve.has_value()) AddWord(words, "--reserve", fmt::format("{}", *run.reserve));
  return words;
}

Result<api::CustodyTerms> LoosestOf(const std::vector<std::string>& limits) {
  boost::json::object named;
  for (const std::string& limit : limits) {
    const auto equals = limit.find('=');
    if (equals == std::string::npos) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("--custody-limit: '{}' is not NAME=VALUE", Printable(limit)));
    }
    named[limit.substr(0, equals)] = limit.substr(equals + 1);
  }
  api::JsonReader reader(named, "");
  const api::CustodyChange change = api::ReadCustodyChange(reader);
  if (auto read = reader.Finish(); !read.ok()) return read.error().Because("--custody-limit");
  return change.AppliedTo(api::LoosestTerms());
}

Result<agent::HostOptions> HostOptionsOf(const AgentFlags& flags) {
  agent::HostOptions host;
  TRY(MakeDirectories(flags.run.volume.directory, 0700));
  host.volume = TRY(AbsolutePath(flags.run.volume.directory));
  host.state = flags.state;
  host.create_arguments = SharedWords(flags);
  AddWord(host.create_arguments, "--cipher", flags.cipher);
  host.run_arguments = RunWords(flags);
  host.allow_keys = flags.run.volume.allow_keys;
  host.log_path = flags.state + "/run.log";
  host.adopt = flags.adopt;
  host.allow_disenrol = flags.allow_disenrol;
  host.operators_keys = flags.operators_keys;
  for (const auto& [type, pattern] : TRY(api::ParseClusterIdentities(flags.identities))) {
    host.identities[std::string(api::IdentityVariable(type))] = pattern;
  }
  static_cast<CustodySettings&>(host.terms.own) = TRY(ParseCustodyFlags(flags.run.custody));
  host.terms.own.open_grant = TRY(ParseDuration(flags.open_grant));
  host.terms.loosest = TRY(LoosestOf(flags.custody_limits));
  return host;
}

// A host joins once; a token for one that has joined is of no use, and no harm.
Result<agent::Identity> IdentityOf(const AgentFlags& flags, const std::string& directory) {
  auto present = agent::LoadIdentity(directory);
  if (present.ok() || present.error().code() != ErrorCode::kNotFound) return present;
  if (flags.join_file.empty()) {
    return Error(ErrorCode::kInvalidArgument,
                 "this host has not joined: give --join-file with a token of "
                 "'freehold node token'");
  }
  const Bytes text = TRY(ReadFile(flags.join_file, 1 << 16));
  return agent::Join(directory, TRY(agent::ParseJoinToken(AsText(text))));
}

Status CheckFlags(const AgentFlags& flags) {
  if (geteuid() != 0) {
    return Error(ErrorCode::kPermissionDenied, "mounting and namespaces need root");
  }
  TRY(ParseCustodyFlags(flags.run.custody));
  TRY(CheckReserve(flags.run.reserve));
  TRY(AbsolutePath(flags.run.mount_point));
  if (!flags.run.volume.allow_keys.empty()) return {};
  return Error(ErrorCode::kInvalidArgument,
               "give at least one --allow-key: a server must not be able to order itself a key");
}

Status RunAgent(AgentFlags flags) {
  StopSignal stop;
  TRY(CheckFlags(flags));
  if (flags.state.empty()) flags.state = PinStore::DefaultDirectory();
  TRY(MakeDirectories(flags.state, 0700));
  const std::string directory = flags.state + "/agent";
  TRY(MakeDirectories(directory, 0700));
  const UniqueFd alone = TRY(OpenFile(directory + "/lock", O_RDWR | O_CREAT | O_CLOEXEC));
  TRY(LockAlone(alone, directory, fmt::format("another agent runs on {}", directory)));
  agent::VolumeHost host(TRY(HostOptionsOf(flags)), SystemClock());
  agent::Identity identity = TRY(IdentityOf(flags, directory));
  Print(fmt::format("node {} of {}", identity.node, identity.server));
  agent::Agent agent({directory}, host, SystemClock());
  return agent.Run(std::move(identity), stop);
}

}  // namespace

void AddAgent(CLI::App& app, int& exit_code) {
  static AgentFlags flags;
  CLI::App* agent = app.add_subcommand(
      "agent", "Run this host's database as the control plane's node, under its customer's key");
  RunOptions& run = flags.run;
  agent->add_option("--volume", run.volume.directory, "Its volume's directory; made when needed")
      ->required();
  agent->add_option("--mount", run.mount_point, "An existing directory")->required();
  agent->add_option("--join-file", flags.join_file,
                    "A file with a join token, or /dev/stdin; needed once");
  AddKeyPatterns(*agent, "--allow-key", run.volume.allow_keys,
                 "Shell pattern of key URIs that may be used here; may be repeated");
  agent->add_option("--cluster-identity", flags.identities,
                    "TYPE=TEMPLATE of the role or service account of ours that this host takes on "
                    "for a cluster, with {cluster_id} in it; may be repeated");
  agent->add_option("--state", flags.state,
                    "Where this machine remembers its volumes [/var/lib/freehold]");
  AddKeyPatterns(*agent, "--escrow-key", flags.operators_keys,
                 "Shell pattern of the operator's own keys, in any form of their URIs: a volume "
                 "that is under a customer's is not put under one of these; may be repeated");
  agent->add_flag("--allow-disenrol", flags.allow_disenrol,
                  "Let a volume go back from a customer's key under the operator's");
  agent->add_flag("--adopt", flags.adopt, "Take over a volume that belongs to no cluster");
  agent->add_option("--cipher", flags.cipher, "Of a new volume")->capture_default_str();
  agent
      ->add_option("--open-grant", flags.open_grant,
                   "How old the server's word may be by which the volume is opened")
      ->capture_default_str();
  AddDatabaseFlags(*agent, run);
  AddCustodyFlags(*agent, run.custody);
  agent->add_option("--custody-limit", flags.custody_limits,
                    "NAME=VALUE of a custody setting, such as on_denied=seal: no order of a server "
                    "is obeyed beyond it; may be repeated");
  agent->callback([&exit_code] {
    RefuseCoreFiles();  // no keys here, but the environment's credentials
    const Status ran = RunAgent(flags);
    exit_code = ran.ok() ? 0 : Fail(ran.error());
  });
}

}  // namespace freehold::cli
