// Grants: what each edition of the papers lets Freehold do, and since when.
//
// A table: by what it was refused, a preflight can tell a customer that their policy is of an older
// edition, and what it lacks. Every permission of the papers is in it, and the papers that this
// release prints have every one; a permission that a later edition adds comes with its number.
// Pure. Threads: safe.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace freehold::papers {

struct Grant {
  std::string_view cloud;       // "aws", as `freehold provision` has it
  std::string_view operation;   // Freehold's name of the request that needs it: "Decrypt"
  std::string_view permission;  // as the papers have it: "kms:Decrypt"
  std::string_view purpose;     // "opening a volume, and every probe"
  int edition = 1;              // the first that has it
};

std::span<const Grant> Grants();
// Null when the papers of that cloud grant nothing for the operation.
const Grant* FindGrant(std::string_view cloud, std::string_view operation);

// "the policy is older than edition 1 of `freehold provision aws`, or was changed: it lacks ..."
std::string LackOf(const Grant& grant);

}  // namespace freehold::papers
