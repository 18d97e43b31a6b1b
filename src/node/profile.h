// Profile: how one kind of database is initialised, started, asked and stopped, as a text file.
//
// A profile is data: adding a database needs no C++. Parsing judges every field and placeholder;
// resolving fills the placeholders in for one mount, one installed version and the user's
// parameters. Neither touches the mount. Errors: kInvalidArgument with one sentence that names the
// field; kNotFound for a profile or a database that is not there.
// Threads: values. Spec: docs/howto/add-a-database.md.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace freehold {

using CommandLine = std::vector<std::string>;

// As written: texts still with their placeholders.
struct Profile {
  std::string origin;  // the file, for sentences
  std::string name;
  std::string user;  // "" = whoever runs us
  std::vector<std::string> versions;
  std::vector<std::string> bin;
  std::string program;
  std::string data;
  std::string initialized_if;
  std::vector<std::string> directories;
  std::string log;
  std::vector<std::string> sockets;
  std::vector<std::string> direct;  // patterns below the mount
  std::vector<CommandLine> init;
  CommandLine start;
  CommandLine ready;
  std::string stop_signal = "TERM";
  CommandLine stop;
  std::vector<std::string> private_tmpfs;
  std::string tmpfs_size = "25%";
  std::string survives_kill;
  std::string survives_power_loss;
  std::map<std::string, std::string> environment;
  std::map<std::string, std::string> parameters;  // with their defaults
};

struct ProfileSettings {
  std::string mount;                          // absolute
  std::string version;                        // "" = the newest that is installed
  std::map<std::string, std::string> values;  // of parameters
};

// All placeholders filled in.
struct DatabasePlan {
  std::string name;
  std::string version;
  std::string user;
  std::string mount;
  std::string data;
  std::string initialized_if;
  std::string init_data;         // where init works; becomes `data` when all of it succeeded
  std::string init_initialized;  // `initialized_if` there
  std::vector<std::string> directories;
  std::string log;
  std::vector<std::string> direct;
  std::vector<CommandLine> init;
  CommandLine start;
  CommandLine ready;
  int stop_signal = 0;
  CommandLine stop;
  std::vector<std::string> private_tmpfs;
  std::string tmpfs_size;
  std::vector<std::string> environment;  // NAME=VALUE, all that the database gets
};

Result<Profile> ParseProfile(std::string_view toml, const std::string& origin);
Result<DatabasePlan> ResolveProfile(const Profile& profile, const ProfileSettings& settings);

// `name` with a slash is a file; otherwise NAME.toml in the first of `directories` that has it.
// kNotFound lists the profiles that there are.
Result<Profile> FindProfile(const std::string& name, const std::vector<std::string>& directories);

}  // namespace freehold
