// The command line: every group's options in one place (CLI11 is dear to compile), each group's
// work in its own file.
#include "CLI/CLI.hpp"
#include "cli/output.h"

int main(int argc, char** argv) {
  CLI::App app{"Freehold: customer-managed encryption keys for any database"};
  app.require_subcommand(1);
  app.set_version_flag("--version", "freehold 0.1.0");
  int exit_code = 0;

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? 0 : freehold::InfoOf(freehold::ErrorCode::kInvalidArgument).exit_code;
  }
  return exit_code;
}
