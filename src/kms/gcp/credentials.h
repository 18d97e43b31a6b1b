// Credentials: where our token for Google comes from, and the customer's whom we act for.
//
// Looked for in this order: the file GOOGLE_APPLICATION_CREDENTIALS (a service account's key, or
// external_account, which is workload identity federation), then the metadata server of the machine
// (GCE_METADATA_HOST, else 169.254.169.254). Nothing is kept: every operation asks afresh, so that
// a trust that was withdrawn shows at the next one.
// Errors: kOurCredentials and its kin; kTrustWithdrawn from Impersonate(). Threads: safe.
// Spec: RFC 7523 (JWT bearer grant), RFC 8693 (token exchange), google.aip.dev/auth/4110, 4115,
// 4117.
#pragma once

#include <boost/json/object.hpp>

#include "kms/service/json_service.h"

namespace freehold::gcp {

struct AccessToken {
  SecretBytes value;
  std::string account;  // an e-mail address; "" where the source does not say
};

// Ours, or with a principal the customer's service account's, which we are let act for.
KmsResult<AccessToken> GetToken(const KeyAccess& access, const Surroundings& surroundings);

// The parts of it.
KmsResult<AccessToken> OwnToken(const Surroundings& surroundings);
KmsResult<AccessToken> ServiceAccountToken(boost::json::object file,
                                           const Surroundings& surroundings);
KmsResult<AccessToken> ExternalAccountToken(const boost::json::object& file,
                                            const Surroundings& surroundings);
KmsResult<AccessToken> MetadataToken(const Surroundings& surroundings);
// The address of the machine's own account; "" when the metadata server does not say.
std::string MetadataAccount(const Surroundings& surroundings);
// A token of `url`'s account for 15 minutes; `account` names it in messages.
KmsResult<AccessToken> Impersonate(const AccessToken& own, const std::string& url,
                                   const std::string& account, const std::string& scope,
                                   const Surroundings& surroundings);

// A form to a token endpoint that CheckTokenUrl() accepts; the token in its answer.
KmsResult<SecretBytes> AskTokenEndpoint(std::string_view operation, const std::string& url,
                                        const std::map<std::string, std::string>& form,
                                        const Surroundings& surroundings);
// What moments mend is tried again; the last answer is the one to judge.
KmsResult<JsonAnswer> AskGoogle(std::string_view operation, const JsonRequest& request,
                                const Surroundings& surroundings);
std::string Bearer(const SecretBytes& token);

tl::unexpected<KmsFailure> BadCredentials(std::string message);

inline constexpr const char* kPlatformScope = "https://www.googleapis.com/auth/cloud-platform";
// Of an account of ours that goes on to become another.
inline constexpr const char* kIamScope = "https://www.googleapis.com/auth/iam";
inline constexpr const char* kKmsScope = "https://www.googleapis.com/auth/cloudkms";

}  // namespace freehold::gcp
