#include <algorithm>
#include <iterator>

#include "fmt/format.h"
#include "papers/papers.h"

namespace freehold::papers {
namespace {

Error Bad(std::string_view what, std::string_view value, std::string_view expected) {
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("{} '{}' is not {}", what, value, expected));
}

constexpr std::string_view kCloudFormation = R"paper(AWSTemplateFormatVersion: "2010-09-09"
Description: >-
  Freehold papers, edition @EDITION@. Lets the operator's identity use KMS keys of this account,
  through a role that can be withdrawn at any time. Makes a key, or takes keys that exist.
Parameters:
  KMSCreate:
    Type: String
    Default: "@CREATE@"
    AllowedValues: ["true", "false"]
    Description: Whether to make a new key. With "false", KMSKeyArns names those that exist.
  KMSKeyArns:
    Type: CommaDelimitedList
    Default: "@KEYS@"
    Description: ARNs of existing symmetric keys of this account, separated by commas.
  OperatorPrincipal:
    Type: String
    Default: "@OPERATOR@"
    Description: Who may act through the role.
  ExternalId:
    Type: String
    Default: "@EXTERNAL@"
    Description: The operator's name for you; keeps its other customers from naming this role.
  RoleName:
    Type: String
    Default: "@ROLE@"
Conditions:
  MakeKey: !Equals [!Ref KMSCreate, "true"]
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      RoleName: !Ref RoleName
      Description: Freehold wraps and unwraps its keys as this role. Delete it to take them away.
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement:
          - Effect: Allow
            Principal:
              AWS: !Ref OperatorPrincipal
            Action: sts:AssumeRole
            Condition:
              StringEquals:
                sts:ExternalId: !Ref ExternalId
      Tags:
        - Key: freehold-papers
          Value: "@EDITION@"
  RolePolicy:
    Type: AWS::IAM::Policy
    Properties:
      PolicyName: freehold
      Roles: [!Ref Role]
      PolicyDocument:
        Version: "2012-10-17"
        Statement:
          # Encrypt: making a volume, rotating to this key. Decrypt: opening, and every probe.
          - Sid: FreeholdWrapsAndUnwraps
            Effect: Allow
            Action: [kms:Encrypt, kms:Decrypt]
            Resource: !If [MakeKey, !GetAtt Key.Arn, !Ref KMSKeyArns]
            Condition:
              StringEquals:
                "kms:EncryptionContext:freehold:purpose": [kek, key-check]
          # The preflight, the version that wrapped, and telling a disabled key from a passing state.
          - Sid: FreeholdLooksAtTheKey
            Effect: Allow
            Action: [kms:DescribeKey, kms:GetKeyRotationStatus]
            Resource: !If [MakeKey, !GetAtt Key.Arn, !Ref KMSKeyArns]
  Key:
    Type: AWS::KMS::Key
    Condition: MakeKey
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties:
      Description: Stands over the data that Freehold protects.
      EnableKeyRotation: true
      PendingWindowInDays: 30
      KeyPolicy:
        Version: "2012-10-17"
        Statement:
          # Keeps this account in charge: its own policies, the role's among them, decide.
          - Sid: OwnersAdministerTheKey
            Effect: Allow
            Principal:
              AWS: !Sub "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"
            Action: "kms:*"
            Resource: "*"
Outputs:
  RoleArn:
    Description: For --principal.
    Value: !GetAtt Role.Arn
  KeyArn:
    Description: For --key. With existing keys, those that were given.
    Value: !If [MakeKey, !GetAtt Key.Arn, !Join [",", !Ref KMSKeyArns]]
)paper";

constexpr std::string_view kTrust = R"paper({
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Principal": {"AWS": "@OPERATOR@"},
      "Action": "sts:AssumeRole",
      "Condition": {"StringEquals": {"sts:ExternalId": "@EXTERNAL@"}}
    }
  ]
}
)paper";

constexpr std::string_view kKeyPolicy = R"paper({
  "Version": "2012-10-17",
  "Statement": [
    {
      "Sid": "OwnersAdministerTheKey",
      "Effect": "Allow",
      "Principal": {"AWS": "arn:@PARTITION@:iam::@ACCOUNT@:root"},
      "Action": "kms:*",
      "Resource": "*"
    },
    {
      "Sid": "FreeholdWrapsAndUnwraps",
      "Effect": "Allow",
      "Principal": {"AWS": "arn:@PARTITION@:iam::@ACCOUNT@:role/@ROLE@"},
      "Action": ["kms:Encrypt", "kms:Decrypt"],
      "Resource": "*",
      "Condition": {
        "StringEquals": {"kms:EncryptionContext:freehold:purpose": ["kek", "key-check"]}
      }
    },
    {
      "Sid": "FreeholdLooksAtTheKey",
      "Effect": "Allow",
      "Principal": {"AWS": "arn:@PARTITION@:iam::@ACCOUNT@:role/@ROLE@"},
      "Action": ["kms:DescribeKey", "kms:GetKeyRotationStatus"],
      "Resource": "*"
    }
  ]
}
)paper";

constexpr std::string_view kTerraform =
    R"paper(# Freehold papers, edition @EDITION@: AWS. Lets the operator use a key of this account through a role.

variable "key_arns" {
  type        = list(string)
  default     = [@KEYLIST@]
  description = "Existing symmetric keys of this account. Empty: a key is made."
}

resource "aws_kms_key" "freehold" {
  count                   = length(var.key_arns) == 0 ? 1 : 0
  description             = "Stands over the data that Freehold protects."
  enable_key_rotation     = true
  deletion_window_in_days = 30

  lifecycle {
    prevent_destroy = true
  }
}

locals {
  keys = length(var.key_arns) == 0 ? aws_kms_key.freehold[*].arn : var.key_arns
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "AWS"
      identifiers = ["@OPERATOR@"]
    }
    condition {
      test     = "StringEquals"
      variable = "sts:ExternalId"
      values   = ["@EXTERNAL@"]
    }
  }
}

data "aws_iam_policy_document" "use" {
  # Encrypt: making a volume, rotating to this key. Decrypt: opening, and every probe.
  statement {
    sid       = "FreeholdWrapsAndUnwraps"
    actions   = ["kms:Encrypt", "kms:Decrypt"]
    resources = local.keys
    condition {
      test     = "StringEquals"
      variable = "kms:EncryptionContext:freehold:purpose"
      values   = ["kek", "key-check"]
    }
  }
  # The preflight, the version that wrapped, and telling a disabled key from a passing state.
  statement {
    sid       = "FreeholdLooksAtTheKey"
    actions   = ["kms:DescribeKey", "kms:GetKeyRotationStatus"]
    resources = local.keys
  }
}

resource "aws_iam_role" "freehold" {
  name               = "@ROLE@"
  assume_role_policy = data.aws_iam_policy_document.trust.json
  tags               = { freehold-papers = "@EDITION@" }
}

resource "aws_iam_role_policy" "freehold" {
  name   = "freehold"
  role   = aws_iam_role.freehold.id
  policy = data.aws_iam_policy_document.use.json
}

output "role_arn" {
  value = aws_iam_role.freehold.arn
}

output "key_arn" {
  value = join(",", local.keys)
}
)paper";

// "arn:aws-cn:iam::..." -> "aws-cn"; "" when it begins like no ARN of AWS's.
std::string PartitionOf(std::string_view arn) {
  const auto colon = arn.find(':', 4);
  if (!arn.starts_with("arn:aws") || colon == std::string_view::npos) return "";
  const std::string_view partition = arn.substr(4, colon - 4);
  return partition == "aws" || (partition.starts_with("aws-") && IsMadeOf(partition, "-"))
             ? std::string(partition)
             : "";
}

// An alias can be moved to another key: these papers name keys.
bool IsKeyArn(std::string_view arn) {
  const auto key = arn.find(":key/");
  return !PartitionOf(arn).empty() && arn.find(":kms:") == 4 + PartitionOf(arn).size() &&
         std::count(arn.begin(), arn.end(), ':') == 5 && key != std::string_view::npos &&
         IsMadeOf(arn.substr(key + 5), "-") && IsMadeOf(arn.substr(0, key), ":-");
}

struct Console {
  std::string_view partition;
  std::string_view host;
  std::string_view region;  // where none is given
};
constexpr Console kConsoles[] = {
    {"aws", "console.aws.amazon.com", "us-east-1"},
    {"aws-cn", "console.amazonaws.cn", "cn-north-1"},
    {"aws-us-gov", "console.amazonaws-us-gov.com", "us-gov-west-1"},
};

std::vector<std::pair<std::string_view, std::string>> Values(const AwsPapers& papers) {
  return {{"EDITION", fmt::format("{}", kEdition)},
          {"PARTITION", PartitionOf(papers.operator_principal)},
          {"OPERATOR", papers.operator_principal},
          {"EXTERNAL", papers.external_id},
          {"ROLE", papers.role_name},
          {"CREATE", papers.key_arn.empty() ? "true" : "false"},
          {"KEYS", papers.key_arn.empty() ? "none" : papers.key_arn},
          {"KEYLIST", papers.key_arn.empty() ? "" : "\"" + papers.key_arn + "\""}};
}

std::string QueryText(std::string_view text) {
  std::string encoded;
  for (const char c : text) {
    const std::string one(1, c);
    encoded += IsMadeOf(one, "-_.~") ? one : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return encoded;
}

}  // namespace

Status Check(const AwsPapers& papers) {
  const std::string partition = PartitionOf(papers.operator_principal);
  if (!papers.operator_principal.starts_with("arn:" + partition + ":iam::") ||
      !IsMadeOf(papers.operator_principal, ":/-_+=.@")) {
    return Bad("--operator", papers.operator_principal,
               "an ARN (arn:aws:iam::ACCOUNT:role/NAME, or ...:root)");
  }
  if (!IsMadeOf(papers.external_id, "+=,.@:/-_")) {
    return Bad("--external-id", papers.external_id, "letters, digits and +=,.@:/-_");
  }
  if (!IsMadeOf(papers.role_name, "+=,.@-_")) {
    return Bad("--role", papers.role_name, "the name of a role");
  }
  if (!papers.key_arn.empty() && !IsKeyArn(papers.key_arn)) {
    return Bad("--key", papers.key_arn,
               "a key's ARN (arn:aws:kms:REGION:ACCOUNT:key/ID; an alias can be moved)");
  }
  if (!papers.key_arn.empty() && PartitionOf(papers.key_arn) != partition) {
    return Bad("--key", papers.key_arn, fmt::format("in the operator's partition, {}", partition));
  }
  if (!papers.region.empty() && !IsMadeOf(papers.region, "-")) {
    return Bad("--region", papers.region, "a region");
  }
  return {};
}

std::string AwsCloudFormation(const AwsPapers& papers) {
  return Fill(kCloudFormation, Values(papers));
}

std::string AwsTrustPolicy(const AwsPapers& papers) { return Fill(kTrust, Values(papers)); }

std::string AwsKeyPolicy(const AwsPapers& papers, const std::string& account) {
  auto values = Values(papers);
  values.emplace_back("ACCOUNT", account);
  return Fill(kKeyPolicy, values);
}

std::string AwsTerraform(const AwsPapers& papers) { return Fill(kTerraform, Values(papers)); }

Result<std::string> AwsQuickCreateLink(const AwsPapers& papers, const std::string& template_url) {
  if (!template_url.starts_with("https://")) {
    return Error(ErrorCode::kInvalidArgument,
                 "--link needs the https:// URL where the template is published");
  }
  const std::string partition = PartitionOf(papers.operator_principal);
  const auto* console =
      std::find_if(std::begin(kConsoles), std::end(kConsoles),
                   [&](const Console& one) { return one.partition == partition; });
  if (console == std::end(kConsoles)) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("the console of partition {} is not known here", partition));
  }
  const std::string_view region = papers.region.empty() ? console->region : papers.region;
  return fmt::format(
      "https://{0}.{7}/cloudformation/home?region={0}#/stacks/quickcreate"
      "?templateURL={1}&stackName=freehold&param_KMSCreate={2}&param_KMSKeyArns={3}"
      "&param_OperatorPrincipal={4}&param_ExternalId={5}&param_RoleName={6}",
      region, QueryText(template_url), papers.key_arn.empty() ? "true" : "false",
      QueryText(papers.key_arn), QueryText(papers.operator_principal),
      QueryText(papers.external_id), QueryText(papers.role_name), console->host);
}

}  // namespace freehold::papers
