#include "node/profile.h"

#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <set>

#include "base/posix_file.h"
#include "fmt/format.h"
#include "fmt/ranges.h"
#include "node/profile_fields.h"

namespace freehold {
namespace {

constexpr std::size_t kLongestSocketPath = 107;  // sun_path, with its final zero

constexpr std::pair<std::string_view, int> kSignals[] = {
    {"TERM", SIGTERM}, {"INT", SIGINT}, {"QUIT", SIGQUIT}, {"HUP", SIGHUP}};

int SignalOf(std::string_view name) {
  for (const auto& [known, number] : kSignals) {
    if (known == name) return number;
  }
  return 0;
}

using Names = std::map<std::string, std::string>;

Error Wrong(const std::string& origin, std::string_view sentence) {
  return Error(ErrorCode::kInvalidArgument, fmt::format("profile {}: {}", origin, sentence));
}

// "{name}" becomes its value; braces that hold no name are an error, for they are typing mistakes.
Result<std::string> Fill(const std::string& text, const Names& names, const std::string& where) {
  std::string filled;
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] != '{') {
      filled.push_back(text[at++]);
      continue;
    }
    const auto end = text.find('}', at);
    const std::string name =
        end == std::string::npos ? text.substr(at + 1) : text.substr(at + 1, end - at - 1);
    const auto found = names.find(name);
    if (end == std::string::npos || found == names.end()) {
      std::vector<std::string> known;
      for (const auto& [key, value] : names) known.push_back(key);
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("{}: '{{{}}}' is no placeholder; there are {}", where, name,
                               fmt::join(known, ", ")));
    }
    filled += found->second;
    at = end + 1;
  }
  return filled;
}

Result<std::vector<std::string>> FillAll(const std::vector<std::string>& texts, const Names& names,
                                         const std::string& where) {
  std::vector<std::string> filled;
  for (const std::string& text : texts) filled.push_back(TRY(Fill(text, names, where)));
  return filled;
}

Names ParametersOf(const Profile& profile, const ProfileSettings& settings) {
  Names names = profile.parameters;
  for (const auto& [name, value] : settings.values) names[name] = value;
  names["mount"] = settings.mount;
  return names;
}

struct Installed {
  std::string version;
  std::string bin;
};

// The first version whose program exists; profiles list the newest first.
Result<Installed> FindInstalled(const Profile& profile, const ProfileSettings& settings) {
  if (profile.bin.empty()) return Installed{settings.version, ""};
  std::vector<std::string> versions = profile.versions;
  if (versions.empty()) versions.push_back("");
  if (!settings.version.empty()) versions = {settings.version};
  std::vector<std::string> tried;
  for (const std::string& version : versions) {
    for (const std::string& pattern : profile.bin) {
      const std::string bin = TRY(Fill(pattern, {{"version", version}}, "bin"));
      const std::string program = bin + "/" + profile.program;
      if (access(program.c_str(), X_OK) == 0) return Installed{version, bin};
      tried.push_back(program);
    }
  }
  return Error(ErrorCode::kNotFound, fmt::format("{} is not installed here: there is no {}",
                                                 profile.name, fmt::join(tried, ", no ")));
}

Status CheckValues(const Profile& profile, const ProfileSettings& settings) {
  for (const auto& [name, value] : settings.values) {
    if (profile.parameters.contains(name)) continue;
    std::vector<std::string> known;
    for (const auto& [key, unused] : profile.parameters) known.push_back(key);
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("--set {}: {} has no such parameter; it has {}", name, profile.name,
                             known.empty() ? "none" : fmt::format("{}", fmt::join(known, ", "))));
  }
  return {};
}

Result<DatabasePlan> FillPlan(const Profile& profile, const Names& names) {
  Names while_init = names;
  while_init["data"] = names.at("data") + ".freehold-init";
  DatabasePlan plan;
  plan.name = profile.name;
  plan.user = profile.user;
  plan.mount = names.at("mount");
  plan.data = names.at("data");
  plan.init_data = while_init.at("data");
  plan.initialized_if = TRY(Fill(profile.initialized_if, names, "initialized_if"));
  plan.init_initialized = TRY(Fill(profile.initialized_if, while_init, "initialized_if"));
  plan.directories = TRY(FillAll(profile.directories, names, "directories"));
  plan.log = TRY(Fill(profile.log, names, "log"));
  for (const CommandLine& command : profile.init) {
    plan.init.push_back(TRY(FillAll(command, while_init, "init")));
  }
  plan.start = TRY(FillAll(profile.start, names, "start"));
  plan.ready = TRY(FillAll(profile.ready, names, "ready"));
  plan.stop = TRY(FillAll(profile.stop, names, "stop"));
  plan.stop_signal = SignalOf(profile.stop_signal);
  plan.direct = profile.direct;
  plan.private_tmpfs = TRY(FillAll(profile.private_tmpfs, names, "private_tmpfs"));
  plan.tmpfs_size = profile.tmpfs_size;
  for (const auto& [name, value] : profile.environment) {
    plan.environment.push_back(name + "=" + TRY(Fill(value, names, "environment." + name)));
  }
  return plan;
}

// Paths that must lie on the volume, so that nothing of the database ends up beside it.
Status CheckPlaces(const Profile& profile, const DatabasePlan& plan) {
  std::vector<std::pair<std::string, std::string>> places = {{"data", plan.data},
                                                             {"log", plan.log}};
  for (const std::string& directory : plan.directories)
    places.emplace_back("directories", directory);
  for (const auto& [field, path] : places) {
    if (path.starts_with(plan.mount + "/") && path.find("/../") == std::string::npos) continue;
    return Wrong(profile.origin, fmt::format("{} = {} is not below {{mount}}", field, path));
  }
  return {};
}

Status CheckSockets(const Profile& profile, const Names& names) {
  for (const std::string& path : TRY(FillAll(profile.sockets, names, "sockets"))) {
    if (path.size() <= kLongestSocketPath) continue;
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("the socket {} would have {} characters and may have {}: choose a "
                             "shorter mount point",
                             path, path.size(), kLongestSocketPath));
  }
  return {};
}

Result<DatabasePlan> Resolve(const Profile& profile, const ProfileSettings& settings,
                             const Installed& installed) {
  Names names = ParametersOf(profile, settings);
  names["version"] = installed.version;
  names["bin"] = installed.bin;
  names["data"] = TRY(Fill(profile.data, names, "data"));
  DatabasePlan plan = TRY(FillPlan(profile, names));
  plan.version = installed.version;
  TRY(CheckPlaces(profile, plan));
  TRY(CheckSockets(profile, names));
  return plan;
}

Status Judge(const Profile& profile) {
  if (SignalOf(profile.stop_signal) == 0) {
    return Wrong(profile.origin, fmt::format("stop_signal = \"{}\" is none of TERM, INT, QUIT, HUP",
                                             profile.stop_signal));
  }
  for (const char* reserved : {"mount", "data", "bin", "version"}) {
    if (profile.parameters.contains(reserved)) {
      return Wrong(profile.origin,
                   fmt::format("parameters.{}: this name is Freehold's own placeholder", reserved));
    }
  }
  if (!profile.bin.empty() && profile.program.empty()) {
    return Wrong(profile.origin, "program is missing: which file tells that 'bin' is the one?");
  }
  // A trial with made-up values: every placeholder and place is judged before there is a mount.
  auto trial = Resolve(profile, {"/m", "", {}}, {"0", "/b"});
  if (!trial.ok()) {
    return trial.error().message().starts_with("profile ")
               ? Status(trial.error())
               : Wrong(profile.origin, trial.error().message());
  }
  return {};
}

}  // namespace

Result<Profile> ParseProfile(std::string_view toml, const std::string& origin) {
  auto profile = ReadProfileFields(toml);
  if (!profile.ok()) return Wrong(origin, profile.error().message());
  profile->origin = origin;
  TRY(Judge(*profile));
  return profile;
}

Result<DatabasePlan> ResolveProfile(const Profile& profile, const ProfileSettings& settings) {
  TRY(CheckValues(profile, settings));
  return Resolve(profile, settings, TRY(FindInstalled(profile, settings)));
}

Result<Profile> FindProfile(const std::string& name, const std::vector<std::string>& directories) {
  const auto load = [](const std::string& path) -> Result<Profile> {
    const Bytes bytes = TRY(ReadFile(path, 1 << 20));
    return ParseProfile(AsText(bytes), path);
  };
  if (name.find('/') != std::string::npos) return load(name);
  std::set<std::string> known;
  for (const std::string& directory : directories) {
    const std::string path = fmt::format("{}/{}.toml", directory, name);
    if (PathExists(path)) return load(path);
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(directory, ignored)) {
      if (entry.path().extension() == ".toml") known.insert(entry.path().stem());
    }
  }
  return Error(ErrorCode::kNotFound,
               known.empty() ? fmt::format("there is no profile '{}', nor any other in {}", name,
                                           fmt::join(directories, ", "))
                             : fmt::format("there is no profile '{}'; there are {}", name,
                                           fmt::join(known, ", ")));
}

}  // namespace freehold
