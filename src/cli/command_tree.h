// The commands as they are defined, for other readers than CLI11: shells and man(1).
//
// Hidden commands and options stay hidden. Threads: main only. Source: man(7), bash(1).
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace freehold::cli {

// What `source <(freehold completion bash)` takes.
std::string BashCompletion(const CLI::App& app);

// freehold(1), every command in it.
std::string ManPage(const CLI::App& app);

// `freehold completion`.
void AddCompletion(CLI::App& app, int& exit_code);

}  // namespace freehold::cli
