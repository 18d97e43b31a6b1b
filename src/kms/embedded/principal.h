// Principal: who made a request, as policies and logs name them.
//
// Knows how AWS spells the ARNs of accounts, users, roles and role sessions; not whether they
// exist. Threads: a value. Spec: IAM User Guide, "IAM identifiers".
#pragma once

#include <string>
#include <string_view>

#include "fmt/format.h"

namespace freehold::embedded {

struct Principal {
  enum class Kind { kRoot, kUser, kRoleSession };
  Kind kind = Kind::kRoot;
  std::string account;
  std::string name;     // of the user or role
  std::string session;  // kRoleSession only
  std::string id;       // "AIDA...", "AROA...:session", or the account

  // As GetCallerIdentity says it; a role session has an ARN of its own.
  std::string Arn() const {
    if (kind != Kind::kRoleSession) return PolicyArn();
    return fmt::format("arn:aws:sts::{}:assumed-role/{}/{}", account, name, session);
  }
  // As policies say it, and aws:PrincipalArn: a session counts as its role.
  std::string PolicyArn() const {
    if (kind == Kind::kRoot) return RootArn(account);
    if (kind == Kind::kUser) return UserArn(account, name);
    return RoleArn(account, name);
  }

  static std::string RootArn(std::string_view account) {
    return fmt::format("arn:aws:iam::{}:root", account);
  }
  static std::string UserArn(std::string_view account, std::string_view name) {
    return fmt::format("arn:aws:iam::{}:user/{}", account, name);
  }
  static std::string RoleArn(std::string_view account, std::string_view name) {
    return fmt::format("arn:aws:iam::{}:role/{}", account, name);
  }
};

}  // namespace freehold::embedded
