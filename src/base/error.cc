#include "base/error.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "fmt/format.h"

namespace freehold {
namespace {

constexpr std::array kTable = {
    ErrorCodeInfo{ErrorCode::kInternal, "internal", 1, EIO, 500, false,
                  "something inside Freehold failed; please report it"},
    ErrorCodeInfo{ErrorCode::kInvalidArgument, "invalid_argument", 2, EINVAL, 400, false,
                  "a word of the command or the configuration is wrong"},
    ErrorCodeInfo{ErrorCode::kNotFound, "not_found", 3, ENOENT, 404, false,
                  "the file, volume or profile does not exist"},
    ErrorCodeInfo{ErrorCode::kAlreadyExists, "already_exists", 4, EEXIST, 409, false,
                  "the thing to create is there already"},
    ErrorCodeInfo{ErrorCode::kBusy, "busy", 5, EBUSY, 409, true,
                  "another process holds the volume, or the mount point is in use"},
    ErrorCodeInfo{ErrorCode::kPermissionDenied, "permission_denied", 6, EACCES, 403, false,
                  "this machine refuses: root is needed, or a file's mode forbids it"},
    ErrorCodeInfo{ErrorCode::kIo, "io", 7, EIO, 500, false, "a read or a write failed"},
    ErrorCodeInfo{ErrorCode::kNoSpace, "no_space", 8, ENOSPC, 503, true, "the disk is full"},
    ErrorCodeInfo{ErrorCode::kTooLarge, "too_large", 9, EFBIG, 413, false,
                  "a file would be larger than the disk below, or a limit, lets it be"},
    ErrorCodeInfo{ErrorCode::kKeyDenied, "key_denied", 10, EKEYREVOKED, 403, false,
                  "the KMS refuses the key: disabled, deleted, or permission or trust removed"},
    ErrorCodeInfo{ErrorCode::kKeyAmbiguous, "key_ambiguous", 11, EIO, 502, true,
                  "the KMS gave an answer that proves neither use nor refusal"},
    ErrorCodeInfo{ErrorCode::kKeyUnreachable, "key_unreachable", 12, EIO, 503, true,
                  "the KMS cannot be reached, is throttling or is failing"},
    ErrorCodeInfo{ErrorCode::kOurCredentials, "our_credentials", 13, EIO, 502, true,
                  "our own credentials for the KMS are missing, expired or refused"},
    ErrorCodeInfo{ErrorCode::kKeyData, "key_data", 14, EIO, 422, false,
                  "the KMS works but the data does not fit: wrong key, context or corrupt blob"},
    ErrorCodeInfo{ErrorCode::kKeyringCorrupt, "keyring_corrupt", 20, EIO, 500, false,
                  "the keyring is missing, truncated or damaged"},
    ErrorCodeInfo{ErrorCode::kKeyringRefused, "keyring_refused", 21, EACCES, 409, false,
                  "the keyring is intact but not allowed here: older, swapped, or a foreign key"},
    ErrorCodeInfo{ErrorCode::kFileCorrupt, "file_corrupt", 22, EIO, 500, false,
                  "an encrypted file's header or length is wrong"},
    ErrorCodeInfo{ErrorCode::kUnsupportedVersion, "unsupported_version", 23, ENOTSUP, 501, false,
                  "written by a newer release of Freehold"},
    ErrorCodeInfo{ErrorCode::kSealed, "sealed", 24, EIO, 423, true,
                  "the volume is sealed: no keys are in memory"},
    ErrorCodeInfo{ErrorCode::kTimeout, "timeout", 25, ETIMEDOUT, 504, true, "a deadline passed"},
    ErrorCodeInfo{ErrorCode::kNotSupported, "not_supported", 26, EOPNOTSUPP, 501, false,
                  "understood, and not offered"},
    ErrorCodeInfo{ErrorCode::kWriteOnce, "write_once", 27, EPERM, 409, false,
                  "the file is written once only, and this would write over what is there"},
    ErrorCodeInfo{ErrorCode::kVerifyFailed, "verify_failed", 30, EIO, 422, false,
                  "verification ran to its end and found faults"},
    ErrorCodeInfo{ErrorCode::kUnauthenticated, "unauthenticated", 31, EACCES, 401, false,
                  "the control plane knows no such API key"},
    ErrorCodeInfo{ErrorCode::kForbidden, "forbidden", 32, EACCES, 403, false,
                  "the caller's roles do not allow this here"},
    ErrorCodeInfo{ErrorCode::kRateLimited, "rate_limited", 33, EAGAIN, 429, true,
                  "too many requests; the answer says when to try again"},
    ErrorCodeInfo{ErrorCode::kPrecondition, "failed_precondition", 34, EINVAL, 400, false,
                  "right in itself, but not in the state that things are in"},
    ErrorCodeInfo{ErrorCode::kNotReady, "not_ready", 35, EAGAIN, 503, true,
                  "the nodes that must do it are not ready yet"},
};

ErrorCode CodeOfErrno(int errno_value) {
  switch (errno_value) {
    case ENOENT:
    case ENOTDIR:
      return ErrorCode::kNotFound;
    case EEXIST:
    case ENOTEMPTY:
      return ErrorCode::kAlreadyExists;
    case EBUSY:
    case EAGAIN:
    case ETXTBSY:
      return ErrorCode::kBusy;
    case EACCES:
    case EPERM:
    case EROFS:
      return ErrorCode::kPermissionDenied;
    case ENOSPC:
    case EDQUOT:
      return ErrorCode::kNoSpace;
    case EFBIG:
      return ErrorCode::kTooLarge;
    case EINVAL:
    case ENAMETOOLONG:
    case EISDIR:
      return ErrorCode::kInvalidArgument;
    case ETIMEDOUT:
      return ErrorCode::kTimeout;
    case EOPNOTSUPP:
      return ErrorCode::kNotSupported;
    default:
      return ErrorCode::kIo;
  }
}

}  // namespace

std::span<const ErrorCodeInfo> ErrorCodeTable() { return kTable; }

ErrorCode CodeNamed(std::string_view name) {
  const auto found = std::ranges::find(kTable, name, &ErrorCodeInfo::name);
  return found == kTable.end() ? ErrorCode::kInternal : found->code;
}

ErrorCode CodeOfExit(int exit_code) {
  const auto found = std::ranges::find(kTable, exit_code, &ErrorCodeInfo::exit_code);
  return found == kTable.end() ? ErrorCode::kInternal : found->code;
}

const ErrorCodeInfo& InfoOf(ErrorCode code) {
  for (const ErrorCodeInfo& info : kTable) {
    if (info.code == code) return info;
  }
  return kTable.front();
}

Error Error::Because(std::string_view what) const {
  return Error(code_, fmt::format("{}: {}", what, message_));
}

Error ErrnoError(int errno_value, std::string_view what) {
  return Error(CodeOfErrno(errno_value), fmt::format("{}: {}", what, std::strerror(errno_value)));
}

}  // namespace freehold
