#include "adapters/fuse/late_attributes.h"

#include <utility>

namespace freehold::fuse {

void LateAttributes::Start(fuse_session* session) {
  session_ = session;
  teller_ = std::thread([this] { Tell(); });
}

void LateAttributes::Stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  if (teller_.joinable()) teller_.join();
}

void LateAttributes::Grew(const NodePtr& node) {
  if (node->grew.exchange(true)) return;  // is told of already
  std::lock_guard lock(mutex_);
  grown_.push_back(node);
  if (grown_.size() == 1) changed_.notify_all();
}

void LateAttributes::Tell() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || !grown_.empty(); });
    // Meanwhile it grows some more: once a second is enough for those who look.
    changed_.wait_for(lock, std::chrono::seconds(1), [this] { return stopping_; });
    if (stopping_) return;
    const std::vector<NodePtr> grown = std::exchange(grown_, {});
    lock.unlock();
    for (const NodePtr& node : grown) {
      node->grew = false;
      fuse_lowlevel_notify_inval_inode(session_, node->id, -1, 0);
    }
    lock.lock();
  }
}

}  // namespace freehold::fuse
