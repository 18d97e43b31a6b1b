// ScriptedServer: for tests only. A loopback HTTP server that gives prepared answers in order and
// remembers what it was asked.
//
// Plain sockets on port 0, one connection at a time, closed after each answer. When the script is
// used up it answers 500. Threads: the script may be looked at after Requests() returned it.
#pragma once

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "net/http.h"

namespace freehold {

class ScriptedServer {
 public:
  // What a connection gets instead of an answer.
  static constexpr int kHangUp = -1;
  static constexpr int kSayNothing = -2;

  explicit ScriptedServer(std::deque<HttpResponse> script = {}) : script_(std::move(script)) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    if (bind(listener_, generic, size) != 0 || listen(listener_, 16) != 0 ||
        getsockname(listener_, generic, &size) != 0) {
      std::abort();
    }
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Serve(); });
  }
  ~ScriptedServer() {
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
    for (const int fd : silent_) close(fd);
  }
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  std::string Url() const { return "http://127.0.0.1:" + std::to_string(port_); }

  void Add(HttpResponse response) {
    const std::lock_guard lock(mutex_);
    script_.push_back(std::move(response));
  }
  std::vector<HttpRequest> Requests() {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  void Serve() {
    for (;;) {
      const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) return;
      if (!Answer(fd)) {
        silent_.push_back(fd);
      } else {
        close(fd);
      }
    }
  }

  // False when the connection stays open without an answer.
  bool Answer(int fd) {
    HttpRequest request;
    if (!Receive(fd, &request)) return true;
    HttpResponse response{500, {}, "the script is used up"};
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(std::move(request));
      if (!script_.empty()) {
        response = std::move(script_.front());
        script_.pop_front();
      }
    }
    if (response.status == kSayNothing) return false;
    if (response.status == kHangUp) return true;
    std::string wire = "HTTP/1.1 " + std::to_string(response.status) + " Scripted\r\n";
    for (const auto& [name, value] : response.headers) wire += name + ": " + value + "\r\n";
    wire += "content-length: " + std::to_string(response.body.size()) +
            "\r\nconnection: close\r\n\r\n" + response.body;
    [[maybe_unused]] const ssize_t sent = send(fd, wire.data(), wire.size(), MSG_NOSIGNAL);
    return true;
  }

  static bool Receive(int fd, HttpRequest* request) {
    std::string wire;
    std::size_t head_end = std::string::npos;
    std::size_t body_size = 0;
    while (head_end == std::string::npos || wire.size() < head_end + 4 + body_size) {
      char buffer[4096];
      const ssize_t n = recv(fd, buffer, sizeof buffer, 0);
      if (n <= 0) return false;
      wire.append(buffer, static_cast<std::size_t>(n));
      if (head_end != std::string::npos) continue;
      head_end = wire.find("\r\n\r\n");
      if (head_end == std::string::npos) continue;
      ParseHead(wire.substr(0, head_end), request);
      body_size = std::stoul(FindHeader(request->headers, "content-length").value_or("0"));
    }
    request->body = wire.substr(head_end + 4, body_size);
    return true;
  }

  static void ParseHead(const std::string& head, HttpRequest* request) {
    const auto first_blank = head.find(' ');
    const auto second_blank = head.find(' ', first_blank + 1);
    request->method = head.substr(0, first_blank);
    request->target = head.substr(first_blank + 1, second_blank - first_blank - 1);
    for (auto start = head.find("\r\n"); start != std::string::npos;) {
      start += 2;
      const auto end = head.find("\r\n", start);
      const std::string line = head.substr(start, end - start);
      const auto colon = line.find(':');
      std::string name = line.substr(0, colon);
      std::transform(name.begin(), name.end(), name.begin(),
                     [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      const auto value = line.find_first_not_of(' ', colon + 1);
      request->headers.emplace_back(name, value == std::string::npos ? "" : line.substr(value));
      start = end;
    }
  }

  std::mutex mutex_;
  std::deque<HttpResponse> script_;
  std::vector<HttpRequest> requests_;
  std::vector<int> silent_;
  int listener_ = -1;
  int port_ = 0;
  std::thread thread_;
};

}  // namespace freehold
