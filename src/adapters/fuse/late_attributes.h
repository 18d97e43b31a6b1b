// LateAttributes: tells the kernel that a file takes more of the disk than it remembers.
//
// The kernel remembers attributes, keeps length and times itself, and does not know that pages
// which it hands over later take blocks: stat would say for a day that a new file takes none, and
// `tar --sparse` would take it for one hole. So it is told to ask again, about once a second.
// Threads: safe; one of its own, because the kernel may wait for an inode that is going away.
#pragma once

#include <fuse_lowlevel.h>

#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "adapters/fuse/node_table.h"

namespace freehold::fuse {

class LateAttributes {
 public:
  ~LateAttributes() { Stop(); }
  void Start(fuse_session* session);
  void Stop();
  // A page behind the end was written for the kernel.
  void Grew(const NodePtr& node);

 private:
  void Tell();

  fuse_session* session_ = nullptr;
  std::thread teller_;

  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::vector<NodePtr> grown_;
  bool stopping_ = false;
};

}  // namespace freehold::fuse
