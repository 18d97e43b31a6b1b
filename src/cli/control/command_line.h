// The options of what customers and operators do over the control plane's API: `freehold login`,
// `org`, `project`, `cluster`, `cmek`, `audit`, `account` and `api-key`.
//
// Adds the groups to the command line; a command that was given puts its exit code into
// `exit_code`.
#pragma once

namespace CLI {
class App;
}

namespace freehold::cli {

void AddControlCommands(CLI::App& app, int& exit_code);

}  // namespace freehold::cli
