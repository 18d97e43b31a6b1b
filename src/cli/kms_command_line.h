// The options of what is about a KMS and its keys: `freehold kms`, `key` and `provision`.
//
// Adds the groups to the command line; a command that was given puts its exit code into
// `exit_code`.
#pragma once

namespace CLI {
class App;
}

namespace freehold::cli {

void AddKmsCommands(CLI::App& app, int& exit_code);
void AddKeyCommands(CLI::App& app, int& exit_code);
void AddProvision(CLI::App& app, int& exit_code);

}  // namespace freehold::cli
