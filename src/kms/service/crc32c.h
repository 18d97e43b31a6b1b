// CRC-32C (Castagnoli): the checksum that Google's services send along with bytes. No secret's
// guard.
//
// Pure. Threads: safe. Spec: RFC 3720, appendix B.4: "123456789" gives 0xe3069283.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace freehold {

std::uint32_t Crc32c(ByteView bytes);

}  // namespace freehold
