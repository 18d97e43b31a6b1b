// The envelope of the paths below /v1/, as ClickHouse Cloud has it: {"status", "requestId"} and
// "result", or "error" with one sentence. Threads: safe. Spec: docs/api/other-services.md.
#pragma once

#include <string_view>

#include "net/http.h"

namespace freehold::server {

inline constexpr std::string_view kEnvelopedPaths = "/v1/";

HttpResponse InEnvelope(HttpResponse response);

}  // namespace freehold::server
