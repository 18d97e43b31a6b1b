#include "kms/helper_key_provider.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "base/posix_file.h"
#include "crypto/crypto.h"
#include "fmt/format.h"

namespace freehold {
namespace {

constexpr Duration kInterruptPoll = std::chrono::milliseconds(50);

tl::unexpected<KmsFailure> Failed(KmsClass kms_class, const HelperRequest& request,
                                  std::string message) {
  static constexpr const char* kNames[] = {"", "Wrap", "Unwrap", "Describe", "Identify"};
  KmsFailure failure;
  failure.kms_class = kms_class;
  failure.operation = kNames[static_cast<int>(request.operation)];
  failure.message = std::move(message);
  return tl::unexpected(std::move(failure));
}

// A helper that is gone, dead and reaped, when this goes.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid) {}
  ~Child() {
    // After its answer it has nothing left to do; without one it must not go on.
    kill(pid_, SIGKILL);
    while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

 private:
  pid_t pid_;
};

// posix_spawn's two objects, freed on every path.
class SpawnSettings {
 public:
  // The child gets `fd` as standard input and output, our standard error, and nothing else; its
  // signals are as in a fresh process, whatever this one blocks or ignores.
  explicit SpawnSettings(int fd) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawn_file_actions_adddup2(&actions_, fd, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions_, fd, STDOUT_FILENO);
    posix_spawn_file_actions_addclosefrom_np(&actions_, STDERR_FILENO + 1);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_init(&attributes_);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  ~SpawnSettings() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;

  const posix_spawn_file_actions_t* actions() const { return &actions_; }
  const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

struct Pair {
  UniqueFd ours;
  UniqueFd theirs;
};

Result<Pair> NewPair() {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) {
    return ErrnoError(errno, "socketpair");
  }
  Pair pair{UniqueFd(fds[0]), UniqueFd(fds[1])};
  // Above the standard three: dup2 onto them in the child must not hit its own source.
  const int high = fcntl(pair.theirs.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  if (high < 0) return ErrnoError(errno, "fcntl");
  pair.theirs = UniqueFd(high);
  return pair;
}

Result<pid_t> Spawn(const HelperOptions& options, int fd) {
  std::vector<std::string> words = {"freehold"};
  words.insert(words.end(), options.arguments.begin(), options.arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const SpawnSettings settings(fd);
  pid_t pid = -1;
  const int failure = posix_spawn(&pid, options.executable.c_str(), settings.actions(),
                                  settings.attributes(), argv.data(), environ);
  if (failure != 0) return ErrnoError(failure, "start of " + options.executable);
  return pid;
}

// Until the helper says something (or ends), the deadline passes, or somebody interrupts.
Status WaitForAnswer(int fd, const HelperOptions& options, BootTime deadline) {
  while (options.clock->Boot() < deadline) {
    if (options.interrupted != nullptr && *options.interrupted) {
      return Error(ErrorCode::kBusy, "interrupted by an order to seal");
    }
    const Duration left = std::min<Duration>(deadline - options.clock->Boot(), kInterruptPoll);
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
    pollfd waiting{fd, POLLIN, 0};
    const int ready = poll(&waiting, 1, static_cast<int>(ms));
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return ErrnoError(errno, "poll");
  }
  return {};  // what is read next says that it took too long
}

}  // namespace

HelperKeyProvider::HelperKeyProvider(KeyAccess access, HelperOptions options)
    : access_(std::move(access)), options_(std::move(options)) {}

KmsResult<WrappedKey> HelperKeyProvider::Wrap(const SecretBytes& plaintext,
                                              const EncryptionContext& context) {
  auto answer = Ask({HelperOperation::kWrap, {}, context, {}, plaintext.Clone()});
  if (!answer.has_value()) return tl::unexpected(std::move(answer.error()));
  return std::move(answer->wrapped);
}

KmsResult<SecretBytes> HelperKeyProvider::Unwrap(const WrappedKey& wrapped,
                                                 const EncryptionContext& context) {
  auto answer = Ask({HelperOperation::kUnwrap, {}, context, wrapped, {}});
  if (!answer.has_value()) return tl::unexpected(std::move(answer.error()));
  return std::move(answer->plaintext);
}

KmsResult<KeyFacts> HelperKeyProvider::Describe() {
  auto answer = Ask({HelperOperation::kDescribe, {}, {}, {}, {}});
  if (!answer.has_value()) return tl::unexpected(std::move(answer.error()));
  return std::move(answer->facts);
}

KmsResult<std::string> HelperKeyProvider::Identify() {
  auto answer = Ask({HelperOperation::kIdentify, {}, {}, {}, {}});
  if (!answer.has_value()) return tl::unexpected(std::move(answer.error()));
  return std::move(answer->identity);
}

KmsResult<HelperAnswer> HelperKeyProvider::Ask(HelperRequest request) {
  request.access = access_;
  const BootTime deadline = options_.clock->Boot() + options_.deadline;
  auto pair = NewPair();
  if (!pair.ok()) return Failed(KmsClass::kAmbiguous, request, pair.error().message());
  auto pid = Spawn(options_, pair->theirs.get());
  if (!pid.ok()) return Failed(KmsClass::kAmbiguous, request, pid.error().message());
  const Child child(*pid);
  pair->theirs.Reset();

  const auto failed = [&](const Error& error) {
    const bool slow = error.code() == ErrorCode::kTimeout;
    return Failed(slow ? KmsClass::kUnreachable : KmsClass::kAmbiguous, request, error.message());
  };
  const auto sent = SendFrame(pair->ours.get(), EncodeRequest(request), *options_.clock, deadline);
  if (!sent.ok()) return failed(sent.error());
  const auto waited = WaitForAnswer(pair->ours.get(), options_, deadline);
  if (!waited.ok()) return failed(waited.error());
  auto frame = ReceiveFrame(pair->ours.get(), *options_.clock, deadline);
  if (!frame.ok()) return failed(frame.error());
  auto answer = DecodeAnswer(std::move(*frame));
  if (!answer.ok()) return failed(answer.error());
  if (answer->failure.has_value()) return tl::unexpected(std::move(*answer->failure));

  const bool unwraps = request.operation == HelperOperation::kUnwrap;
  if (answer->plaintext.size() != (unwraps ? kKeySize : 0)) {
    return Failed(KmsClass::kAmbiguous, request, "the KMS helper sent a secret of a wrong size");
  }
  if (request.operation == HelperOperation::kWrap && answer->wrapped.ciphertext.empty()) {
    return Failed(KmsClass::kAmbiguous, request, "the KMS helper sent no wrapped key");
  }
  return std::move(*answer);
}

}  // namespace freehold
