// What Azure's administrators do in Entra and Resource Manager, as commands for the embedded KMS.
//
//   app NAME [tenant] [certificate (PEM)] [expires_in (seconds)]    -> client_id, client_secret
//   secret APP [expires_in]     a new secret in place of all that it had     -> client_secret
//   consent | remove-consent APP TENANT
//   assign | unassign ROLE APP VAULT[/KEY]
//   vault-create NAME [tenant] [purge_protection] [managed_hsm]
//   vault-delete NAME, vault-firewall NAME allow|deny, vault-protect NAME
//   show                        tenants, applications, vaults, assignments; no secret
//
// Applications, tenants and vaults go by id or by name. Errors: kInvalidArgument, kNotFound,
// kAlreadyExists, or the disk's. Threads: safe.
#pragma once

#include <boost/json/object.hpp>

#include "kms/embedded/azure/state.h"
#include "kms/embedded/state_store.h"

namespace freehold::embedded::azure {

Result<boost::json::object> Administer(StateStore<State>& store, const MasterKey& master,
                                       WallTime now, const boost::json::object& command);

// Two tenants, one vault, and an application of each: once.
Status MakeFirstState(StateStore<State>& store, const MasterKey& master, WallTime now);

}  // namespace freehold::embedded::azure
