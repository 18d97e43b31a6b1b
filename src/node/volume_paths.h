// Where the parts of a volume lie in its directory. Spec: docs/format/keyring.md, "Places".
#pragma once

#include <string>

namespace freehold {

struct VolumePaths {
  explicit VolumePaths(std::string volume_directory) : directory(std::move(volume_directory)) {}

  std::string directory;
  std::string meta() const { return directory + "/freehold"; }
  std::string data() const { return directory + "/data"; }  // the encrypted tree
  std::string keyring() const { return meta() + "/keyring"; }
  std::string keyring_old() const { return meta() + "/keyring.old"; }  // being erased
  std::string keyring_new() const { return meta() + "/keyring.new"; }  // not yet in its place
  std::string lock() const { return meta() + "/lock"; }
  std::string control_socket() const { return meta() + "/control"; }
  // Exists while the volume is mounted; found at the next mount it means an unclean stop.
  std::string open_marker() const { return meta() + "/open"; }
  // The chunk that a re-encryption is writing, or was when it was cut off.
  std::string reencrypt_journal() const { return meta() + "/reencrypt.journal"; }
  // How fast one may go that was begun and is not done.
  std::string reencrypt_rate() const { return meta() + "/reencrypt.rate"; }
  // What the recovery after unclean stops adopted, one line per file.
  std::string recovered() const { return meta() + "/recovered"; }
};

}  // namespace freehold
