// What may happen to a cluster's keys, and what their statuses are: rules over a Cluster, no I/O.
//
// A region's newest key is the one its nodes are to use; the ones below it are past. A change makes
// new keys ENABLING and the ones they follow DISABLING; the nodes' confirmations end both. What the
// nodes have said comes in as NodeState. Errors: kInvalidArgument, kPrecondition, kForbidden with
// one sentence, and then nothing has changed. Threads: values. Spec: docs/api/cmek.md.
#pragma once

#include <string>
#include <vector>

#include "control/model.h"

namespace freehold::control {

// The operator's bounds: kForbidden for an organization without CMEK, and for a type that it may
// not use in the region.
Status CheckGranted(const Organization& organization, const std::vector<api::RegionSpec>& specs);

// The first key of every region, at once: a region that is left out is named.
Status EnableCmek(Cluster& cluster, const Organization& organization,
                  const std::vector<api::RegionSpec>& specs, WallTime now);

// Enables what has no key yet, and rotates what has another; regions that are not named stay as
// they are. The same key again is wrapped anew, under its newest version.
Status UpdateCmek(Cluster& cluster, const Organization& organization,
                  const std::vector<api::RegionSpec>& specs, WallTime now);

// Sticky: it ends only by a restore.
Status RevokeCmek(Cluster& cluster, const Caller& caller, const std::vector<Role>& by,
                  WallTime now);

// kForbidden unless it is another account than the one that revoked, by a role that it did not
// have, and older than the revocation; or younger, if it has been there for the restore wait and is
// the customer's own: the operator had no hand in where it comes from since the revocation.
Status CheckMayRestore(const Revocation& revoked, const Caller& caller,
                       const std::vector<Role>& roles, WallTime now);
// What was taken from a whole project is given back, by halves too, by who may do that for all of
// it; nothing is in the way of a cluster in no project.
Status CheckMayRestoreProject(const std::optional<Project>& project, const Caller& caller,
                              WallTime now);
// Where nothing was revoked and keys return by hand: nodes that the KMS has sealed open now.
Status RestoreCmek(Cluster& cluster, const Caller& caller, const std::vector<Role>& roles,
                   WallTime now);

// A new KEK on every node; with `new_deks` new DEKs too. kPrecondition where there is no customer's
// key, and while nodes do not hold it.
Status RenewKeys(Cluster& cluster, bool new_deks, WallTime now);

// Leaves CMEK for the operator's escrow key. It ends when every node's KEK is under that; what the
// customer's keys wrapped until then stays readable by them.
Status DisenrolCmek(Cluster& cluster, const api::KeySpec& escrow, WallTime now);

// It has heard of this revocation, and holds no key: all of it, as far as is known.
bool HasConfirmed(const Revocation& revoked, const NodeState& node);
// The host that spoke last has; of one with the same identity that says nothing.
bool SaysItConfirms(const Revocation& revoked, const NodeState& node);
// It holds no key, because that was revoked.
bool IsSealed(const NodeState& node);
// Those of one region.
std::vector<NodeState> NodesIn(const Region& region, const std::vector<NodeState>& nodes);

// Takes in what all nodes of a region say; true when that ends something.
bool ConfirmKeys(Region& region, const std::vector<NodeState>& nodes, WallTime now);

// What a client sees.
api::CmekClusterInfo InfoOf(const Cluster& cluster, const std::vector<NodeState>& nodes);

}  // namespace freehold::control
