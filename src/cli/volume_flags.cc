#include "cli/volume_flags.h"

namespace freehold::cli {

PinStore PinStoreOf(const VolumeFlags& flags) {
  return PinStore(flags.state_directory.empty() ? PinStore::DefaultDirectory()
                                                : flags.state_directory);
}

Result<std::optional<KeyAccess>> ToKeyAccess(const KeyFlags& flags) {
  if (flags.key.empty()) {
    if (!flags.principal.empty() || !flags.external_id.empty()) {
      return Error(ErrorCode::kInvalidArgument, "--principal and --external-id belong to a --key");
    }
    return std::optional<KeyAccess>();
  }
  if (Printable(flags.principal) != flags.principal) {
    return Error(ErrorCode::kInvalidArgument, "--principal has a character that cannot be printed");
  }
  KeyUri uri = TRY(KeyUri::Parse(flags.key));
  return std::optional<KeyAccess>(KeyAccess{std::move(uri), flags.principal, flags.external_id});
}

Result<OpenOptions> ToOpenOptions(const VolumeFlags& flags) {
  OpenOptions options;
  options.access = TRY(ToKeyAccess(flags.key));
  options.allow_keys = flags.allow_keys;
  options.accept_keyring = flags.accept_keyring;
  return options;
}

}  // namespace freehold::cli
