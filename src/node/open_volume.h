// What exists only while a volume's keys do. For volume_daemon*.cc alone.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>

#include "node/mounted_files.h"
#include "node/volume_daemon.h"
#include "vfs/encrypted_file.h"

namespace freehold {

// Keys, layer, mount and guardian come and go together; destroyed bottom up.
struct VolumeDaemon::OpenVolume {
  explicit OpenVolume(VolumeKeys unwrapped) : keys(std::move(unwrapped)), layer(keys) {}
  VolumeKeys keys;
  EncryptedLayer layer;
  std::unique_ptr<GuardianLink> guardian;  // outlives the mount, which writes into its memory
  std::unique_ptr<fuse::Mount> mount;
  std::unique_ptr<MountedFiles> files;
  std::unique_ptr<Reencryption> reencryption;  // null: none since this opening
  std::mutex verifying;              // held while a verification uses the keys, and for the wipe
  std::atomic<bool> leaving{false};  // being unmounted or sealed
};

}  // namespace freehold
