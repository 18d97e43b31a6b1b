#include "kms/aws/aws_key_provider.h"

#include "crypto/crypto.h"
#include "fmt/format.h"
#include "kms/aws/aws_config.h"
#include "kms/aws/credentials.h"
#include "kms/aws/sts.h"

namespace freehold::aws {
namespace {

KmsFailure OurConfiguration(const Error& error) {
  return OwnFailure(KmsMeaning::kOurConfiguration, "AWS configuration", error.message());
}

}  // namespace

AwsKeyProvider::AwsKeyProvider(KeyAccess access, Surroundings surroundings)
    : access_(std::move(access)), surroundings_(std::move(surroundings)) {}

KmsResult<WrappedKey> AwsKeyProvider::Wrap(const SecretBytes& plaintext,
                                           const EncryptionContext& context) {
  return WithSession<WrappedKey>([&](AwsKmsClient& kms) -> KmsResult<WrappedKey> {
    auto wrapped = kms.Encrypt(plaintext, context);
    if (!wrapped.has_value() || !wrapped->key_version.empty()) return wrapped;
    // Encrypt does not say which key material it used; the key's description does. Not knowing
    // costs a notice of the next rotation and nothing else, so a refusal here is no failure.
    if (auto metadata = kms.DescribeKey(); metadata.has_value()) {
      wrapped->key_version = metadata->current_key_material;
    }
    return wrapped;
  });
}

KmsResult<SecretBytes> AwsKeyProvider::Unwrap(const WrappedKey& wrapped,
                                              const EncryptionContext& context) {
  return WithSession<SecretBytes>([&](AwsKmsClient& kms) -> KmsResult<SecretBytes> {
    auto decrypted = kms.Decrypt(wrapped, context);
    if (!decrypted.has_value()) return tl::unexpected(decrypted.error());
    if (decrypted->plaintext.size() != kKeySize) {
      return tl::unexpected(OwnFailure(KmsMeaning::kWrongCiphertext, "Decrypt",
                                       fmt::format("the plaintext has {} bytes instead of {}",
                                                   decrypted->plaintext.size(), kKeySize)));
    }
    return std::move(decrypted->plaintext);
  });
}

KmsResult<KeyFacts> AwsKeyProvider::Describe() {
  return WithSession<KeyFacts>([&](AwsKmsClient& kms) -> KmsResult<KeyFacts> {
    auto metadata = kms.DescribeKey();
    if (!metadata.has_value()) return tl::unexpected(metadata.error());
    KeyFacts facts;
    facts.state = metadata->key_state;
    facts.enabled = metadata->key_state == "Enabled";
    facts.deletion_at = metadata->deletion_date;
    facts.key_version = metadata->current_key_material;
    if (auto rotation = kms.GetKeyRotationStatus(); rotation.has_value()) {
      facts.rotation_enabled = *rotation;
    } else {
      const KmsFailure failure = WithRemedy(rotation.error());
      facts.rotation_detail = failure.Sentence();
      if (!failure.remedy.empty()) facts.rotation_detail += "; " + failure.remedy;
      if (failure.meaning == KmsMeaning::kPermissionMissing) {
        facts.refused.push_back(failure.operation);
      }
    }
    return facts;
  });
}

KmsResult<std::string> AwsKeyProvider::Identify() {
  auto arn = JudgedWithFreshCredentials<std::string>([this] { return IdentifyOnce(); });
  if (!arn.has_value()) return tl::unexpected(WithRemedy(arn.error()));
  return arn;
}

KmsResult<std::string> AwsKeyProvider::IdentifyOnce() {
  auto config = AwsConfig::Load(surroundings_.environment);
  if (!config.ok()) return tl::unexpected(OurConfiguration(config.error()));
  auto identity = TakeIdentity(*config);
  if (!identity.has_value()) return tl::unexpected(identity.error());
  if (!identity->arn.empty()) return identity->arn;
  StsClient sts(EndpointOf(*config, "sts", access_.uri.aws().region), surroundings_);
  auto arn = sts.GetCallerIdentity(identity->credentials);
  // Nobody's permission is needed to ask who we are: a refusal is about our own credentials.
  if (!arn.has_value()) return tl::unexpected(OfOurOwn(arn.error()));
  return arn;
}

template <typename T>
KmsResult<T> AwsKeyProvider::WithSession(
    const std::function<KmsResult<T>(AwsKmsClient&)>& operation) {
  auto result = JudgedWithFreshCredentials<T>([&]() -> KmsResult<T> {
    auto config = AwsConfig::Load(surroundings_.environment);
    if (!config.ok()) return tl::unexpected(OurConfiguration(config.error()));
    auto identity = TakeIdentity(*config);
    if (!identity.has_value()) return tl::unexpected(identity.error());
    AwsKmsClient kms(EndpointOf(*config, "kms", access_.uri.aws().region),
                     std::move(identity->credentials), access_.uri.AwsArn(), surroundings_);
    return operation(kms);
  });
  if (!result.has_value()) return tl::unexpected(WithRemedy(std::move(result.error())));
  return result;
}

KmsResult<AwsKeyProvider::Identity> AwsKeyProvider::TakeIdentity(const AwsConfig& config) {
  const ServiceEndpoint sts = EndpointOf(config, "sts", access_.uri.aws().region);
  auto own = FetchFrom(StandardChain(surroundings_, sts, config));
  if (!own.has_value()) return tl::unexpected(own.error());
  // One that is for this customer alone: what the host itself is, no customer has to trust.
  if (const std::string role = surroundings_.Variable("FREEHOLD_AWS_ROLE"); !role.empty()) {
    auto session = StsClient(sts, surroundings_).AssumeRole(*own, role, "");
    if (!session.has_value()) return tl::unexpected(OfOurOwn(std::move(session.error())));
    own = std::move(session->credentials);
  }
  if (access_.principal.empty()) return Identity{std::move(*own), ""};
  auto session =
      StsClient(sts, surroundings_).AssumeRole(*own, access_.principal, access_.external_id);
  if (!session.has_value()) return tl::unexpected(session.error());
  return Identity{std::move(session->credentials),
                  session->arn.empty() ? access_.principal : session->arn};
}

KmsFailure AwsKeyProvider::WithRemedy(KmsFailure failure) const {
  if (failure.kms_class != KmsClass::kDenied || !failure.remedy.empty()) return failure;
  const std::string arn = access_.uri.AwsArn();
  const std::string who = access_.principal.empty() ? "our own identity" : access_.principal;
  if (failure.operation == "AssumeRole") {
    const std::string condition =
        access_.external_id.empty()
            ? ""
            : fmt::format(R"(,"Condition":{{"StringEquals":{{"sts:ExternalId":"{}"}}}})",
                          access_.external_id);
    failure.remedy = fmt::format(
        "sts:AssumeRole on {} is missing; its trust policy needs "
        R"({{"Effect":"Allow","Principal":{{"AWS":"<our identity>"}},"Action":"sts:AssumeRole"{}}})"
        ", and our own identity needs sts:AssumeRole on it",
        who, condition);
  } else if (failure.code == "AccessDeniedException") {
    const std::string principal = access_.principal.empty() ? "<our identity>" : access_.principal;
    failure.remedy = fmt::format(
        "kms:{} is missing for {}; the key policy needs "
        R"({{"Effect":"Allow","Principal":{{"AWS":"{}"}},"Action":"kms:{}","Resource":"*"}})",
        failure.operation, who, principal, failure.operation);
  } else if (failure.code == "NotFoundException") {
    failure.remedy = fmt::format("check the key's id, account and region: {}", arn);
  } else if (failure.code == "DisabledException") {
    failure.remedy = "enable the key (kms:EnableKey)";
  } else if (failure.code == "KMSInvalidStateException") {
    failure.remedy =
        "cancel the key's deletion (kms:CancelKeyDeletion) and enable it, or import its material";
  }
  return failure;
}

}  // namespace freehold::aws
