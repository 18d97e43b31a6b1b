#include "kms/key_uri.h"

#include <algorithm>
#include <cctype>
#include <vector>

#include "fmt/format.h"

namespace freehold {
namespace {

constexpr std::string_view kAwsScheme = "aws-kms://";

std::vector<std::string_view> SplitArn(std::string_view arn) {
  std::vector<std::string_view> parts;
  while (parts.size() < 5) {
    const auto colon = arn.find(':');
    if (colon == std::string_view::npos) break;
    parts.push_back(arn.substr(0, colon));
    arn.remove_prefix(colon + 1);
  }
  parts.push_back(arn);
  return parts;
}

bool AllOf(std::string_view text, bool (*allowed)(unsigned char)) {
  return !text.empty() && std::all_of(text.begin(), text.end(), allowed);
}
bool IsDigit(unsigned char c) { return c >= '0' && c <= '9'; }
// Region, partition and key id end up in host names and headers: nothing but these characters.
bool IsLabel(unsigned char c) { return std::isalnum(c) != 0 || c == '-'; }

Error Refused(std::string_view text, std::string_view why) {
  return Error(ErrorCode::kInvalidArgument, fmt::format("key URI '{}': {}", text, why));
}

}  // namespace

std::string_view NameOf(KmsType) { return "AWS_KMS"; }

Result<KmsType> KmsTypeFromName(std::string_view name) {
  if (name == "AWS_KMS") return KmsType::kAwsKms;
  return Error(ErrorCode::kInvalidArgument, fmt::format("'{}' is no type of KMS known here", name));
}

Result<KeyUri> KeyUri::Parse(std::string_view text) {
  std::string_view arn = text;
  if (arn.starts_with(kAwsScheme)) {
    arn.remove_prefix(kAwsScheme.size());
  } else if (!arn.starts_with("arn:")) {
    return Refused(text, "must start with aws-kms://arn:");
  }
  const auto parts = SplitArn(arn);
  if (parts.size() != 6 || parts[0] != "arn" || parts[2] != "kms") {
    return Refused(text, "is not an AWS KMS key ARN (arn:aws:kms:REGION:ACCOUNT:key/ID)");
  }
  if (parts[5].starts_with("alias/")) {
    return Refused(text, "names an alias, which can be moved to another key; give the key's ARN");
  }
  if (!parts[5].starts_with("key/")) return Refused(text, "does not end in key/ID");
  const std::string_view key_id = parts[5].substr(4);
  if (!AllOf(parts[1], IsLabel) || !AllOf(parts[2], IsLabel) || !AllOf(parts[3], IsLabel) ||
      !AllOf(key_id, IsLabel) || parts[3].size() > 63 || key_id.size() > 128) {
    return Refused(text, "has a character that does not belong in a key ARN");
  }
  if (parts[4].size() != 12 || !AllOf(parts[4], IsDigit)) {
    return Refused(text, "has an account that is not 12 digits");
  }
  KeyUri uri;
  uri.aws_ = {std::string(parts[1]), std::string(parts[3]), std::string(parts[4]),
              std::string(key_id)};
  uri.text_ = std::string(kAwsScheme) + uri.AwsArn();
  return uri;
}

std::string KeyUri::AwsArn() const {
  return fmt::format("arn:{}:kms:{}:{}:key/{}", aws_.partition, aws_.region, aws_.account,
                     aws_.key_id);
}

}  // namespace freehold
