// How a command reaches a volume: through the process that holds it, or by taking its lock.
#pragma once

#include <boost/json/object.hpp>
#include <functional>
#include <memory>

#include "cli/volume_commands.h"
#include "node/control_socket.h"
#include "node/volume.h"

namespace freehold::cli {

// The process that holds the volume, or null when nobody does.
Result<std::unique_ptr<ControlConnection>> FindDaemon(const std::string& directory);
// The same, for a volume that may be named by its mount point too; kNotFound when it is not
// mounted.
Result<std::unique_ptr<ControlConnection>> DaemonOf(const VolumeFlags& options);
Result<boost::json::object> TellDaemon(const VolumeFlags& options,
                                       const boost::json::object& request);
// Without a daemon: this process takes the lock and the keys itself.
Result<std::unique_ptr<Volume>> LockHere(const VolumeFlags& flags);

// Prints an answer as JSON or as text, or what went wrong; the exit code.
int Show(const Result<boost::json::object>& result, bool as_json,
         const std::function<std::string(const boost::json::object&)>& text);

}  // namespace freehold::cli
