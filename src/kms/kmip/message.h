// Messages: one request with one operation, and its answer.
//
// Knows the envelope, not what a failure means. Errors: kInvalidArgument for an answer that is none
// to the question. Threads: values. Spec: KMIP 1.2 and 1.4, sections 6 and 7 (batches of one).
#pragma once

#include <compare>
#include <string>

#include "base/secret_bytes.h"
#include "kms/kmip/ttlv.h"

namespace freehold::kmip {

struct ProtocolVersion {
  int major = 0;
  int minor = 0;
  auto operator<=>(const ProtocolVersion&) const = default;
};

// The first with Encrypt and Decrypt, and the first with associated data.
constexpr ProtocolVersion kLeastVersion = {1, 2};
constexpr ProtocolVersion kAeadVersion = {1, 4};

enum class Operation : std::uint32_t {
  kGetAttributes = 0x0B,
  kQuery = 0x18,
  kDiscoverVersions = 0x1E,
  kEncrypt = 0x1F,
  kDecrypt = 0x20,
};
std::string_view NameOf(Operation operation);  // "Encrypt"

// The bytes may hold a plaintext: to be wiped.
Writer EncodeRequest(ProtocolVersion version, Operation operation, const Writer& payload);

constexpr std::size_t kLongestAnswer = 64 << 10;

struct Answer {
  SecretBytes bytes;         // where the payload's values are
  std::uint32_t status = 0;  // 0: success
  std::uint32_t reason = 0;  // of a failure; 0: none was given
  std::string message;       // the server's words, printable
  Item payload;

  bool ok() const { return status == 0; }
};

Result<Answer> DecodeAnswer(SecretBytes bytes, Operation operation);

}  // namespace freehold::kmip
