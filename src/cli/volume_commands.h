// freehold volume ...: create, mount, unmount, status, rotate-key, rekey, re-encrypt, verify, seal,
// open; and freehold inspect.
//
// Each function does one command and returns its exit code (base/error.h). A command on a volume
// that is open talks to the process that holds it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/custody_flags.h"

namespace freehold::cli {

struct KeyFlags {
  std::string key;  // "" where a command can do without
  std::string principal;
  std::string external_id;
};

struct VolumeFlags {
  std::string directory;
  std::string state_directory;  // "" = PinStore::DefaultDirectory()
  std::vector<std::string> allow_keys;
  std::string accept_keyring;
  KeyFlags key;
  bool json = false;
};

struct VolumeCreateOptions {
  VolumeFlags volume;
  std::vector<std::string> context;  // NAME=VALUE
  std::string cipher = "aes-256-xts";
};

struct VolumeMountOptions {
  VolumeFlags volume;
  std::string mount_point;
  CustodyFlags custody;
  int workers = 2;
  std::vector<std::string> direct;
  std::optional<std::uint64_t> reserve;  // bytes
  bool foreground = false;
  bool wait_for_key = false;
  bool allow_null_cipher = false;
  int ends_with = 0;  // process id of the supervisor that started us; 0 for none
};

struct VolumeUnmountOptions {
  VolumeFlags volume;  // directory: the volume's or the mount point
  bool force = false;
};

struct VolumeReencryptOptions {
  VolumeFlags volume;
  std::optional<std::uint64_t> rate;  // bytes per second
  bool wait = false;
};

int RunVolumeCreate(const VolumeCreateOptions& options);
int RunVolumeMount(const VolumeMountOptions& options);
int RunVolumeUnmount(const VolumeUnmountOptions& options);
int RunVolumeStatus(const VolumeFlags& options);
int RunVolumeRotateKey(const VolumeFlags& options);
int RunVolumeRekey(const VolumeFlags& options);
int RunVolumeReencrypt(const VolumeReencryptOptions& options);
int RunVolumeVerify(const VolumeFlags& options);
// Asks the daemon of an open volume to seal it (and to stay so), or to open it again.
int RunVolumeSeal(const VolumeFlags& options);
int RunVolumeOpen(const VolumeFlags& options);
int RunInspect(const std::string& path, bool json);

}  // namespace freehold::cli
