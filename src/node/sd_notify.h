// Tells systemd, or whoever listens at $NOTIFY_SOCKET, that we are ready and what we are doing.
//
// Best effort: nothing happens where nobody listens. Spec: sd_notify(3), "READY=1", "STATUS=...".
#pragma once

#include <string_view>

namespace freehold {

void NotifyService(std::string_view lines);

}  // namespace freehold
