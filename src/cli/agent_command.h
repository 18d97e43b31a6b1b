// freehold agent: a host's side of the control plane.
#pragma once

namespace CLI {
class App;
}

namespace freehold::cli {

void AddAgent(CLI::App& app, int& exit_code);

}  // namespace freehold::cli
