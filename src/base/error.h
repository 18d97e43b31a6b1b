// Errors: one table of codes, from which exit code, errno, HTTP status and retryability follow.
//
// An Error is a code plus one sentence for a person. It never carries secret bytes: nothing that
// makes an Error may put key material, tokens or plaintext into its message.
// Threads: values, free to copy. Spec: docs/exit-codes.md is printed from the same table.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace freehold {

enum class ErrorCode : std::uint8_t {
  kInternal,            // a bug of ours or a library that behaves impossibly
  kInvalidArgument,     // the caller's words are wrong
  kNotFound,            // no such file, volume, key
  kAlreadyExists,       // it is there already
  kBusy,                // held by another process, or mounted
  kPermissionDenied,    // this machine refuses (needs root, file mode)
  kIo,                  // a read or write failed below us
  kNoSpace,             // the disk is full
  kTooLarge,            // a file would be larger than the disk, or a limit, lets it be
  kWriteOnce,           // the file can be written once only, and this would write over it
  kKeyDenied,           // the KMS says no: disabled, deleted, permission or trust gone
  kKeyAmbiguous,        // the KMS answered something that has to be looked at again
  kKeyUnreachable,      // outage, throttling, time-out
  kOurCredentials,      // our own identity failed: expired token, clock skew, bad signature
  kKeyData,             // wrong key, wrong context or corrupt blob: no proof of a revocation
  kKeyringCorrupt,      // the keyring is truncated, bit-flipped or not a keyring
  kKeyringRefused,      // the keyring is intact but not the one we may use (older, swapped, foreign
                        // key)
  kFileCorrupt,         // an encrypted file's header or length is wrong
  kUnsupportedVersion,  // written by a newer release
  kSealed,              // the volume has no keys in memory
  kTimeout,             // a deadline passed
  kNotSupported,        // the request is understood and not offered
  kVerifyFailed,        // verification finished and found faults
  kUnauthenticated,     // no API key, or none that is known
  kForbidden,           // the caller's roles do not allow it here
  kRateLimited,         // too many requests of this caller
  kPrecondition,        // right in itself, but not in the state that things are in
  kNotReady,            // what must do it is not there yet
};

struct ErrorCodeInfo {
  ErrorCode code;
  std::string_view name;     // stable, for --json
  int exit_code;             // stable, for scripts
  int errno_value;           // what a mount answers
  int http_status;           // what a server answers
  bool retryable;            // the same call may succeed later without anyone's action
  std::string_view meaning;  // one line, for docs/exit-codes.md
};

// Every code, in the order of their exit codes.
std::span<const ErrorCodeInfo> ErrorCodeTable();
const ErrorCodeInfo& InfoOf(ErrorCode code);
// What another process has said; kInternal where this release does not know the word.
ErrorCode CodeNamed(std::string_view name);
ErrorCode CodeOfExit(int exit_code);

class [[nodiscard]] Error {
 public:
  Error(ErrorCode code, std::string message) : code_(code), message_(std::move(message)) {}

  ErrorCode code() const { return code_; }
  const std::string& message() const { return message_; }

  // The same code with "what: " put before the message.
  Error Because(std::string_view what) const;

 private:
  ErrorCode code_;
  std::string message_;
};

// An Error from errno, with the code that fits it (ENOENT: kNotFound, ENOSPC: kNoSpace, ...).
Error ErrnoError(int errno_value, std::string_view what);

}  // namespace freehold
