#include "agent/enrolment.h"

#include <unistd.h>

#include <boost/json.hpp>

#include "api/archive.h"
#include "base/crash_point.h"
#include "base/posix_file.h"
#include "crypto/certificate.h"
#include "fmt/format.h"

namespace freehold::agent {
namespace {

constexpr std::string_view kPrefix = "fhj_";
// A server that starts again has the handshakes and reports of all agents to do at once, and each
// that is given up is one more.
constexpr Duration kAnswerTime = std::chrono::seconds(30);

struct IdentityFile {
  std::string node;
  std::string server;
  std::string authority;
  std::string certificate;
};

template <typename Archive>
void Fields(Archive& archive, IdentityFile& file) {
  archive("node", file.node);
  archive("server", file.server);
  archive("authority", file.authority);
  archive("certificate", file.certificate);
}

std::string IdentityPath(const std::string& directory) { return directory + "/identity"; }
std::string KeyPath(const std::string& directory) { return directory + "/key.pem"; }
std::string NextKeyPath(const std::string& directory) { return directory + "/key.pem.next"; }
std::string RequestPath(const std::string& directory) { return directory + "/request"; }

Result<SecretBytes> ReadSecret(const std::string& path) {
  Bytes bytes = TRY(ReadRegularFile(path));
  SecretBytes secret = SecretBytes::CopyOf(bytes);
  explicit_bzero(bytes.data(), bytes.size());
  return secret;
}

// The request of a key that is on the disk before anybody is shown it; the same one every time.
Result<Bytes> RequestFor(const std::string& directory, const std::string& key_path) {
  auto present = ReadRegularFile(RequestPath(directory));
  if (present.ok()) return present;
  CertificateRequest made = TRY(MakeCertificateRequest("freehold node"));
  TRY(ReplaceFile(key_path, made.key_pem.ExposeSecret(), 0600));
  CrashPoint("certificate.key-kept");
  TRY(ReplaceFile(RequestPath(directory), made.request, 0600));
  CrashPoint("certificate.request-kept");
  return made.request;
}

struct Certified {
  std::string node;
  std::string certificate;
};

Result<Certified> ReadCertified(const std::string& text) {
  boost::system::error_code failure;
  const auto value = boost::json::parse(text, failure);
  const auto* object = failure ? nullptr : value.if_object();
  const auto text_at = [&](const char* name) -> std::string {
    const auto* found = object == nullptr ? nullptr : object->if_contains(name);
    return found != nullptr && found->is_string() ? std::string(found->as_string()) : "";
  };
  Certified certified{text_at("node"), text_at("certificate")};
  if (certified.node.empty() || certified.certificate.empty()) {
    return Error(ErrorCode::kIo, "the server's answer to a join is not understood");
  }
  return certified;
}

Status Keep(const std::string& directory, const IdentityFile& file) {
  CrashPoint("certificate.answered");
  TRY(ReplaceFile(IdentityPath(directory), AsBytes(api::EncodeBody(file)), 0600));
  CrashPoint("certificate.kept");
  if (unlink(RequestPath(directory).c_str()) != 0 && errno != ENOENT) {
    return ErrnoError(errno, RequestPath(directory));
  }
  return {};
}

}  // namespace

template <typename Archive>
void Fields(Archive& archive, JoinTokenText& token) {
  archive("server", token.server);
  archive("authority", token.authority_pem);
  archive("id", token.id);
  archive("secret", token.secret);
}

std::string FormatJoinToken(const JoinTokenText& token) {
  return std::string(kPrefix) + Base64UrlEncode(AsBytes(api::EncodeBody(token)));
}

Result<JoinTokenText> ParseJoinToken(std::string_view text) {
  const Error bad(ErrorCode::kInvalidArgument, "this is no join token: it begins with 'fhj_'");
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  if (!text.starts_with(kPrefix)) return bad;
  const auto bytes = Base64UrlDecode(text.substr(kPrefix.size()));
  if (!bytes.ok()) return bad;
  auto token = api::DecodeBody<JoinTokenText>(AsText(*bytes), "a join token");
  if (!token.ok() || token->server.empty() || token->secret.empty()) return bad;
  return token;
}

Result<std::string> Ask(const std::string& server, const HttpOptions& options,
                        const std::string& path, std::string body) {
  HttpRequest request;
  request.method = "POST";
  request.target = "/agent/v1/" + path;
  request.headers = {{"content-type", "application/json"}};
  request.body = std::move(body);
  auto answer = SendHttp(server, request, options);
  if (!answer) {
    return Error(ErrorCode::kNotReady, "the control plane: " + answer.error().message);
  }
  if (answer->status == 200) return std::move(answer->body);
  boost::system::error_code failure;
  const auto value = boost::json::parse(answer->body, failure);
  const auto* object = failure ? nullptr : value.if_object();
  const auto* message = object == nullptr ? nullptr : object->if_contains("message");
  const std::string words = message != nullptr && message->is_string()
                                ? std::string(message->as_string())
                                : fmt::format("HTTP status {}", answer->status);
  return Error(answer->status == 401  ? ErrorCode::kUnauthenticated
               : answer->status < 500 ? ErrorCode::kInvalidArgument
                                      : ErrorCode::kNotReady,
               "the control plane: " + Printable(words));
}

Result<Identity> LoadIdentity(const std::string& directory) {
  const Bytes bytes = TRY(ReadRegularFile(IdentityPath(directory)));
  const auto file = TRY(api::DecodeBody<IdentityFile>(AsText(bytes), IdentityPath(directory)));
  const CertificateOwner owner = TRY(OwnerOfPem(file.certificate));
  // A renewal that was cut off between two files: the key that fits the certificate is the next.
  SecretBytes key = TRY(ReadSecret(KeyPath(directory)));
  if (!TRY(IsKeyOf(key, owner))) {
    key = TRY(ReadSecret(NextKeyPath(directory)));
    TRY(ReplaceFile(KeyPath(directory), key.ExposeSecret(), 0600));
  }
  Identity identity;
  identity.node = file.node;
  identity.server = file.server;
  identity.http.connect_timeout = kAnswerTime;
  identity.http.total_timeout = kAnswerTime;
  identity.http.authority_pem = file.authority;
  identity.http.identity = std::make_shared<const HttpClientIdentity>(
      HttpClientIdentity{file.certificate, std::move(key)});
  const Duration life = owner.valid_until.since_epoch - owner.valid_from.since_epoch;
  identity.renew_at = WallTime{owner.valid_from.since_epoch + life / 2};
  return identity;
}

Result<Identity> Join(const std::string& directory, const JoinTokenText& token) {
  TRY(MakeDirectories(directory, 0700));
  const Bytes request = TRY(RequestFor(directory, KeyPath(directory)));
  HttpOptions options;
  options.total_timeout = kAnswerTime;
  options.authority_pem = token.authority_pem;
  const boost::json::object body = {
      {"token", token.id}, {"secret", token.secret}, {"request", Base64Encode(request)}};
  const Certified joined =
      TRY(ReadCertified(TRY(Ask(token.server, options, "join", boost::json::serialize(body)))));
  TRY(Keep(directory, {joined.node, token.server, token.authority_pem, joined.certificate}));
  return LoadIdentity(directory);
}

Result<Identity> Renew(const std::string& directory, const Identity& present) {
  const Bytes request = TRY(RequestFor(directory, NextKeyPath(directory)));
  const boost::json::object body = {{"request", Base64Encode(request)}};
  const Certified renewed = TRY(
      ReadCertified(TRY(Ask(present.server, present.http, "renew", boost::json::serialize(body)))));
  TRY(Keep(directory,
           {renewed.node, present.server, present.http.authority_pem, renewed.certificate}));
  return LoadIdentity(directory);
}

}  // namespace freehold::agent
