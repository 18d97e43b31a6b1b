// CredentialSource: where our own AWS identity comes from, one small class for each place.
//
// The standard chain, in the order of AWS's SDKs: environment, web identity, shared files,
// container, instance metadata (version 2 only). Nothing is cached: who keeps credentials decides
// for how long. What goes wrong here is never the customer's doing, so a refusal is kOurs, also
// when a role of our own chain refuses us.
// Threads: one caller at a time. Spec: AWS SDKs and Tools Reference Guide, "Standardized
// credential providers".
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kms/aws/aws_service.h"
#include "kms/key_provider.h"

namespace freehold::aws {

class CredentialSource {
 public:
  virtual ~CredentialSource() = default;

  virtual std::string_view name() const = 0;  // for "looked at ..."
  // No value: nothing is configured here, look further. A failure: it is, and does not work.
  virtual KmsResult<std::optional<AwsCredentials>> Fetch() = 0;
};

// AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN.
class EnvironmentSource : public CredentialSource {
 public:
  explicit EnvironmentSource(Surroundings surroundings) : surroundings_(std::move(surroundings)) {}
  std::string_view name() const override { return "environment"; }
  KmsResult<std::optional<AwsCredentials>> Fetch() override;

 private:
  Surroundings surroundings_;
};

// AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN: Kubernetes service accounts (IRSA), OIDC.
class WebIdentitySource : public CredentialSource {
 public:
  WebIdentitySource(Surroundings surroundings, ServiceEndpoint sts)
      : surroundings_(std::move(surroundings)), sts_(std::move(sts)) {}
  std::string_view name() const override { return "web identity"; }
  KmsResult<std::optional<AwsCredentials>> Fetch() override;

 private:
  Surroundings surroundings_;
  ServiceEndpoint sts_;
};

// A profile of the shared files: keys, or a role with a source. `config` must outlive this.
class ProfileSource : public CredentialSource {
 public:
  ProfileSource(Surroundings surroundings, ServiceEndpoint sts, const AwsConfig& config)
      : surroundings_(std::move(surroundings)), sts_(std::move(sts)), config_(config) {}
  std::string_view name() const override { return "shared files"; }
  KmsResult<std::optional<AwsCredentials>> Fetch() override;

 private:
  KmsResult<std::optional<AwsCredentials>> FromProfile(const std::string& name, int depth);
  KmsResult<std::optional<AwsCredentials>> RoleSource(const std::string& name,
                                                      const Profile& profile, int depth);

  Surroundings surroundings_;
  ServiceEndpoint sts_;
  const AwsConfig& config_;
};

// AWS_CONTAINER_CREDENTIALS_RELATIVE_URI (ECS) and _FULL_URI (EKS Pod Identity).
class ContainerSource : public CredentialSource {
 public:
  explicit ContainerSource(Surroundings surroundings) : surroundings_(std::move(surroundings)) {}
  std::string_view name() const override { return "container"; }
  KmsResult<std::optional<AwsCredentials>> Fetch() override;

 private:
  Surroundings surroundings_;
};

// EC2's instance metadata service, version 2: a session token first.
class InstanceMetadataSource : public CredentialSource {
 public:
  explicit InstanceMetadataSource(Surroundings surroundings)
      : surroundings_(std::move(surroundings)) {}
  std::string_view name() const override { return "instance metadata"; }
  KmsResult<std::optional<AwsCredentials>> Fetch() override;

 private:
  Surroundings surroundings_;
};

// All of the above in their order; the first that is configured answers.
// `config` must outlive what is returned. `sts` is where roles of our own chain are assumed.
std::vector<std::unique_ptr<CredentialSource>> StandardChain(const Surroundings& surroundings,
                                                             const ServiceEndpoint& sts,
                                                             const AwsConfig& config);
// kOurs, with the places that were looked at, when no source has any.
KmsResult<AwsCredentials> FetchFrom(const std::vector<std::unique_ptr<CredentialSource>>& chain);

// A failure of our own identity: kDenied and kData of our own chain are kOurs.
KmsFailure OfOurOwn(KmsFailure failure);

}  // namespace freehold::aws
