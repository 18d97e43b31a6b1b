// freehold volume import, export: between a plain directory and a volume. Each function does one
// command and returns its exit code; both can be repeated after any end.
#pragma once

#include <optional>
#include <string>

#include "cli/volume_commands.h"

namespace freehold::cli {

struct TransferOptions {
  VolumeFlags volume;
  std::string plain;                     // the directory outside
  std::string below;                     // where in the volume; "" = its root
  bool running = false;                  // the source is in use: one pass, without the comparison
  std::optional<std::uint64_t> reserve;  // of the mount that an import makes; bytes
};

int RunVolumeImport(const TransferOptions& options);
int RunVolumeExport(const TransferOptions& options);

}  // namespace freehold::cli
