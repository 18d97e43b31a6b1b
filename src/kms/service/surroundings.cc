#include "kms/service/surroundings.h"

#include <cstdlib>
#include <ctime>

#include "crypto/crypto.h"

namespace freehold {

Environment ProcessEnvironment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    if (value == nullptr || value[0] == '\0') return std::nullopt;
    return value;
  };
}

void PauseThread(Duration duration) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(duration);
  const timespec pause{seconds.count(), (duration - seconds).count()};
  nanosleep(&pause, nullptr);
}

Duration PauseBefore(int next) {
  const auto jitter = std::chrono::milliseconds(RandomBytes(1)[0] / 2);
  return (std::chrono::milliseconds(50) + jitter) * (next - 1);
}

}  // namespace freehold
