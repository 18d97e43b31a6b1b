// ACL policies of Vault: rules for paths, in HCL, and what they allow.
//
//   path "transit/decrypt/k" { capabilities = ["update"] }
//   path "transit/encrypt/k" { capabilities = ["update"]
//                              allowed_parameters = { "associated_data" = ["..."], "*" = [] } }
//
// Whatever is not understood makes the document invalid. Pure. Threads: values.
// Errors: kInvalidArgument. Spec: Vault documentation, "Policies".
#pragma once

#include <boost/json/object.hpp>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace freehold::embedded::vault {

struct AclRule {
  std::string path;  // may end in "*", may have "+" for one segment
  std::set<std::string> capabilities;
  std::map<std::string, std::vector<std::string>> allowed_parameters;  // empty: all
};

Result<std::vector<AclRule>> ParseAcl(std::string_view text);

// Whether the rule that fits `path` best has the capability, and allows these parameters.
bool Allows(const std::vector<AclRule>& rules, std::string_view path, std::string_view capability,
            const boost::json::object& parameters);

}  // namespace freehold::embedded::vault
