// What a process and its KMS helper say to each other: one request, one answer; after a probe
// another may follow, after anything else the helper ends.
//
//   magic "FHK1" | u32 body size | u32 secret size | body | secret          (little-endian)
//
// The body never holds a secret, so that it may live in ordinary memory; the secret (a key to wrap,
// or one that was unwrapped) goes straight between the descriptor and SecretBytes. Sizes are
// bounded; anything that is not exactly a message is refused. Pure, but for the two functions that
// move a frame through a descriptor.
// Errors: kInvalidArgument for what is not a message, kIo and kTimeout from the descriptor.
// Threads: values.
#pragma once

#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "base/secret_bytes.h"
#include "kms/key_provider.h"

namespace freehold {

enum class HelperOperation : std::uint8_t { kWrap = 1, kUnwrap, kDescribe, kIdentify, kProbe };

struct HelperFrame {
  Bytes body;
  SecretBytes secret;
};

struct HelperRequest {
  HelperOperation operation = HelperOperation::kDescribe;
  KeyAccess access;
  EncryptionContext context;
  WrappedKey wrapped;     // to unwrap, or to probe with
  SecretBytes plaintext;  // to wrap
};

// A failure, or the answer to the operation that was asked for.
struct HelperAnswer {
  std::optional<KmsFailure> failure;
  WrappedKey wrapped;
  KeyFacts facts;
  std::string identity;
  SecretBytes plaintext;
};

HelperFrame EncodeRequest(const HelperRequest& request);
Result<HelperRequest> DecodeRequest(HelperFrame frame);
HelperFrame EncodeAnswer(const HelperAnswer& answer);
Result<HelperAnswer> DecodeAnswer(HelperFrame frame);

// Whole frames through a descriptor, before `deadline` on `clock`'s boot clock. A peer that closed
// is kIo and no signal when the descriptor is a socket.
Status SendFrame(int fd, const HelperFrame& frame, const Clock& clock, BootTime deadline);
Result<HelperFrame> ReceiveFrame(int fd, const Clock& clock, BootTime deadline);

}  // namespace freehold
