// EventStream: an answer that goes on: what is sent goes out until either end has enough.
//
// A handler returns one in HttpResponse::stream, keeps the other end and sends to it from any
// thread. What waits for a slow client is bounded: one that does not keep up is cut off, and has to
// ask again. Knows no HTTP and no sockets. Threads: safe. Spec: HTML, "Server-sent events".
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace freehold {

class EventStream {
 public:
  static constexpr std::size_t kMostWaiting = 256 * 1024;  // bytes

  // False when nobody listens any more.
  bool Send(std::string_view text);
  // What was sent before still goes out.
  void Close();
  bool open() const;

  // The server's side. `wake` is called after every Send and Close, from their threads, and is
  // given up when the stream has ended.
  void Attach(std::function<void()> wake);
  std::string Take();  // all that waits
  // Nobody listens any more.
  void Abandon();

 private:
  mutable std::mutex mutex_;
  std::string waiting_;
  std::function<void()> wake_;
  bool open_ = true;
};

// One event as it is on the wire: "event: NAME\ndata: TEXT\n\n". `data` has no line breaks.
std::string FormatEvent(std::string_view name, std::string_view data);

// Takes a stream of bytes apart into events; comments are left out. One at a time.
class EventParser {
 public:
  struct Event {
    std::string name;
    std::string data;
  };
  // What is complete after these bytes.
  std::vector<Event> Feed(std::string_view bytes);

 private:
  std::string line_;
  Event event_;
};

}  // namespace freehold
