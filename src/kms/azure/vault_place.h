// VaultPlace: where the requests about one key go, and what may be sent there.
//
//   FREEHOLD_AZURE_VAULT_ENDPOINT   an address of this machine that stands in for every vault: for
//                                   trying. Then Entra must be on this machine too, so that no real
//                                   token, and no real secret, goes astray.
//   FREEHOLD_AZURE_CA_FILE          a PEM file of authorities, in place of the system's
//   AZURE_AUTHORITY_HOST            Entra; else that of the vault's cloud
//
// Errors: kOurConfiguration. Threads: values. Source: Azure's lists of endpoints of its clouds.
#pragma once

#include "kms/service/json_service.h"

namespace freehold::azure {

struct VaultPlace {
  std::string host;       // "acme.vault.azure.net": the key's, and the Host header
  std::string url;        // "https://acme.vault.azure.net", or the stand-in
  std::string audience;   // "https://vault.azure.net": of the only tokens that may go there
  std::string authority;  // "https://login.microsoftonline.com"
  std::string ca_bundle;
  bool is_stand_in = false;
};

KmsResult<VaultPlace> PlaceOf(const AzureKeyId& key, const Surroundings& surroundings);

// "https://127.0.0.1:8443", "http://[::1]:1", "http://localhost"
bool IsOnThisMachine(const std::string& url);

// A second try for what a moment may mend; the last answer is the one to judge.
KmsResult<JsonAnswer> SendPatiently(std::string_view operation, const JsonRequest& request,
                                    const Surroundings& surroundings);

}  // namespace freehold::azure
