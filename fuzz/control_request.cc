// Lines on the control socket, and the key that a request may name: node/control_socket.h.
#include <sys/socket.h>
#include <unistd.h>

#include <boost/json.hpp>

#include "fuzz/fuzzing.h"
#include "node/control_socket.h"
#include "node/status_json.h"

using namespace freehold;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 100000) return 0;  // what a socket holds without a reader
  int ends[2];
  FUZZ_EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  const int room = 1 << 20;
  setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
  FUZZ_EXPECT(send(ends[1], data, size, MSG_DONTWAIT) == static_cast<ssize_t>(size) || size == 0);
  close(ends[1]);
  ControlConnection connection{UniqueFd(ends[0]), 4096};
  for (;;) {
    auto request = connection.Receive();
    if (!request.ok() && request.error().code() != ErrorCode::kInvalidArgument) break;
    if (!request.ok()) continue;
    const auto access = KeyAccessFromJson(*request);
    const auto settings = SettingsFromJson(*request, {});
    if (settings.ok()) FUZZ_EXPECT(*SettingsFromJson(SettingsJson(*settings), {}) == *settings);
    if (access.ok()) FUZZ_EXPECT(KeyAccessFromJson(KeyAccessJson(*access)).ok());
  }
  return 0;
}
