#include "kms/gcp/credentials.h"

#include <boost/json.hpp>

#include "base/locked_arena.h"
#include "base/posix_file.h"
#include "fmt/format.h"
#include "kms/gcp/classify.h"
#include "kms/gcp/endpoints.h"
#include "kms/service/jwt.h"

namespace freehold::gcp {
namespace {

namespace json = boost::json;

constexpr std::size_t kLargestFile = 64 << 10;

// A token as an answer holds it, as text; wiped where it came from.
std::optional<SecretBytes> TakeToken(json::object& body, std::string_view name) {
  auto* value = body.if_contains(name);
  if (value == nullptr || !value->is_string() || value->get_string().empty()) return std::nullopt;
  json::string& text = value->get_string();
  SecretBytes token = SecretBytes::CopyOf(AsBytes({text.data(), text.size()}));
  WipeMemory(text.data(), text.size());
  return token;
}

KmsResult<json::object> ReadCredentials(const std::string& path) {
  auto bytes = ReadFile(path, kLargestFile);
  if (!bytes.ok()) {
    return BadCredentials("GOOGLE_APPLICATION_CREDENTIALS: " + bytes.error().message());
  }
  boost::system::error_code failure;
  auto value = json::parse({AsText(*bytes).data(), bytes->size()}, failure);
  WipeMemory(bytes->data(), bytes->size());
  if (failure || !value.is_object()) {
    return BadCredentials(fmt::format("{} is no JSON object", path));
  }
  return std::move(value.get_object());
}

// Only the metadata server's tokens come without a name that can be asked for.
std::string NameOf(const AccessToken& own, const Surroundings& surroundings) {
  const bool is_machines = surroundings.Variable("GOOGLE_APPLICATION_CREDENTIALS").empty();
  return own.account.empty() && is_machines ? MetadataAccount(surroundings) : own.account;
}

bool IsWorthAnotherTry(const KmsResult<JsonAnswer>& answer) {
  if (!answer.has_value()) return answer.error().kms_class == KmsClass::kUnreachable;
  return answer->status >= 500 || answer->status == 429;
}

}  // namespace

tl::unexpected<KmsFailure> BadCredentials(std::string message) {
  return tl::unexpected(
      OwnFailure(KmsMeaning::kOurCredentials, "Google credentials", std::move(message)));
}

std::string Bearer(const SecretBytes& token) {
  return fmt::format("Bearer {}", AsText(token.ExposeSecret()));
}

KmsResult<JsonAnswer> AskGoogle(std::string_view operation, const JsonRequest& request,
                                const Surroundings& surroundings) {
  for (int next = 2;; ++next) {
    auto answer = SendJson(operation, request, surroundings);
    if (!IsWorthAnotherTry(answer) || next > surroundings.timeouts.tries) return answer;
    surroundings.pause(PauseBefore(next));
  }
}

KmsResult<SecretBytes> AskTokenEndpoint(std::string_view operation, const std::string& url,
                                        const std::map<std::string, std::string>& form,
                                        const Surroundings& surroundings) {
  if (const auto allowed = CheckTokenUrl(url, surroundings); !allowed.ok()) {
    return tl::unexpected(
        OwnFailure(KmsMeaning::kOurConfiguration, operation, allowed.error().message()));
  }
  JsonRequest request;
  request.url = url;
  request.headers = {{"content-type", "application/x-www-form-urlencoded"}};
  request.body = EncodeForm(form);
  request.ca_bundle = CaBundle(surroundings);
  auto answer = AskGoogle(operation, request, surroundings);
  if (!answer.has_value()) return tl::unexpected(answer.error());
  if (!answer->ok()) return tl::unexpected(TokenFailure(operation, *answer));
  auto token = TakeToken(answer->body, "access_token");
  if (!token.has_value()) {
    return tl::unexpected(
        OwnFailure(KmsMeaning::kOurCredentials, operation, "the answer holds no token"));
  }
  return *std::move(token);
}

KmsResult<AccessToken> ServiceAccountToken(json::object file, const Surroundings& surroundings) {
  const std::string account = TextOf(file, "client_email");
  const std::string token_uri = TextOf(file, "token_uri");
  auto pem = TakeToken(file, "private_key");
  if (account.empty() || token_uri.empty() || !pem.has_value()) {
    return BadCredentials(
        "the service account's file lacks client_email, token_uri or private_key");
  }
  const auto key = RsaKey::FromPem(*pem);
  if (!key.ok()) return BadCredentials("private_key: " + key.error().message());
  const auto now =
      std::chrono::duration_cast<std::chrono::seconds>(surroundings.clock->Wall().since_epoch)
          .count();
  const auto assertion = SignJwt(*key, {{"kid", TextOf(file, "private_key_id")}},
                                 {{"iss", account},
                                  {"scope", kPlatformScope},
                                  {"aud", token_uri},
                                  {"iat", now},
                                  {"exp", now + 3600}});
  if (!assertion.ok()) return BadCredentials("private_key: " + assertion.error().message());
  auto token = AskTokenEndpoint(
      "token", token_uri,
      {{"grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"}, {"assertion", *assertion}},
      surroundings);
  if (!token.has_value()) return tl::unexpected(token.error());
  return AccessToken{std::move(*token), account};
}

KmsResult<AccessToken> Impersonate(const AccessToken& own, const std::string& url,
                                   const std::string& account, const std::string& scope,
                                   const Surroundings& surroundings) {
  JsonRequest request;
  request.url = url;
  request.headers = {{"authorization", Bearer(own.value)}, {"content-type", "application/json"}};
  request.body = json::serialize(json::object{{"scope", json::array{scope}}, {"lifetime", "900s"}});
  request.ca_bundle = CaBundle(surroundings);
  auto answer = AskGoogle("generateAccessToken", request, surroundings);
  if (!answer.has_value()) return tl::unexpected(answer.error());
  if (!answer->ok()) {
    KmsFailure failure = ImpersonationFailure(*answer);
    if (failure.meaning == KmsMeaning::kTrustWithdrawn) {
      const std::string ours = NameOf(own, surroundings);
      failure.remedy = fmt::format(
          "gcloud iam service-accounts add-iam-policy-binding {} --member serviceAccount:{} "
          "--role roles/iam.serviceAccountTokenCreator",
          account, ours.empty() ? "OUR_ACCOUNT" : ours);
    }
    return tl::unexpected(std::move(failure));
  }
  auto token = TakeToken(answer->body, "accessToken");
  if (!token.has_value()) {
    return tl::unexpected(
        OwnFailure(KmsMeaning::kNotUnderstood, "generateAccessToken", "the answer holds no token"));
  }
  return AccessToken{*std::move(token), account};
}

KmsResult<AccessToken> OwnToken(const Surroundings& surroundings) {
  const std::string path = surroundings.Variable("GOOGLE_APPLICATION_CREDENTIALS");
  if (path.empty()) return MetadataToken(surroundings);
  auto file = ReadCredentials(path);
  if (!file.has_value()) return tl::unexpected(file.error());
  const std::string type = TextOf(*file, "type");
  if (type == "service_account") return ServiceAccountToken(std::move(*file), surroundings);
  if (type == "external_account") return ExternalAccountToken(*file, surroundings);
  return BadCredentials(
      fmt::format("{} is of type '{}', and only service_account and external_account are for "
                  "machines",
                  path, FirstLine(type)));
}

namespace {

KmsResult<AccessToken> Become(const AccessToken& own, const std::string& account,
                              const std::string& scope, const Surroundings& surroundings) {
  const auto endpoint = IamCredentialsEndpoint(surroundings);
  if (!endpoint.has_value()) return tl::unexpected(endpoint.error());
  const std::string url =
      fmt::format("{}/v1/projects/-/serviceAccounts/{}:generateAccessToken", *endpoint, account);
  return Impersonate(own, url, account, scope, surroundings);
}

// What the host is, or an account of ours that is for this customer alone.
KmsResult<AccessToken> OurToken(const std::string& scope, const Surroundings& surroundings) {
  auto own = OwnToken(surroundings);
  const std::string account = surroundings.Variable("FREEHOLD_GCP_ACCOUNT");
  if (!own.has_value() || account.empty()) return own;
  auto become = Become(*own, account, scope, surroundings);
  if (become.has_value()) return become;
  KmsFailure failure = std::move(become.error());
  if (failure.kms_class != KmsClass::kUnreachable) {
    failure.meaning = KmsMeaning::kOurCredentials;
    failure.kms_class = KmsClass::kOurs;
  }
  return tl::unexpected(std::move(failure));
}

}  // namespace

KmsResult<AccessToken> GetToken(const KeyAccess& access, const Surroundings& surroundings) {
  if (access.principal.empty()) return OurToken(kKmsScope, surroundings);
  auto own = OurToken(kIamScope, surroundings);
  if (!own.has_value()) return own;
  return Become(*own, access.principal, kKmsScope, surroundings);
}

}  // namespace freehold::gcp
