#include "kms/aws/credentials.h"

#include "base/locked_arena.h"
#include "base/posix_file.h"
#include "fmt/format.h"
#include "kms/aws/sts.h"

namespace freehold::aws {
namespace {

// Longer chains of source_profile are loops, or might as well be.
constexpr int kMaxProfileDepth = 8;

tl::unexpected<KmsFailure> Ours(std::string_view message) {
  return tl::unexpected(
      OwnFailure(KmsMeaning::kOurCredentials, "AWS credentials", std::string(message)));
}

KmsResult<std::optional<AwsCredentials>> AssumeWithTokenFile(const Surroundings& surroundings,
                                                             const ServiceEndpoint& sts,
                                                             const std::string& token_file,
                                                             const std::string& role_arn,
                                                             const std::string& session_name) {
  auto bytes = ReadFile(token_file, 64 << 10);
  if (!bytes.ok()) return Ours("the web identity token: " + bytes.error().message());
  const SecretBytes token = SecretBytes::CopyOf(*bytes);
  WipeMemory(bytes->data(), bytes->size());
  auto session =
      StsClient(sts, surroundings).AssumeRoleWithWebIdentity(role_arn, session_name, token);
  if (!session.has_value()) return tl::unexpected(OfOurOwn(session.error()));
  return std::move(session->credentials);
}

}  // namespace

KmsResult<std::optional<AwsCredentials>> EnvironmentSource::Fetch() {
  const auto id = surroundings_.environment("AWS_ACCESS_KEY_ID");
  if (!id) return std::nullopt;
  const auto secret = surroundings_.environment("AWS_SECRET_ACCESS_KEY");
  if (!secret) return Ours("AWS_ACCESS_KEY_ID is set but AWS_SECRET_ACCESS_KEY is not");
  const auto token = surroundings_.environment("AWS_SESSION_TOKEN").value_or("");
  return AwsCredentials{*id, SecretBytes::CopyOf(AsBytes(*secret)),
                        SecretBytes::CopyOf(AsBytes(token))};
}

KmsResult<std::optional<AwsCredentials>> WebIdentitySource::Fetch() {
  const auto file = surroundings_.environment("AWS_WEB_IDENTITY_TOKEN_FILE");
  if (!file) return std::nullopt;
  const auto role = surroundings_.environment("AWS_ROLE_ARN");
  if (!role) return Ours("AWS_WEB_IDENTITY_TOKEN_FILE is set but AWS_ROLE_ARN is not");
  return AssumeWithTokenFile(surroundings_, sts_, *file, *role,
                             surroundings_.environment("AWS_ROLE_SESSION_NAME").value_or(""));
}

KmsResult<std::optional<AwsCredentials>> ProfileSource::Fetch() {
  if (config_.FindProfile(config_.profile_name()) == nullptr) {
    if (!config_.profile_was_named()) return std::nullopt;
    return Ours(fmt::format("there is no profile '{}'", config_.profile_name()));
  }
  return FromProfile(config_.profile_name(), 0);
}

KmsResult<std::optional<AwsCredentials>> ProfileSource::FromProfile(const std::string& name,
                                                                    int depth) {
  const Profile* profile = config_.FindProfile(name);
  if (profile == nullptr) return Ours(fmt::format("there is no profile '{}'", name));
  if (depth > kMaxProfileDepth) return Ours("the profiles' source_profile lead in a circle");
  const std::string id = profile->Get("aws_access_key_id");
  const std::string role = profile->Get("role_arn");
  // A profile may be its own source: then its keys are meant, not its role again.
  const bool own_source = depth > 0 && profile->Get("source_profile") == name;
  if (!role.empty() && !own_source) return RoleSource(name, *profile, depth);
  if (!id.empty()) {
    if (profile->secret_access_key.empty()) {
      return Ours(fmt::format("profile '{}' has no aws_secret_access_key", name));
    }
    return AwsCredentials{id, profile->secret_access_key.Clone(), profile->session_token.Clone()};
  }
  for (const char* other : {"credential_process", "sso_session", "sso_start_url"}) {
    if (!profile->Get(other).empty()) {
      return Ours(fmt::format("profile '{}' uses {}, which Freehold does not offer", name, other));
    }
  }
  return std::nullopt;
}

KmsResult<std::optional<AwsCredentials>> ProfileSource::RoleSource(const std::string& name,
                                                                   const Profile& profile,
                                                                   int depth) {
  const std::string role = profile.Get("role_arn");
  const std::string token_file = profile.Get("web_identity_token_file");
  if (!token_file.empty()) {
    return AssumeWithTokenFile(surroundings_, sts_, token_file, role,
                               profile.Get("role_session_name"));
  }
  const std::string source = profile.Get("source_profile");
  const std::string elsewhere = profile.Get("credential_source");
  KmsResult<std::optional<AwsCredentials>> base = std::nullopt;
  if (!source.empty()) {
    base = FromProfile(source, depth + 1);
  } else if (elsewhere == "Environment") {
    base = EnvironmentSource(surroundings_).Fetch();
  } else if (elsewhere == "Ec2InstanceMetadata") {
    base = InstanceMetadataSource(surroundings_).Fetch();
  } else if (elsewhere == "EcsContainer") {
    base = ContainerSource(surroundings_).Fetch();
  }
  if (!base.has_value()) return base;
  if (!base->has_value()) {
    return Ours(fmt::format("profile '{}' has a role_arn but nothing to assume it with", name));
  }
  auto session =
      StsClient(sts_, surroundings_).AssumeRole(**base, role, profile.Get("external_id"));
  if (!session.has_value()) return tl::unexpected(OfOurOwn(session.error()));
  return std::move(session->credentials);
}

std::vector<std::unique_ptr<CredentialSource>> StandardChain(const Surroundings& surroundings,
                                                             const ServiceEndpoint& sts,
                                                             const AwsConfig& config) {
  std::vector<std::unique_ptr<CredentialSource>> chain;
  chain.push_back(std::make_unique<EnvironmentSource>(surroundings));
  chain.push_back(std::make_unique<WebIdentitySource>(surroundings, sts));
  chain.push_back(std::make_unique<ProfileSource>(surroundings, sts, config));
  chain.push_back(std::make_unique<ContainerSource>(surroundings));
  chain.push_back(std::make_unique<InstanceMetadataSource>(surroundings));
  return chain;
}

KmsResult<AwsCredentials> FetchFrom(const std::vector<std::unique_ptr<CredentialSource>>& chain) {
  std::string looked_at;
  for (const auto& source : chain) {
    auto found = source->Fetch();
    if (!found.has_value()) return tl::unexpected(found.error());
    if (found->has_value()) return std::move(**found);
    looked_at += (looked_at.empty() ? "" : ", ") + std::string(source->name());
  }
  return Ours(fmt::format("none found (looked at: {})", looked_at));
}

KmsFailure OfOurOwn(KmsFailure failure) {
  if (failure.kms_class == KmsClass::kDenied || failure.kms_class == KmsClass::kData) {
    failure.kms_class = KmsClass::kOurs;
    failure.meaning = KmsMeaning::kOurCredentials;
  }
  return failure;
}

}  // namespace freehold::aws
