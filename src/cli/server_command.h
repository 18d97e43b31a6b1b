// `freehold server`: the control plane. Puts its exit code into `exit_code` when it was given.
#pragma once

namespace CLI {
class App;
}

namespace freehold::cli {

void AddServer(CLI::App& app, int& exit_code);

}  // namespace freehold::cli
