// The part of `freehold server` that agents talk to: its authority, its listener, its tokens.
//
// Threads: made and ended by one.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "server/node_server.h"

namespace CLI {
class App;
}

namespace freehold::cli {

struct NodeListenerFlags {
  std::string listen;  // "" = no agents
  std::string url;     // as agents reach it; "" = what it listens on
  std::string escrow_key;
  std::string escrow_principal;
  bool recover = false;
  std::string authority_directory;  // "" = the data directory
};
void AddNodeListenerFlags(CLI::App& command, NodeListenerFlags& flags);

// kInvalidArgument for those that do nothing without --agents-listen.
Status CheckNodeListenerFlags(const NodeListenerFlags& flags);

// Made in the data directory the first time: several servers over one store have the same one.
Result<std::unique_ptr<control::Nodes>> NewNodes(control::Store& store,
                                                 const NodeListenerFlags& flags,
                                                 const std::string& data_directory);

class NodeListener {
 public:
  virtual ~NodeListener() = default;
  virtual std::string Url() const = 0;
  virtual std::string FormatToken(const std::string& id, const std::string& secret) const = 0;
};
// Null without --agents-listen. `nodes` outlives it.
Result<std::unique_ptr<NodeListener>> StartNodeListener(control::Nodes& nodes,
                                                        const NodeListenerFlags& flags);

}  // namespace freehold::cli
