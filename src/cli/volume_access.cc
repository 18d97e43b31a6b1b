#include "cli/volume_access.h"

#include <boost/json.hpp>
#include <climits>
#include <cstdlib>

#include "adapters/fuse/mount_point.h"
#include "cli/output.h"
#include "cli/volume_flags.h"
#include "fmt/format.h"

namespace freehold::cli {

namespace json = boost::json;

Result<std::unique_ptr<ControlConnection>> FindDaemon(const std::string& directory) {
  auto connection = ConnectControl(VolumePaths(directory).control_socket());
  if (connection.ok()) return connection;
  if (connection.error().code() == ErrorCode::kNotFound) {
    return std::unique_ptr<ControlConnection>();
  }
  return connection;
}

Result<std::unique_ptr<Volume>> LockHere(const VolumeFlags& flags) {
  return Volume::Lock(flags.directory, TRY(ToOpenOptions(flags)), PinStoreOf(flags));
}

Result<std::unique_ptr<ControlConnection>> DaemonOf(const VolumeFlags& options) {
  std::string directory = options.directory;
  char resolved[PATH_MAX];
  if (realpath(directory.c_str(), resolved) != nullptr) {
    if (const std::string source = fuse::SourceOfMount(resolved); !source.empty()) {
      directory = source;
    }
  }
  auto daemon = TRY(FindDaemon(directory));
  if (daemon != nullptr) return daemon;
  TRY(ReadKeyring(VolumePaths(directory)));  // "there is no volume at ..." where there is none
  return Error(ErrorCode::kNotFound, fmt::format("the volume {} is not mounted", directory));
}

Result<json::object> TellDaemon(const VolumeFlags& options, const json::object& request) {
  auto daemon = TRY(DaemonOf(options));
  return CallControl(*daemon, request);
}

int Show(const Result<json::object>& result, bool as_json,
         const std::function<std::string(const json::object&)>& text) {
  if (!result.ok()) return Fail(result.error(), as_json);
  Print(as_json ? json::serialize(*result) : text(*result));
  return 0;
}

}  // namespace freehold::cli
