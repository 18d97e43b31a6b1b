#include "agent/reconcile.h"

#include <array>

#include "fmt/format.h"

namespace freehold::agent {
namespace {

using api::DesiredState;
using api::NodeGoal;

Decision Problem(std::string sentence) { return {Step::kNothing, std::move(sentence)}; }

bool IsHeld(const Observed& observed) { return observed.held || observed.starting; }

// Only what is held has to be stopped, and what somebody else runs here is not ours.
Decision Down(const Observed& observed) {
  const bool is_ours = observed.assignment.has_value();
  return {is_ours && IsHeld(observed) ? Step::kStop : Step::kNothing, ""};
}

// Why this volume is not the one that the order is about; "" when it is.
std::string Mismatch(const DesiredState& desired, const Observed& observed) {
  if (!observed.assignment.has_value()) {
    return "there is a volume here that belongs to no cluster; start the agent with --adopt to "
           "take it over";
  }
  if (observed.assignment->cluster != desired.cluster) {
    return fmt::format("the volume here belongs to cluster {}; move it away first",
                       observed.assignment->cluster);
  }
  if (observed.assignment->fencing > desired.fencing) {
    return fmt::format("the volume was assigned with number {} already, and this order has {}",
                       observed.assignment->fencing, desired.fencing);
  }
  return "";
}

bool FollowsKey(const DesiredState& desired, const Observed& observed) {
  return CanonicalKeyUri(observed.key_uri) == api::CanonicalUri(*desired.key) &&
         observed.principal == desired.key->auth_principal;
}

// Of an open volume.
Decision Keys(const DesiredState& desired, const Observed& observed) {
  if (!desired.key.has_value()) return {};
  // One re-encryption after the other.
  const Step reencrypt = observed.deks == 1 ? Step::kReencrypt : Step::kNothing;
  const bool rewraps_are_done = observed.assignment->rewraps >= desired.rewraps;
  // What another key than a customer's could read must not stay readable by it.
  if (desired.customers && !observed.assignment->customers) {
    return {reencrypt, ""};
  }
  // Whatever the order calls it.
  const bool is_operators = !desired.customers || NameSameKey(desired.key->uri, desired.escrow_uri);
  if (is_operators && observed.assignment->customers && !observed.may_disenrol) {
    return Problem(kLeavesNoCustomer);
  }
  if (!FollowsKey(desired, observed) || !rewraps_are_done) return {Step::kRewrap, ""};
  if (observed.assignment->reencrypts < desired.reencrypts) return {reencrypt, ""};
  if (observed.assignment->rekeys < desired.rekeys) return {Step::kRekey, ""};
  const bool is_told = observed.assignment->key == desired.key &&
                       observed.assignment->fencing == desired.fencing &&
                       observed.assignment->opens >= desired.opens;
  return {is_told ? Step::kNothing : Step::kTakeOrder, ""};
}

// Its volume; or one that was made for it, and cut off before that was written down.
bool IsOf(const DesiredState& desired, const Observed& observed) {
  return desired.cluster ==
         (observed.assignment.has_value() ? observed.assignment->cluster : observed.made_for);
}

// Nobody holds a key, and nobody gets one, over any restart.
bool IsRevoked(const Observed& observed) {
  if (!observed.revoked_on_disk || observed.starting) return false;
  return !observed.held || observed.custody == "sealed";
}

// A restore: of a revoke, or by hand of what the KMS had sealed.
bool IsToOpen(const DesiredState& desired, const Observed& observed) {
  const bool by_kms = observed.custody_reason == "denied" || observed.custody_reason == "grace";
  return observed.custody_reason == "revoked" ||
         (by_kms && observed.assignment->opens < desired.opens);
}

Decision Open(const DesiredState& desired, const Observed& observed, bool may_open) {
  if (!observed.has_volume) {
    if (!desired.key.has_value()) {
      return Problem("the cluster has no key, and the operator has set no escrow key");
    }
    if (observed.was_here) {
      return Problem("the volume of this host is not there; its disk may not be mounted");
    }
    if (!may_open) return Problem("the server has not been heard for too long to make a volume");
    return {Step::kCreate, ""};
  }
  if (!observed.assignment.has_value() && (observed.may_adopt || IsOf(desired, observed))) {
    return {Step::kTakeOrder, ""};
  }
  if (const std::string why = Mismatch(desired, observed); !why.empty()) {
    return {Down(observed).step, why};
  }
  if (!IsHeld(observed)) {
    if (!may_open) return Problem("the server has not been heard for too long to open the volume");
    return {Step::kStart, ""};
  }
  if (observed.settings.has_value() && *observed.settings != TermsFor(desired, observed.terms)) {
    return {Step::kCustody, ""};
  }
  if (observed.custody == "sealed" && IsToOpen(desired, observed)) return {Step::kOpen, ""};
  if (observed.custody == "open" || observed.custody == "grace") return Keys(desired, observed);
  return {};
}

}  // namespace

std::string_view NameOf(Step step) {
  static constexpr std::array<std::string_view, 11> kNames = {
      "nothing", "create", "take-order", "start", "stop",   "seal",
      "open",    "rewrap", "re-encrypt", "rekey", "custody"};
  return kNames[static_cast<std::size_t>(step)];
}

Decision Decide(const DesiredState& desired, const Observed& observed, bool may_open) {
  if (desired.epoch.empty()) return {};  // nothing was ever ordered
  switch (desired.goal) {
    case NodeGoal::kIdle:
    case NodeGoal::kStopped:
      return Down(observed);
    case NodeGoal::kRevoked: {
      const bool is_done = !observed.has_volume || IsRevoked(observed);
      return {IsOf(desired, observed) && !is_done ? Step::kSeal : Step::kNothing, ""};
    }
    case NodeGoal::kOpen:
      return Open(desired, observed, may_open);
  }
  return {};
}

Assignment OrderAfter(Step done, const DesiredState& desired,
                      const std::optional<Assignment>& present, bool adopts) {
  const bool is_new = done == Step::kCreate || !present.has_value();
  const bool has_new_keys = done == Step::kCreate || done == Step::kReencrypt;
  Assignment order = present.value_or(Assignment());
  // No other key than a customer's could ever read it.
  const bool cut_off = has_new_keys || (is_new && !adopts) || order.customers;
  order.organization = desired.organization;
  order.cluster = desired.cluster;
  order.cluster_name = desired.cluster_name;
  order.fencing = desired.fencing;
  // A volume that was sealed is opened before it is brought under a key.
  if (done != Step::kOpen) {
    order.key = desired.key;
    order.rewraps = desired.rewraps;
    order.customers = desired.customers && cut_off;
  }
  if (is_new || has_new_keys || done == Step::kRekey) order.rekeys = desired.rekeys;
  if (is_new || has_new_keys) order.reencrypts = desired.reencrypts;
  if (has_new_keys || done == Step::kRekey) order.renewing.clear();
  if (is_new || done == Step::kOpen || done == Step::kTakeOrder) order.opens = desired.opens;
  return order;
}

api::CustodyTerms TermsFor(const DesiredState& desired, const HostTerms& host) {
  return desired.custody.has_value() ? api::Tighter(*desired.custody, host.loosest) : host.own;
}

bool Obeys(const DesiredState& last, const DesiredState& next,
           const std::optional<Answered>& answered) {
  const bool is_same_cluster = last.cluster == next.cluster;
  if (next.goal == NodeGoal::kRevoked && (is_same_cluster || last.cluster.empty())) return true;
  if (is_same_cluster && next.fencing < last.fencing) return false;
  if (last.epoch.empty()) return true;
  if (answered.has_value() && answered->epoch == last.epoch &&
      answered->revision == last.revision) {
    return true;
  }
  return next.epoch == last.epoch && next.revision >= last.revision;
}

api::NodeReport ReportOf(const DesiredState& desired, const Observed& observed,
                         const std::string& problem) {
  api::NodeReport report;
  report.epoch = desired.epoch;
  report.revision = desired.revision;
  report.region = desired.region;
  if (observed.assignment.has_value()) {
    report.organization = observed.assignment->organization;
    report.cluster = observed.assignment->cluster;
    report.cluster_name = observed.assignment->cluster_name;
    report.fencing = observed.assignment->fencing;
    report.key = observed.assignment->key;
    report.rewraps = observed.assignment->rewraps;
    report.rekeys = observed.assignment->rekeys;
    report.reencrypts = observed.assignment->reencrypts;
    report.opens = observed.assignment->opens;
  }
  report.key_uri = observed.key_uri;
  report.key_version = observed.key_version;
  report.custody = observed.custody;
  report.custody_reason = observed.custody_reason;
  report.custody_message = observed.custody_message;
  report.failure_class = observed.failure_class;
  report.on_denied = observed.on_denied;
  report.deletion_at = observed.deletion_at;
  report.problem = problem;
  report.database = observed.database;
  report.old_key_bytes = observed.old_key_bytes;
  report.terms = TermsFor(desired, observed.terms);
  if (observed.settings.has_value()) {
    static_cast<CustodySettings&>(*report.terms) = *observed.settings;
  }
  report.terms_told = desired.custody.has_value();
  report.since = observed.since;
  report.last_verified_at = observed.last_verified_at;
  report.lease_expires_at = observed.lease_expires_at;
  report.seals_at = observed.seals_at;
  report.next_probe_at = observed.next_probe_at;
  if (observed.has_volume && !observed.held) report.custody = "sealed";
  if (report.custody == "sealed" && report.custody_reason == "revoked") {
    report.custody_reason.clear();
  }
  // Without a volume there is no key; with one it is on the disk before it is said.
  const bool has_none = !observed.has_volume && !IsHeld(observed);
  if (IsRevoked(observed) || (has_none && desired.goal == NodeGoal::kRevoked)) {
    report.custody = "sealed";
    report.custody_reason = "revoked";
  }
  return report;
}

}  // namespace freehold::agent
