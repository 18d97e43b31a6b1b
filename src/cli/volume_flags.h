// From flags to what node/ takes.
#pragma once

#include "cli/volume_commands.h"
#include "kms/helper_process.h"
#include "node/volume.h"

namespace freehold::cli {

PinStore PinStoreOf(const VolumeFlags& flags);
// NAME=VALUE, printable, neither of them empty; kInvalidArgument otherwise.
Result<EncryptionContext> ParseContext(const std::vector<std::string>& pairs);
// kInvalidArgument for a bad URI, or when --principal comes without --key.
Result<std::optional<KeyAccess>> ToKeyAccess(const KeyFlags& flags);
// Without symbolic links; the path must exist.
Result<std::string> AbsolutePath(const std::string& path);
// What another `freehold` on the same volume is to be told.
std::vector<std::string> ToWords(const VolumeFlags& flags);
// kInvalidArgument for a --reserve that is too small to be of use, or larger than any disk.
Status CheckReserve(std::optional<std::uint64_t> bytes);
Result<OpenOptions> ToOpenOptions(const VolumeFlags& flags);
// As fast as FREEHOLD_KMS_RATE allows (operations per second on one KMS, from all of this user's
// processes); kInvalidArgument when that is no number from 1 to 10000.
Result<HelperOptions> PacedHelpers();

}  // namespace freehold::cli
