// Where a server of ours listens, as a person writes it. Threads: safe.
#pragma once

#include <string_view>

#include "net/http_server.h"

namespace freehold::cli {

// "127.0.0.1:4566", "[::1]:0"; kInvalidArgument names `flag`, "--listen".
Status ParseListen(std::string_view flag, std::string_view text, HttpServerOptions& options);

}  // namespace freehold::cli
