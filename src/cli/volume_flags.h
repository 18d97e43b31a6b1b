// From flags to what node/ takes.
#pragma once

#include "cli/volume_commands.h"
#include "node/volume.h"

namespace freehold::cli {

PinStore PinStoreOf(const VolumeFlags& flags);
// kInvalidArgument for a bad URI, or when --principal comes without --key.
Result<std::optional<KeyAccess>> ToKeyAccess(const KeyFlags& flags);
Result<OpenOptions> ToOpenOptions(const VolumeFlags& flags);

}  // namespace freehold::cli
