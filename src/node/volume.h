// Volume: a directory of encrypted files with one keyring; how it is made and opened, and how its
// keys change.
//
// Whoever holds a Volume holds its exclusive lock. Keys are not kept here: Open() hands them out.
// Every change of the keyring is write, fsync, rename, fsync; the pin goes before it, so that a
// crash at any step leaves a volume that opens under the old key or the new one.
// Errors: as in base/error.h, one sentence. Threads: one at a time. Spec: docs/format/keyring.md.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/posix_file.h"
#include "keyring/kek_wrapping.h"
#include "keyring/volume_keys.h"
#include "node/pin.h"
#include "node/volume_paths.h"

namespace freehold {

struct CreateOptions {
  std::string directory;
  KeyAccess access;
  EncryptionContext context;  // with freehold:purpose and freehold:volume, what the customer's KMS
                              // log and policies see
  Cipher cipher = Cipher::kAes256Xts;
};

// Makes the volume, or nothing: the directory must be absent or empty and not inside a volume, the
// key is checked first, and the keyring appears last. Any failure takes back what was made.
Status CreateVolume(const CreateOptions& options, KeyProviderFactory& factory, const PinStore& pins,
                    const Clock& clock);

// A creation was cut off here: there is no keyring and no data, and CreateVolume begins anew.
bool IsUnfinished(const std::string& directory);

struct OpenOptions {
  std::optional<KeyAccess> access;      // given by name: allowed from now on
  std::vector<std::string> allow_keys;  // shell patterns of key URIs; none: any
  std::string accept_keyring;           // fingerprint of a keyring that the pin would refuse
  bool only_reads = false;              // may lie on a read-only file system
};

// kKeyringRefused unless one of the patterns fits the key's URI; no patterns allow every key.
Status CheckAllowed(const std::vector<std::string>& allow_keys, std::string_view key_uri);

// What a keyring says without any key: for status, inspect, and an open volume's owner.
Result<Keyring> ReadKeyring(const VolumePaths& paths);

class Volume {
 public:
  // Takes the lock (kBusy if another process has it), reads the keyring and holds it against the
  // pin. Makes no request. kPermissionDenied on a read-only file system, unless `only_reads`.
  static Result<std::unique_ptr<Volume>> Lock(const std::string& directory,
                                              const OpenOptions& options, const PinStore& pins);

  const VolumePaths& paths() const { return paths_; }
  const Keyring& keyring() const { return keyring_; }
  const WrappedKek& wrapped_kek() const { return keyring_.keks.front(); }
  const KeyAccess& access() const { return access_; }

  // Unwraps the KEK at the KMS (one unwrap), verifies the keyring under it, unwraps the DEKs, and
  // forgets the KEK again. A keyring that does not verify is class data.
  KmsResult<VolumeKeys> Open(KeyProvider& provider);

  // Sealed by order. Kept in the pin, so that it outlives this process; durable when it returns.
  bool revoked() const { return pin_.revoked; }
  Status SetRevoked(bool revoked);

  // Rewrap: new CMEK, same KEK. Checks the old key and the new one first; then two unwraps and one
  // wrap of the KEK, whatever the size of the volume; then no wrapping by the old key is left. If
  // the new key is a replica of the old one, in another Region, it stands in for it: the old one is
  // not asked.
  Status Rewrap(const KeyAccess& new_access, KeyProviderFactory& factory, const Clock& clock);

  // Rekey: new KEK, same DEKs, wrapped by the same key or another one; checked as for a rewrap.
  // With kAdd a re-encryption begins: a new DEK is there too, and new files come under it. What is
  // returned are the DEKs as they are now.
  enum class NewDek { kNone, kAdd };
  Result<VolumeKeys> Rekey(const KeyAccess& new_access, NewDek new_dek, KeyProviderFactory& factory,
                           const Clock& clock);
  // The end of a re-encryption: only the newest DEK stays. One unwrap.
  Result<VolumeKeys> DropOldDeks(KeyProviderFactory& factory);

 private:
  struct CheckedKeys {
    std::unique_ptr<KeyProvider> present;
    std::unique_ptr<KeyProvider> next;
    WrappedKek wrapped;  // by the next key: canary and all but the KEK
  };

  Volume(VolumePaths paths, const PinStore& pins) : paths_(std::move(paths)), pins_(pins) {}
  Result<CheckedKeys> CheckKeys(const KeyAccess& new_access, KeyProviderFactory& factory,
                                const Clock& clock);
  Result<Kek> PresentKek(KeyProvider& provider);
  Status Promote(Keyring next, const Kek& kek, const KeyAccess& new_access);

  VolumePaths paths_;
  std::vector<std::string> allow_keys_;
  const PinStore pins_;
  bool read_only_ = false;  // the file system that it lies on
  UniqueFd lock_;
  Bytes keyring_bytes_;
  Keyring keyring_;
  KeyAccess access_;
  Pin pin_;
};

}  // namespace freehold
