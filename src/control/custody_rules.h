// What may become of a cluster's custody terms: rules over a Cluster, no I/O.
//
// Tighter is the customer's own affair; looser takes who may restore, as it gives back what
// somebody took. The operator's bounds count for what is set, at the moment when it is set: bounds
// that change later move no cluster. Errors: kForbidden, kPrecondition with one sentence, and then
// nothing has changed. Threads: values. Spec: docs/api/custody.md.
#pragma once

#include <string>
#include <vector>

#include "control/model.h"

namespace freehold::control {

// What a cluster's nodes are told, or would be.
api::CustodyTerms TermsOf(const Cluster& cluster);

// The names of what keeps data open longer, or opens it sooner, than before.
std::vector<std::string> Loosened(const api::CustodyTerms& before, const api::CustodyTerms& after);

// What a new cluster begins with: unset where the defaults lie within the bounds.
std::optional<api::CustodyTerms> FirstTerms(const api::CustodyBounds& bounds);

// What a change starts from: what its nodes are told; before anybody told them any, the tightest of
// the usual and of what each runs with, as its host's flags may be tighter.
api::CustodyTerms TermsBefore(const Cluster& cluster, const std::vector<NodeState>& nodes);

// By `caller`, who may manage the cluster's keys.
Status ChangeTerms(Cluster& cluster, const Organization& organization, const Caller& caller,
                   const api::CustodyTerms& before, const api::CustodyChange& change, WallTime now);

// What a node says that it runs with is what the cluster's nodes are told.
bool Applies(const Cluster& cluster, const NodeState& node);

}  // namespace freehold::control
