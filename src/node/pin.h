// Pin: what this machine remembers of a volume outside the volume, so that whoever can write the
// disk cannot make us use another key or an older keyring.
//
// One small JSON file per volume id in the state directory (0600). It holds the KEK's id, the
// newest keyring generation seen, and the keys that may be used for it (no secrets). A second file
// per directory tells which volume is there, so that one known volume's keyring does not pass for
// another's.
// Errors: kKeyringRefused with the way to accept; kIo. Threads: values. Spec: design section 4.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "keyring/keyring.h"

namespace freehold {

struct Pin {
  Id volume_id{};
  std::optional<Id> kek_id;       // unset until the first opening here
  std::optional<Id> next_kek_id;  // while a rekey is under way: allowed beside kek_id
  std::uint64_t generation = 0;
  std::vector<KeyAccess> allowed;  // two while a rotation is under way
  bool revoked = false;            // sealed by order, until 'volume open'
};

class PinStore {
 public:
  // `directory` is made when the first pin is written.
  explicit PinStore(std::string directory) : directory_(std::move(directory)) {}

  // /var/lib/freehold for root, $XDG_STATE_HOME/freehold or ~/.local/state/freehold for others.
  static std::string DefaultDirectory();

  Result<std::optional<Pin>> Load(const Id& volume_id) const;
  Status Save(const Pin& pin) const;
  // The volume that was last created or opened in a directory (given in any form that exists).
  Result<std::optional<Id>> VolumeAt(const std::string& volume_directory) const;
  Status SaveVolumeAt(const std::string& volume_directory, const Id& volume_id) const;
  const std::string& directory() const { return directory_; }

 private:
  std::string PathOf(const Id& volume_id) const;
  Result<std::string> PlacePathOf(const std::string& volume_directory) const;
  std::string directory_;
};

// The access that the pin allows for the key that a keyring names, with our own external id;
// kKeyringRefused otherwise. Called before any request is made.
Result<KeyAccess> AllowedAccess(const Pin& pin, const WrappedKek& wrapped);

// kKeyringRefused for a keyring that is older than one seen before, or of another KEK; unless its
// fingerprint is `accepted`.
Status CheckAgainstPin(const Pin& pin, const Keyring& keyring, std::string_view fingerprint,
                       std::string_view accepted);

}  // namespace freehold
