#include "cli/control/manifest.h"

#include <unistd.h>

#include <boost/json.hpp>

#include "api/json_reader.h"
#include "base/posix_file.h"
#include "cli/control/yaml.h"
#include "fmt/format.h"
#include "kms/key_uri.h"

namespace freehold::cli {
namespace {

namespace json = boost::json;

constexpr std::size_t kLargest = 1 << 20;

struct Example {
  KmsType type;
  const char* uri;
  const char* principal;
  const char* principal_means;
};

constexpr Example kExamples[] = {
    {KmsType::kAwsKms, "arn:aws:kms:{REGION}:{ACCOUNT}:key/{KEY_ID}",
     "arn:aws:iam::{ACCOUNT}:role/{ROLE}", "the role that may use the key"},
    {KmsType::kGcpCloudKms,
     "projects/{PROJECT}/locations/{LOCATION}/keyRings/{KEY_RING}/cryptoKeys/{KEY}",
     "{SERVICE_ACCOUNT_EMAIL}", "the service account that may use the key"},
    {KmsType::kAzureKeyVault, "https://{VAULT}.vault.azure.net/keys/{KEY}", "{TENANT_ID}",
     "the tenant that the vault is in"},
    {KmsType::kHashicorpVault, "hcvault://{HOST}:8200/{MOUNT}/keys/{KEY}", "{ROLE}",
     "the role that the nodes log in with"},
    {KmsType::kPkcs11, "pkcs11:token={TOKEN};object={KEY}", "", "not used"},
    {KmsType::kKmip, "kmip://{HOST}:5696/{UNIQUE_IDENTIFIER}", "", "not used"},
};

Result<Example> ExampleOf(const std::string& name) {
  const KmsType type = TRY(KmsTypeFromName(name));
  for (const Example& example : kExamples) {
    if (example.type == type) return example;
  }
  return Error(ErrorCode::kInternal, fmt::format("there is no example of {}", name));
}

}  // namespace

Result<json::object> ReadManifest(const std::string& path) {
  const bool input = path == "-";
  const std::string what = input ? "standard input" : path;
  const Bytes read = TRY(input ? ReadUntilEnd(STDIN_FILENO, kLargest) : ReadFile(path, kLargest));
  const std::string_view text = AsText(read);
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) {
    return Error(
        ErrorCode::kInvalidArgument,
        fmt::format("{} is empty; 'freehold cmek manifest' prints a manifest to fill in", what));
  }
  json::object manifest;
  if (first != std::string_view::npos && text[first] == '{') {
    manifest = TRY(api::ParseObject(text, what));
  } else {
    json::value value = TRY(ParseYaml(text, what));
    if (!value.is_object()) {
      return Error(ErrorCode::kInvalidArgument, fmt::format("{} is no manifest", what));
    }
    manifest = std::move(value.as_object());
  }
  if (manifest.contains("region_specs")) return manifest;
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("{} has no region_specs; 'freehold cmek manifest' prints a manifest to "
                           "fill in",
                           what));
}

Result<std::string> EmptyManifest(const std::string& type, const std::vector<std::string>& regions,
                                  bool json) {
  const Example example = TRY(ExampleOf(type));
  if (json) {
    json::array specs;
    for (const std::string& region : regions) {
      json::object key = {{"type", type}, {"uri", example.uri}};
      if (*example.principal != '\0') key["auth_principal"] = example.principal;
      specs.push_back({{"region", region}, {"key_spec", std::move(key)}});
    }
    return json::serialize(json::object{{"region_specs", std::move(specs)}});
  }
  std::string text = "---\n# One entry for each region. Fill in what stands in braces.\n";
  text += "region_specs:\n";
  for (const std::string& region : regions) {
    text += fmt::format("- region: \"{}\"\n  key_spec:\n    type: {}\n    uri: \"{}\"\n", region,
                        type, example.uri);
    if (*example.principal != '\0') {
      text += fmt::format("    auth_principal: \"{}\"  # {}\n", example.principal,
                          example.principal_means);
    }
  }
  text.pop_back();
  return text;
}

}  // namespace freehold::cli
