// Who may do what: Google's predefined roles, bound on a resource or on what it is in.
//
// Pure. Threads: safe. Spec: "IAM roles and permissions index", Google Cloud documentation.
#pragma once

#include "kms/embedded/google/state.h"

namespace freehold::embedded::google {

bool IsRole(std::string_view role);
bool RoleAllows(std::string_view role, std::string_view permission);

// `email` has the permission on `resource`, or on its key ring or project.
bool Allows(const State& state, const std::string& email, std::string_view permission,
            std::string resource);

}  // namespace freehold::embedded::google
