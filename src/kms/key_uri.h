// KeyUri: which key, at which kind of KMS, as the ecosystem writes it.
//
//   aws-kms://arn:aws:kms:eu-west-1:111122223333:key/1234abcd-...
//
// A bare AWS key ARN is accepted too and gets its scheme. Aliases are refused: an alias can be
// pointed elsewhere without anybody's consent. Threads: a value. Source: Tink's key URIs.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace freehold {

enum class KmsType { kAwsKms };

std::string_view NameOf(KmsType type);  // "AWS_KMS", as in the API's key_spec.type
Result<KmsType> KmsTypeFromName(std::string_view name);

struct AwsKeyArn {
  std::string partition;  // aws, aws-cn, aws-us-gov
  std::string region;
  std::string account;  // 12 digits
  std::string key_id;   // a UUID or mrk-...
};

class KeyUri {
 public:
  // kInvalidArgument with one sentence when the text is not a key URI that we can use.
  static Result<KeyUri> Parse(std::string_view text);

  KmsType type() const { return KmsType::kAwsKms; }
  const std::string& text() const { return text_; }  // canonical, with its scheme
  const AwsKeyArn& aws() const { return aws_; }
  std::string AwsArn() const;  // without the scheme

  bool operator==(const KeyUri& other) const { return text_ == other.text_; }

 private:
  std::string text_;
  AwsKeyArn aws_;
};

}  // namespace freehold
