// MountedFiles: the files of a mounted volume as a re-encryption visits them.
#pragma once

#include "adapters/fuse/mount.h"
#include "node/reencryption.h"

namespace freehold {

class MountedFiles : public FileSource {
 public:
  // Both outlive the object.
  MountedFiles(fuse::Mount& mount, const VolumePaths& paths) : mount_(mount), paths_(paths) {}
  Status ForEach(const Visit& visit, const Unreadable& unreadable) override;
  std::uint64_t Moves() override { return mount_.Moves(); }
  std::shared_ptr<void> HoldNames() override { return mount_.HoldNames(); }
  Status Enter(const std::function<Status()>& work) override { return mount_.Enter(work); }

 private:
  fuse::Mount& mount_;
  const VolumePaths& paths_;
};

}  // namespace freehold
