#include "kms/kmip/kmip_client.h"

#include <algorithm>

#include "base/posix_file.h"
#include "crypto/certificate.h"
#include "fmt/format.h"
#include "kms/kmip/classify.h"
#include "kms/service/secret_file.h"

namespace freehold::kmip {
namespace {

constexpr std::string_view kConnect = "Connect";

tl::unexpected<KmsFailure> Misconfigured(std::string message) {
  return tl::unexpected(
      OwnFailure(KmsMeaning::kOurConfiguration, "KMIP configuration", std::move(message)));
}

// "" when it is no server's.
std::string AuthorityOf(std::string_view server) {
  const auto first = server.find_first_not_of(' ');
  if (first == std::string_view::npos) return "";
  server = server.substr(first, server.find_last_not_of(' ') - first + 1);
  const auto uri = KeyUri::Parse(fmt::format("kmip://{}/any", server));
  return uri.ok() && uri->kmip().identifier == "any" ? uri->kmip().authority : "";
}

KmsResult<void> CheckServer(const std::string& authority, const Surroundings& surroundings) {
  const std::string servers = surroundings.Variable("FREEHOLD_KMIP_SERVERS");
  if (servers.empty()) return Misconfigured("FREEHOLD_KMIP_SERVERS is not set");
  bool allowed = false;
  for (std::string_view rest = servers; !rest.empty();) {
    const auto comma = rest.find(',');
    const std::string server = AuthorityOf(rest.substr(0, comma));
    if (server.empty()) {
      return Misconfigured("FREEHOLD_KMIP_SERVERS is not host:port, with commas between");
    }
    allowed |= server == authority;
    rest = comma == std::string_view::npos ? "" : rest.substr(comma + 1);
  }
  if (allowed) return {};
  return Misconfigured(fmt::format(
      "the key is at {}, and FREEHOLD_KMIP_SERVERS allows {} only: nothing is sent anywhere else",
      authority, Printable(servers)));
}

struct Identity {
  std::shared_ptr<const HttpClientIdentity> shown;
  std::string name;
};

KmsResult<Identity> ReadIdentity(const Surroundings& surroundings) {
  const std::string certificate_file = surroundings.Variable("FREEHOLD_KMIP_CERT_FILE");
  const std::string key_file = surroundings.Variable("FREEHOLD_KMIP_KEY_FILE");
  if (certificate_file.empty()) return Misconfigured("FREEHOLD_KMIP_CERT_FILE is not set");
  if (key_file.empty()) return Misconfigured("FREEHOLD_KMIP_KEY_FILE is not set");
  const auto certificate = ReadFile(certificate_file, 64 << 10);
  if (!certificate.ok()) return Misconfigured(certificate.error().message());
  auto key = ReadSecretFile(key_file);
  if (!key.ok()) return Misconfigured(key.error().message());
  const std::string pem(AsText(*certificate));
  const auto owner = OwnerOfPem(pem);
  if (!owner.ok()) return Misconfigured(certificate_file + " holds no certificate in PEM");
  const auto fits = IsKeyOf(*key, *owner);
  if (!fits.ok()) return Misconfigured(key_file + " holds no private key in unencrypted PEM");
  if (!*fits) {
    return Misconfigured(fmt::format("the key in {} is not that of the certificate in {}", key_file,
                                     certificate_file));
  }
  const WallTime now = surroundings.clock->Wall();
  if (now > owner->valid_until || now < owner->valid_from) {
    return tl::unexpected(
        OwnFailure(KmsMeaning::kOurCredentials, kConnect,
                   fmt::format("our certificate in {} {}", certificate_file,
                               now > owner->valid_until ? "has expired" : "is not valid yet")));
  }
  auto shown = std::make_shared<HttpClientIdentity>();
  shown->certificate_pem = pem;
  shown->key_pem = std::move(*key);
  return Identity{std::move(shown), Printable(owner->name)};
}

tl::unexpected<KmsFailure> NotUnderstood(Operation operation, const Error& error) {
  return tl::unexpected(OwnFailure(KmsMeaning::kNotUnderstood, NameOf(operation), error.message()));
}

}  // namespace

KmsResult<KmipClient> KmipClient::Connect(const KmipKeyId& key, const Surroundings& surroundings) {
  if (auto allowed = CheckServer(key.authority, surroundings); !allowed) {
    return tl::unexpected(allowed.error());
  }
  auto identity = ReadIdentity(surroundings);
  if (!identity.has_value()) return tl::unexpected(identity.error());
  TlsOptions options;
  options.connect_timeout = surroundings.timeouts.connect;
  options.total_timeout = surroundings.timeouts.request;
  options.ca_bundle = surroundings.Variable("FREEHOLD_KMIP_CA_FILE");
  if (!options.ca_bundle.empty()) {
    if (const auto read = ReadFile(options.ca_bundle); !read.ok()) {
      return Misconfigured(read.error().message());
    }
  }
  options.identity = identity->shown;
  auto connection = TlsConnection::Open(key.authority, options);
  if (!connection.has_value()) {
    return tl::unexpected(ConnectionFailure(kConnect, connection.error(), false));
  }
  return KmipClient(std::move(*connection), std::move(identity->name));
}

KmsResult<SecretBytes> KmipClient::Exchange(Operation operation, ByteView request) {
  const auto failed = [operation](const HttpFailure& failure) {
    return tl::unexpected(ConnectionFailure(NameOf(operation), failure, true));
  };
  if (auto sent = connection_.Send(request); !sent) return failed(sent.error());
  Bytes header(kItemHeader);
  if (auto received = connection_.Receive(header); !received) return failed(received.error());
  const auto length = ReadStructureLength(header, Tag::kResponseMessage);
  if (!length.ok()) return NotUnderstood(operation, length.error());
  if (*length > kLongestAnswer) {
    return failed({HttpFailureKind::kTooLarge, "the answer is too large"});
  }
  SecretBytes answer(kItemHeader + *length);
  const MutableByteView bytes = answer.ExposeSecretForWriting();
  std::copy(header.begin(), header.end(), bytes.begin());
  if (auto received = connection_.Receive(bytes.subspan(kItemHeader)); !received) {
    return failed(received.error());
  }
  return answer;
}

KmsResult<Answer> KmipClient::Ask(ProtocolVersion version, Operation operation,
                                  const Writer& payload) {
  Writer request = EncodeRequest(version, operation, payload);
  auto bytes = Exchange(operation, request.bytes());
  request.Wipe();
  if (!bytes.has_value()) return tl::unexpected(bytes.error());
  auto answer = DecodeAnswer(std::move(*bytes), operation);
  if (!answer.ok()) return NotUnderstood(operation, answer.error());
  return std::move(*answer);
}

KmsResult<Answer> KmipClient::Do(ProtocolVersion version, Operation operation,
                                 const Writer& payload) {
  auto answer = Ask(version, operation, payload);
  if (answer.has_value() && !answer->ok()) {
    return tl::unexpected(AnswerFailure(operation, *answer));
  }
  return answer;
}

KmsResult<ProtocolVersion> KmipClient::NewestVersion() {
  const auto answer = Do(kLeastVersion, Operation::kDiscoverVersions, {});
  if (!answer.has_value()) return tl::unexpected(answer.error());
  ProtocolVersion newest;
  for (const Item& item : answer->payload.items) {
    if (!item.Is(Tag::kProtocolVersion, Type::kStructure)) continue;
    const Item* major = item.Find(Tag::kProtocolVersionMajor, Type::kInteger);
    const Item* minor = item.Find(Tag::kProtocolVersionMinor, Type::kInteger);
    if (major == nullptr || minor == nullptr || major->Number() != 1 || minor->Number() > 100) {
      continue;
    }
    const ProtocolVersion version = {1, static_cast<int>(minor->Number())};
    if (version <= kAeadVersion) newest = std::max(newest, version);
  }
  if (newest < kLeastVersion) {
    return tl::unexpected(OwnFailure(KmsMeaning::kWrongUsage, NameOf(Operation::kDiscoverVersions),
                                     "the server speaks none of KMIP 1.2 to 1.4"));
  }
  return newest;
}

}  // namespace freehold::kmip
