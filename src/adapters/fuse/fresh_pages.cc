#include "adapters/fuse/fresh_pages.h"

#include "base/crash_point.h"

namespace freehold::fuse {

void FreshPages::Start(fuse_session* session) {
  session_ = session;
  thread_ = std::thread([this] { Run(); });
}

void FreshPages::Stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void FreshPages::Add(const Work& work) {
  std::lock_guard lock(mutex_);
  waiting_.push_back(work);
  changed_.notify_all();
}

void FreshPages::Run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    const Work work = waiting_.front();
    waiting_.pop_front();
    lock.unlock();
    if (!IsMutant("pages-not-dropped")) {
      fuse_lowlevel_notify_inval_inode(session_, work.range.id, work.range.offset,
                                       static_cast<off_t>(work.range.size));
    }
    if (work.request != nullptr && work.error == 0) {
      fuse_reply_write(work.request, work.range.size);
    } else if (work.request != nullptr) {
      fuse_reply_err(work.request, work.error);
    }
    lock.lock();
  }
}

}  // namespace freehold::fuse
