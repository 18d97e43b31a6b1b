#include "kms/aws/aws_config.h"

#include <algorithm>
#include <cstdlib>

#include "base/locked_arena.h"
#include "base/posix_file.h"
#include "fmt/format.h"

namespace freehold::aws {
namespace {

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r";
  const auto first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return "";
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

std::string_view WithoutComment(std::string_view value) {
  for (std::size_t i = 1; i < value.size(); ++i) {
    const bool mark = value[i] == '#' || value[i] == ';';
    if (mark && (value[i - 1] == ' ' || value[i - 1] == '\t')) return Trim(value.substr(0, i));
  }
  return value;
}

// Reads one file into its sections, line by line.
class Reader {
 public:
  // In the configuration file profiles are "[profile NAME]", in the credentials file "[NAME]".
  Reader(bool credentials_file, std::map<std::string, Profile>* profiles,
         std::map<std::string, Profile>* services)
      : credentials_file_(credentials_file), profiles_(profiles), services_(services) {}

  void Take(std::string_view line) {
    const std::string_view text = Trim(line);
    if (text.empty() || text[0] == '#' || text[0] == ';') return;
    if (text[0] == '[') return Enter(text);
    if (section_ == nullptr) return;
    const auto equals = text.find('=');
    if (equals == std::string_view::npos) return;
    const bool nested = (line[0] == ' ' || line[0] == '\t') && !group_.empty();
    const std::string name(Trim(text.substr(0, equals)));
    const std::string_view value = WithoutComment(Trim(text.substr(equals + 1)));
    if (!nested) group_ = value.empty() ? name : "";
    Set(nested ? group_ + "." + name : name, value);
  }

 private:
  void Enter(std::string_view header) {
    section_ = nullptr;
    group_.clear();
    const std::string_view name = Trim(header.substr(1, header.find(']') - 1));
    const auto blank = name.find_first_of(" \t");
    const std::string_view kind = name.substr(0, blank);
    const std::string rest(blank == std::string_view::npos ? "" : Trim(name.substr(blank)));
    if (credentials_file_ || name == "default") {
      section_ = &(*profiles_)[std::string(name)];
    } else if (kind == "profile" && !rest.empty()) {
      section_ = &(*profiles_)[rest];
    } else if (kind == "services" && !rest.empty()) {
      section_ = &(*services_)[rest];
    }
  }

  void Set(const std::string& name, std::string_view value) {
    if (name == "aws_secret_access_key") {
      section_->secret_access_key = SecretBytes::CopyOf(AsBytes(value));
    } else if (name == "aws_session_token") {
      section_->session_token = SecretBytes::CopyOf(AsBytes(value));
    } else {
      // A new key pair takes the place of an older file's whole pair, token and all.
      if (name == "aws_access_key_id") section_->session_token.Wipe();
      section_->settings[name] = value;
    }
  }

  bool credentials_file_;
  std::map<std::string, Profile>* profiles_;
  std::map<std::string, Profile>* services_;
  Profile* section_ = nullptr;
  std::string group_;
};

Status ReadSharedFile(const std::string& path, Reader reader) {
  auto bytes = ReadFile(path);
  if (!bytes.ok()) {
    if (bytes.error().code() == ErrorCode::kNotFound) return {};
    return Error(ErrorCode::kInvalidArgument,
                 "AWS configuration cannot be read: " + bytes.error().message());
  }
  std::string_view text = AsText(*bytes);
  while (!text.empty()) {
    const auto end = text.find('\n');
    if (const auto line = text.substr(0, end); !line.empty()) reader.Take(line);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  WipeMemory(bytes->data(), bytes->size());
  return {};
}

std::string PathOf(const Environment& environment, const std::string& variable,
                   std::string_view in_home) {
  std::string path = environment(variable).value_or("");
  const std::string home = environment("HOME").value_or("");
  if (path.empty()) return home.empty() ? "" : fmt::format("{}/.aws/{}", home, in_home);
  if (path.starts_with("~/") && !home.empty()) path.replace(0, 1, home);
  return path;
}

}  // namespace

std::string Profile::Get(const std::string& name) const {
  const auto found = settings.find(name);
  return found == settings.end() ? "" : found->second;
}

Result<AwsConfig> AwsConfig::Load(const Environment& environment) {
  AwsConfig config;
  config.environment_ = environment;
  auto named = environment("AWS_PROFILE");
  if (!named) named = environment("AWS_DEFAULT_PROFILE");
  config.profile_was_named_ = named.has_value();
  config.profile_name_ = named.value_or("default");
  const std::string config_path = PathOf(environment, "AWS_CONFIG_FILE", "config");
  const std::string keys_path = PathOf(environment, "AWS_SHARED_CREDENTIALS_FILE", "credentials");
  if (!config_path.empty()) {
    TRY(ReadSharedFile(config_path, Reader(false, &config.profiles_, &config.services_)));
  }
  if (!keys_path.empty()) {
    TRY(ReadSharedFile(keys_path, Reader(true, &config.profiles_, &config.services_)));
  }
  const Profile* profile = config.FindProfile(config.profile_name_);
  const std::string of_profile = profile == nullptr ? "" : profile->Get("ca_bundle");
  config.ca_bundle_ = environment("AWS_CA_BUNDLE").value_or(of_profile);
  return config;
}

const Profile* AwsConfig::FindProfile(const std::string& name) const {
  const auto found = profiles_.find(name);
  return found == profiles_.end() ? nullptr : &found->second;
}

std::string AwsConfig::ConfiguredEndpoint(const std::string& service) const {
  const Profile* profile = FindProfile(profile_name_);
  std::string ignore = environment_("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS").value_or("");
  if (ignore.empty() && profile != nullptr)
    ignore = profile->Get("ignore_configured_endpoint_urls");
  if (ignore == "true" || ignore == "TRUE" || ignore == "True") return "";

  std::string upper = service;
  for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  if (auto url = environment_("AWS_ENDPOINT_URL_" + upper)) return *url;
  if (auto url = environment_("AWS_ENDPOINT_URL")) return *url;
  if (profile == nullptr) return "";
  const auto group = services_.find(profile->Get("services"));
  if (group != services_.end()) {
    const std::string url = group->second.Get(service + ".endpoint_url");
    if (!url.empty()) return url;
  }
  return profile->Get("endpoint_url");
}

std::string AwsConfig::EndpointUrl(const std::string& service, const std::string& region) const {
  const std::string configured = ConfiguredEndpoint(service);
  if (!configured.empty()) return configured;
  return fmt::format("https://{}{}.{}.{}", service, WantsFips() ? "-fips" : "", region,
                     DnsSuffix(region));
}

bool AwsConfig::WantsFips() const {
  std::string wanted = environment_("AWS_USE_FIPS_ENDPOINT").value_or("");
  const Profile* profile = FindProfile(profile_name_);
  if (wanted.empty() && profile != nullptr) wanted = profile->Get("use_fips_endpoint");
  return wanted == "true" || wanted == "True" || wanted == "TRUE";
}

std::string_view DnsSuffix(std::string_view region) {
  struct Row {
    std::string_view prefix;
    std::string_view suffix;
  };
  for (const Row& row : {Row{"cn-", "amazonaws.com.cn"}, Row{"us-iso-", "c2s.ic.gov"},
                         Row{"us-isob-", "sc2s.sgov.gov"}, Row{"eusc-", "amazonaws.eu"}}) {
    if (region.starts_with(row.prefix)) return row.suffix;
  }
  return "amazonaws.com";
}

}  // namespace freehold::aws
