// FreshPages: answers writes of a write-once volume, and sees to it that the kernel's cache holds
// no other bytes than the file.
//
// Writes bypass the cache there, so that a refusal reaches the writer, while who only reads has it.
// So pages that a write made old go before its writer hears that it is done, and a store through a
// map that was refused goes too. Not by a worker: the kernel waits for pages that are being read or
// handed over, and it takes a worker to do that. For the same reason nothing that such a page waits
// for is answered here. Threads: safe; one of its own.
#pragma once

#include <fuse_lowlevel.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

namespace freehold::fuse {

class FreshPages {
 public:
  ~FreshPages() { Stop(); }
  void Start(fuse_session* session);
  // Answers all that wait.
  void Stop();
  struct Range {
    fuse_ino_t id;
    off_t offset;
    std::size_t size;
  };
  void Drop(const Range& range) { Add({range, nullptr, 0}); }
  // Drops, and then answers `request`, a write(2): with success if `error` is 0.
  void DropAndAnswer(const Range& range, fuse_req_t request, int error) {
    Add({range, request, error});
  }

 private:
  struct Work {
    Range range;
    fuse_req_t request;  // null: nobody waits
    int error;
  };
  void Add(const Work& work);
  void Run();

  fuse_session* session_ = nullptr;
  std::thread thread_;

  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::deque<Work> waiting_;
  bool stopping_ = false;
};

}  // namespace freehold::fuse
