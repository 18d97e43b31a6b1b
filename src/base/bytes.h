// Bytes: owned and viewed octets, and their text forms (hex, base64).
//
// Encodings return std::string; decoders refuse anything but the exact alphabet, with
// kInvalidArgument. Not for secrets: key material lives in SecretBytes. Threads: values.
// Spec: RFC 4648 sections 4, 5 (base64url without padding) and 8 (lower-case hex).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace freehold {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;
using MutableByteView = std::span<std::uint8_t>;

// The octets of a text, without copying.
ByteView AsBytes(std::string_view text);
// The text whose octets these are, without copying.
std::string_view AsText(ByteView bytes);
Bytes ToBytes(ByteView view);

std::string HexEncode(ByteView bytes);
Result<Bytes> HexDecode(std::string_view hex);
std::string Base64Encode(ByteView bytes);
Result<Bytes> Base64Decode(std::string_view text);
std::string Base64UrlEncode(ByteView bytes);
Result<Bytes> Base64UrlDecode(std::string_view text);

bool AllZero(ByteView bytes);

// For terminals, logs and JSON, whatever a disk or a user had in it: control characters, and octets
// that are no UTF-8 (RFC 3629), become '?'.
std::string Printable(std::string_view text);

}  // namespace freehold
