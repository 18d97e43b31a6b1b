#include "kms/helper_protocol.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace freehold {
namespace {

constexpr std::array<std::uint8_t, 4> kMagic = {'F', 'H', 'K', '1'};
constexpr std::size_t kHeaderSize = 12;
constexpr std::size_t kMaxBody = 256 << 10;
constexpr std::size_t kMaxSecret = 4096;

enum Kind : std::uint8_t { kRequest = 1, kAnswer = 2 };

Error Malformed(std::string_view why) {
  return Error(ErrorCode::kInvalidArgument, "KMS helper message: " + std::string(why));
}

void PutU32(std::uint8_t* to, std::size_t value) {
  for (int i = 0; i < 4; ++i) to[i] = static_cast<std::uint8_t>(value >> (8 * i));
}
std::size_t GetU32(const std::uint8_t* from) {
  std::size_t value = 0;
  for (int i = 0; i < 4; ++i) value |= static_cast<std::size_t>(from[i]) << (8 * i);
  return value;
}

class Writer {
 public:
  void Byte(std::uint8_t value) { out_.push_back(value); }
  void Number(std::size_t value) {
    std::uint8_t bytes[4];
    PutU32(bytes, value);
    out_.insert(out_.end(), bytes, bytes + 4);
  }
  void Octets(ByteView bytes) {
    Number(bytes.size());
    out_.insert(out_.end(), bytes.begin(), bytes.end());
  }
  void Text(std::string_view text) { Octets(AsBytes(text)); }
  Bytes Take() { return std::move(out_); }

 private:
  Bytes out_;
};

// Reads past the end give zeros and are remembered; the caller looks once, at the end.
class Reader {
 public:
  explicit Reader(ByteView in) : in_(in) {}
  std::uint8_t Byte() {
    const ByteView one = Take(1);
    return one.empty() ? 0 : one[0];
  }
  std::size_t Number() {
    const ByteView four = Take(4);
    return four.empty() ? 0 : GetU32(four.data());
  }
  Bytes Octets() { return ToBytes(Take(Number())); }
  std::string Text() { return std::string(AsText(Take(Number()))); }
  bool failed() const { return failed_; }
  bool whole() const { return !failed_ && in_.empty(); }

 private:
  ByteView Take(std::size_t size) {
    if (failed_ || size > in_.size()) {
      failed_ = true;
      return {};
    }
    const ByteView taken = in_.first(size);
    in_ = in_.subspan(size);
    return taken;
  }

  ByteView in_;
  bool failed_ = false;
};

void PutWrapped(Writer& out, const WrappedKey& wrapped) {
  out.Octets(wrapped.ciphertext);
  out.Text(wrapped.key_version);
  out.Text(wrapped.algorithm);
}
WrappedKey GetWrapped(Reader& in) {
  WrappedKey wrapped;
  wrapped.ciphertext = in.Octets();
  wrapped.key_version = in.Text();
  wrapped.algorithm = in.Text();
  return wrapped;
}

void PutFailure(Writer& out, const KmsFailure& failure) {
  out.Text(NameOf(failure.kms_class));
  out.Text(InfoOf(failure.meaning).name);
  for (const std::string* text : {&failure.code, &failure.message, &failure.operation,
                                  &failure.request_id, &failure.remedy}) {
    out.Text(*text);
  }
}
Result<KmsFailure> GetFailure(Reader& in) {
  KmsFailure failure;
  failure.kms_class = TRY(KmsClassFromName(in.Text()));
  failure.meaning = TRY(KmsMeaningFromName(in.Text()));
  for (std::string* text : {&failure.code, &failure.message, &failure.operation,
                            &failure.request_id, &failure.remedy}) {
    *text = in.Text();
  }
  return failure;
}

// 0: unset, 1: off, 2: on.
std::uint8_t ByteOf(std::optional<bool> value) { return value ? (*value ? 2 : 1) : 0; }

Status WaitFor(int fd, short events, const Clock& clock, BootTime deadline) {
  for (;;) {
    const Duration left = deadline - clock.Boot();
    if (left <= Duration::zero()) return Error(ErrorCode::kTimeout, "the KMS helper took too long");
    // Rounded up: polling for zero would spin through the last millisecond.
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
    pollfd waiting{fd, events, 0};
    const int ready = poll(&waiting, 1, static_cast<int>(std::min<std::int64_t>(ms, 60'000)));
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return ErrnoError(errno, "poll");
  }
}

Status SendAll(int fd, ByteView bytes, const Clock& clock, BootTime deadline) {
  while (!bytes.empty()) {
    TRY(WaitFor(fd, POLLOUT, clock, deadline));
    ssize_t n = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno == ENOTSOCK) n = write(fd, bytes.data(), bytes.size());
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n < 0) return ErrnoError(errno, "write to the KMS helper");
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return {};
}

Status ReceiveAll(int fd, MutableByteView into, const Clock& clock, BootTime deadline) {
  while (!into.empty()) {
    TRY(WaitFor(fd, POLLIN, clock, deadline));
    const ssize_t n = read(fd, into.data(), into.size());
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n < 0) return ErrnoError(errno, "read from the KMS helper");
    if (n == 0) return Error(ErrorCode::kIo, "the KMS helper ended without a whole answer");
    into = into.subspan(static_cast<std::size_t>(n));
  }
  return {};
}

}  // namespace

HelperFrame EncodeRequest(const HelperRequest& request) {
  Writer out;
  out.Byte(kRequest);
  out.Byte(static_cast<std::uint8_t>(request.operation));
  out.Text(request.access.uri.text());
  out.Text(request.access.principal);
  out.Text(request.access.external_id);
  out.Number(request.context.size());
  for (const auto& [name, value] : request.context) {
    out.Text(name);
    out.Text(value);
  }
  PutWrapped(out, request.wrapped);
  return {out.Take(), request.plaintext.Clone()};
}

Result<HelperRequest> DecodeRequest(HelperFrame frame) {
  Reader in(frame.body);
  if (in.Byte() != kRequest) return Malformed("is no request");
  HelperRequest request;
  const std::uint8_t operation = in.Byte();
  if (operation < 1 || operation > static_cast<std::uint8_t>(HelperOperation::kProbe)) {
    return Malformed("asks for no known operation");
  }
  request.operation = static_cast<HelperOperation>(operation);
  request.access.uri = TRY(KeyUri::Parse(in.Text()));
  request.access.principal = in.Text();
  request.access.external_id = in.Text();
  for (std::size_t left = in.Number(); left > 0 && !in.failed(); --left) {
    std::string name = in.Text();
    request.context[std::move(name)] = in.Text();
  }
  request.wrapped = GetWrapped(in);
  if (!in.whole()) return Malformed("does not end where it should");
  request.plaintext = std::move(frame.secret);
  return request;
}

HelperFrame EncodeAnswer(const HelperAnswer& answer) {
  Writer out;
  out.Byte(kAnswer);
  out.Byte(answer.failure.has_value() ? 1 : 0);
  if (answer.failure.has_value()) {
    PutFailure(out, *answer.failure);
    return {out.Take(), {}};
  }
  PutWrapped(out, answer.wrapped);
  out.Text(answer.facts.state);
  out.Text(answer.facts.key_version);
  out.Byte(ByteOf(answer.facts.rotation_enabled));
  out.Text(answer.facts.rotation_detail);
  out.Byte(answer.facts.enabled ? 1 : 0);
  out.Text(answer.facts.deletion_at);
  for (const auto* texts : {&answer.facts.warnings, &answer.facts.refused}) {
    out.Number(texts->size());
    for (const std::string& text : *texts) out.Text(text);
  }
  out.Text(answer.identity);
  return {out.Take(), answer.plaintext.Clone()};
}

Result<HelperAnswer> DecodeAnswer(HelperFrame frame) {
  Reader in(frame.body);
  if (in.Byte() != kAnswer) return Malformed("is no answer");
  HelperAnswer answer;
  const std::uint8_t outcome = in.Byte();
  if (outcome > 1) return Malformed("has an unknown outcome");
  if (outcome == 1) {
    answer.failure = TRY(GetFailure(in));
  } else {
    answer.wrapped = GetWrapped(in);
    answer.facts.state = in.Text();
    answer.facts.key_version = in.Text();
    const std::uint8_t rotation = in.Byte();
    if (rotation > 2) return Malformed("has an unknown rotation status");
    if (rotation > 0) answer.facts.rotation_enabled = rotation == 2;
    answer.facts.rotation_detail = in.Text();
    answer.facts.enabled = in.Byte() != 0;
    answer.facts.deletion_at = in.Text();
    for (auto* texts : {&answer.facts.warnings, &answer.facts.refused}) {
      for (std::size_t left = in.Number(); left > 0 && !in.failed(); --left) {
        texts->push_back(in.Text());
      }
    }
    answer.identity = in.Text();
  }
  if (!in.whole()) return Malformed("does not end where it should");
  answer.plaintext = std::move(frame.secret);
  return answer;
}

Status SendFrame(int fd, const HelperFrame& frame, const Clock& clock, BootTime deadline) {
  std::array<std::uint8_t, kHeaderSize> header{};
  std::copy(kMagic.begin(), kMagic.end(), header.begin());
  PutU32(header.data() + 4, frame.body.size());
  PutU32(header.data() + 8, frame.secret.size());
  TRY(SendAll(fd, header, clock, deadline));
  TRY(SendAll(fd, frame.body, clock, deadline));
  return SendAll(fd, frame.secret.ExposeSecret(), clock, deadline);
}

Result<HelperFrame> ReceiveFrame(int fd, const Clock& clock, BootTime deadline) {
  std::array<std::uint8_t, kHeaderSize> header{};
  TRY(ReceiveAll(fd, header, clock, deadline));
  if (!std::equal(kMagic.begin(), kMagic.end(), header.begin())) return Malformed("is garbage");
  const std::size_t body_size = GetU32(header.data() + 4);
  const std::size_t secret_size = GetU32(header.data() + 8);
  if (body_size > kMaxBody || secret_size > kMaxSecret) return Malformed("is too large");
  HelperFrame frame;
  frame.body.resize(body_size);
  TRY(ReceiveAll(fd, frame.body, clock, deadline));
  if (secret_size > 0) frame.secret = SecretBytes(secret_size);
  TRY(ReceiveAll(fd, frame.secret.ExposeSecretForWriting(), clock, deadline));
  return frame;
}

}  // namespace freehold
