#include "kms/embedded/google/api.h"

#include <array>

#include "kms/embedded/google/operations.h"
#include "kms/embedded/google/tokens.h"

namespace freehold::embedded::google {
namespace {

constexpr std::string_view kRings = "projects/*/locations/*/keyRings";
constexpr std::string_view kRing = "projects/*/locations/*/keyRings/*";
constexpr std::string_view kKeys = "projects/*/locations/*/keyRings/*/cryptoKeys";
constexpr std::string_view kKey = "projects/*/locations/*/keyRings/*/cryptoKeys/*";
constexpr std::string_view kVersions =
    "projects/*/locations/*/keyRings/*/cryptoKeys/*/cryptoKeyVersions";
constexpr std::string_view kVersion =
    "projects/*/locations/*/keyRings/*/cryptoKeys/*/cryptoKeyVersions/*";
constexpr std::string_view kJobs = "projects/*/locations/*/keyRings/*/importJobs";
constexpr std::string_view kJob = "projects/*/locations/*/keyRings/*/importJobs/*";
constexpr std::string_view kAccounts = "projects/*/serviceAccounts";
constexpr std::string_view kAccount = "projects/*/serviceAccounts/*";
constexpr std::string_view kAccountKeys = "projects/*/serviceAccounts/*/keys";
constexpr std::string_view kAccountKey = "projects/*/serviceAccounts/*/keys/*";
constexpr std::string_view kProject = "projects/*";

constexpr std::array kApi = {
    ApiRow{"POST", kRings, "", "CreateKeyRing", CreateKeyRing},
    ApiRow{"GET", kRings, "", "ListKeyRings", ListKeyRings},
    ApiRow{"GET", kRing, "", "GetKeyRing", GetKeyRing},
    ApiRow{"POST", kKeys, "", "CreateCryptoKey", CreateCryptoKey},
    ApiRow{"GET", kKeys, "", "ListCryptoKeys", ListCryptoKeys},
    ApiRow{"GET", kKey, "", "GetCryptoKey", GetCryptoKey},
    ApiRow{"PATCH", kKey, "", "UpdateCryptoKey", UpdateCryptoKey},
    ApiRow{"POST", kKey, "updatePrimaryVersion", "UpdateCryptoKeyPrimaryVersion",
           UpdatePrimaryVersion},
    ApiRow{"POST", kKey, "encrypt", "Encrypt", Encrypt},
    ApiRow{"POST", kVersion, "encrypt", "Encrypt", Encrypt},
    ApiRow{"POST", kKey, "decrypt", "Decrypt", Decrypt},
    ApiRow{"POST", kVersions, "", "CreateCryptoKeyVersion", CreateVersion},
    ApiRow{"GET", kVersions, "", "ListCryptoKeyVersions", ListVersions},
    ApiRow{"GET", kVersion, "", "GetCryptoKeyVersion", GetVersion},
    ApiRow{"PATCH", kVersion, "", "UpdateCryptoKeyVersion", UpdateVersion},
    ApiRow{"POST", kVersion, "destroy", "DestroyCryptoKeyVersion", DestroyVersion},
    ApiRow{"POST", kVersion, "restore", "RestoreCryptoKeyVersion", RestoreVersion},
    ApiRow{"POST", kVersions, "import", "ImportCryptoKeyVersion", ImportVersion},
    ApiRow{"POST", kJobs, "", "CreateImportJob", CreateImportJob},
    ApiRow{"GET", kJobs, "", "ListImportJobs", ListImportJobs},
    ApiRow{"GET", kJob, "", "GetImportJob", GetImportJob},
    ApiRow{"GET", kRing, "getIamPolicy", "GetIamPolicy", GetIamPolicy},
    ApiRow{"GET", kKey, "getIamPolicy", "GetIamPolicy", GetIamPolicy},
    ApiRow{"GET", kJob, "getIamPolicy", "GetIamPolicy", GetIamPolicy},
    // As the IAM part of official clients asks for it.
    ApiRow{"POST", kRing, "getIamPolicy", "GetIamPolicy", GetIamPolicy},
    ApiRow{"POST", kKey, "getIamPolicy", "GetIamPolicy", GetIamPolicy},
    ApiRow{"POST", kJob, "getIamPolicy", "GetIamPolicy", GetIamPolicy},
    ApiRow{"POST", kAccount, "getIamPolicy", "GetIamPolicy", GetIamPolicy},
    ApiRow{"POST", kProject, "getIamPolicy", "GetIamPolicy", GetIamPolicy},
    ApiRow{"POST", kRing, "setIamPolicy", "SetIamPolicy", SetIamPolicy},
    ApiRow{"POST", kKey, "setIamPolicy", "SetIamPolicy", SetIamPolicy},
    ApiRow{"POST", kJob, "setIamPolicy", "SetIamPolicy", SetIamPolicy},
    ApiRow{"POST", kAccount, "setIamPolicy", "SetIamPolicy", SetIamPolicy},
    ApiRow{"POST", kProject, "setIamPolicy", "SetIamPolicy", SetIamPolicy},
    ApiRow{"POST", kRing, "testIamPermissions", "TestIamPermissions", TestIamPermissions},
    ApiRow{"POST", kKey, "testIamPermissions", "TestIamPermissions", TestIamPermissions},
    ApiRow{"POST", kJob, "testIamPermissions", "TestIamPermissions", TestIamPermissions},
    ApiRow{"POST", kAccount, "testIamPermissions", "TestIamPermissions", TestIamPermissions},
    ApiRow{"POST", kProject, "testIamPermissions", "TestIamPermissions", TestIamPermissions},
    ApiRow{"POST", kAccounts, "", "CreateServiceAccount", CreateServiceAccount},
    ApiRow{"GET", kAccounts, "", "ListServiceAccounts", ListServiceAccounts},
    ApiRow{"GET", kAccount, "", "GetServiceAccount", GetServiceAccount},
    ApiRow{"DELETE", kAccount, "", "DeleteServiceAccount", DeleteServiceAccount},
    ApiRow{"POST", kAccount, "disable", "DisableServiceAccount", DisableServiceAccount},
    ApiRow{"POST", kAccount, "enable", "EnableServiceAccount", EnableServiceAccount},
    ApiRow{"POST", kAccountKeys, "", "CreateServiceAccountKey", CreateAccountKey},
    ApiRow{"DELETE", kAccountKey, "", "DeleteServiceAccountKey", DeleteAccountKey},
    ApiRow{"POST", kAccount, "generateAccessToken", "GenerateAccessToken", GenerateAccessToken},
};

}  // namespace

bool ApiRow::is_read_only() const {
  return method == "GET" || name.starts_with("Get") || name.starts_with("Test") ||
         name == "GenerateAccessToken";
}

bool ApiRow::is_kms() const { return pattern.find("/keyRings") != std::string_view::npos; }

const ApiRow* FindApi(std::string_view method, const Target& target) {
  for (const ApiRow& row : kApi) {
    if (row.method == method && row.pattern == target.pattern && row.verb == target.verb) {
      return &row;
    }
  }
  return nullptr;
}

}  // namespace freehold::embedded::google
