// `freehold kms ...`: serve the embedded KMS, read its log, make it fail on purpose.
//
// Each Run function does one command and returns the process's exit code. An empty data directory
// means the default. Threads: main only.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace freehold::cli {

struct KmsServeOptions {
  std::string data;
  std::string listen = "127.0.0.1:4566";
  std::string tls_listen = "127.0.0.1:0";
  bool allow_remote = false;
  int ready_fd = -1;
};

struct KmsLogOptions {
  std::string data;
  bool follow = false;
  bool json = false;
  int last = -1;  // -1: all
};

struct KmsFaultOptions {
  std::string data;
  std::string operation;
  std::int64_t latency_ms = 0;
  bool throttle = false;
  bool fail = false;
  bool unreachable = false;
  bool set_clock_skew = false;
  std::int64_t clock_skew_s = 0;
  bool expire_sessions = false;
  bool clear = false;
};

struct KmsAccountOptions {
  std::string data;
  std::string account;
  std::string profile;
};

// Where a KMS keeps its things: as given, made absolute, or the default.
Result<std::string> KmsDataDirectory(const std::string& given);

int RunKmsServe(const KmsServeOptions& options);
int RunKmsLog(const KmsLogOptions& options);
int RunKmsFault(const KmsFaultOptions& options);
int RunKmsAccount(const KmsAccountOptions& options);

}  // namespace freehold::cli
