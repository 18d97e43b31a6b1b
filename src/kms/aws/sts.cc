#include "kms/aws/sts.h"

#include <tinyxml2.h>

#include "fmt/format.h"
#include "kms/aws/classify.h"

namespace freehold::aws {
namespace {

constexpr const char* kVersion = "2011-06-15";
constexpr const char* kSessionName = "freehold";
constexpr const char* kSessionSeconds = "900";

// The text at a path of element names, "" when any of them is missing.
std::string TextAt(const tinyxml2::XMLNode& start, std::initializer_list<std::string> path) {
  const tinyxml2::XMLNode* node = &start;
  for (const std::string& name : path) {
    node = node->FirstChildElement(name.c_str());
    if (node == nullptr) return "";
  }
  const char* text = node->ToElement()->GetText();
  return text == nullptr ? "" : text;
}

KmsFailure Unreadable(const std::string& action) {
  return OwnFailure(KmsMeaning::kNotUnderstood, action,
                    "the answer is not what the service documents");
}

}  // namespace

StsClient::StsClient(ServiceEndpoint endpoint, Surroundings surroundings)
    : endpoint_(std::move(endpoint)), surroundings_(std::move(surroundings)) {}

KmsResult<StsSession> StsClient::AssumeRole(const AwsCredentials& caller,
                                            const std::string& role_arn,
                                            const std::string& external_id) {
  Form form = {{"RoleArn", role_arn},
               {"RoleSessionName", kSessionName},
               {"DurationSeconds", kSessionSeconds}};
  if (!external_id.empty()) form["ExternalId"] = external_id;
  return CallForSession("AssumeRole", std::move(form), &caller);
}

KmsResult<StsSession> StsClient::AssumeRoleWithWebIdentity(const std::string& role_arn,
                                                           const std::string& session_name,
                                                           const SecretBytes& token) {
  return CallForSession("AssumeRoleWithWebIdentity",
                        {{"RoleArn", role_arn},
                         {"RoleSessionName", session_name.empty() ? kSessionName : session_name},
                         {"DurationSeconds", kSessionSeconds},
                         {"WebIdentityToken", std::string(AsText(token.ExposeSecret()))}},
                        nullptr);
}

KmsResult<std::string> StsClient::GetCallerIdentity(const AwsCredentials& caller) {
  const std::string action = "GetCallerIdentity";
  auto body = Call(action, {}, &caller);
  if (!body.has_value()) return tl::unexpected(body.error());
  tinyxml2::XMLDocument document;
  document.Parse(body->data(), body->size());
  std::string arn = TextAt(document, {action + "Response", action + "Result", "Arn"});
  if (arn.empty()) return tl::unexpected(Unreadable(action));
  return arn;
}

KmsResult<StsSession> StsClient::CallForSession(const std::string& action, Form form,
                                                const AwsCredentials* caller) {
  auto body = Call(action, std::move(form), caller);
  if (!body.has_value()) return tl::unexpected(body.error());
  tinyxml2::XMLDocument document;
  document.Parse(body->data(), body->size());
  const auto field = [&](const char* group, const char* name) {
    return TextAt(document, {action + "Response", action + "Result", group, name});
  };
  StsSession session;
  session.credentials.access_key_id = field("Credentials", "AccessKeyId");
  session.credentials.secret_access_key =
      SecretBytes::CopyOf(AsBytes(field("Credentials", "SecretAccessKey")));
  session.credentials.session_token =
      SecretBytes::CopyOf(AsBytes(field("Credentials", "SessionToken")));
  session.arn = field("AssumedRoleUser", "Arn");
  const AwsCredentials& credentials = session.credentials;
  if (credentials.access_key_id.empty() || credentials.secret_access_key.empty() ||
      credentials.session_token.empty()) {
    return tl::unexpected(Unreadable(action));
  }
  return session;
}

KmsResult<std::string> StsClient::Call(const std::string& action, Form form,
                                       const AwsCredentials* caller) {
  form["Action"] = action;
  form["Version"] = kVersion;
  const std::string body = EncodeForm(form);
  return WithRetries<std::string>(surroundings_, [&]() -> KmsResult<std::string> {
    auto response = Post(endpoint_, {{"content-type", "application/x-www-form-urlencoded"}}, body,
                         caller, surroundings_);
    if (!response.has_value()) return tl::unexpected(FailureOf(action, response.error()));
    if (response->status == 200) return std::move(response->body);
    const ServiceError error = ReadXmlError(*response);
    return tl::unexpected(FailureOf(action, error, MeaningOfStsError(error)));
  });
}

}  // namespace freehold::aws
