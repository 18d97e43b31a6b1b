#include "agent/reconcile.h"

#include <array>

#include "fmt/format.h"

namespace freehold::agent {
namespace {

using api::DesiredState;
using api::NodeGoal;

Decision Problem(std::string sentence) { return {Step::kNothing, std::move(sentence)}; }

bool IsHeld(const Observed& observed) { return observed.held || observed.starting; }

// Only what is held has to be stopped.
Decision Down(const Observed& observed) {
  return {IsHeld(observed) ? Step::kStop : Step::kNothing, ""};
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
  return observed.key_uri == api::CanonicalUri(*desired.key) &&
         observed.principal == desired.key->auth_principal;
}

// Of an open volume.
Decision Keys(const DesiredState& desired, const Observed& observed) {
  if (!desired.key.has_value()) return {};
  const bool rewraps_are_done = observed.assignment->rewraps >= desired.rewraps;
  if (FollowsKey(desired, observed)) {
    if (!rewraps_are_done) return {Step::kRewrap, ""};
    const bool is_told =
        observed.assignment->key == desired.key && observed.assignment->fencing == desired.fencing;
    return {is_told ? Step::kNothing : Step::kTakeOrder, ""};
  }
  // What the operator's own key could read must not stay readable by it.
  const bool leaves_escrow = desired.customers && observed.key_uri == desired.escrow_uri;
  if (!leaves_escrow) return {Step::kRewrap, ""};
  // One re-encryption after the other.
  return {observed.deks == 1 ? Step::kReencrypt : Step::kNothing, ""};
}

Decision Open(const DesiredState& desired, const Observed& observed, bool may_open) {
  if (!observed.has_volume) {
    if (!desired.key.has_value()) {
      return Problem("the cluster has no key, and the operator has set no escrow key");
    }
    if (!may_open) return Problem("the server has not been heard for too long to make a volume");
    return {Step::kCreate, ""};
  }
  if (!observed.assignment.has_value() && observed.may_adopt) return {Step::kTakeOrder, ""};
  if (const std::string why = Mismatch(desired, observed); !why.empty()) {
    return {IsHeld(observed) ? Step::kStop : Step::kNothing, why};
  }
  if (!IsHeld(observed)) {
    if (!may_open) return Problem("the server has not been heard for too long to open the volume");
    return {Step::kStart, ""};
  }
  if (observed.custody == "sealed" && observed.custody_reason == "revoked") {
    return {Step::kOpen, ""};
  }
  if (observed.custody == "open" || observed.custody == "grace") return Keys(desired, observed);
  return {};
}

}  // namespace

std::string_view NameOf(Step step) {
  static constexpr std::array<std::string_view, 9> kNames = {
      "nothing", "create", "take-order", "start", "stop", "seal", "open", "rewrap", "re-encrypt"};
  return kNames[static_cast<std::size_t>(step)];
}

Decision Decide(const DesiredState& desired, const Observed& observed, bool may_open) {
  switch (desired.goal) {
    case NodeGoal::kIdle:
    case NodeGoal::kStopped:
      return Down(observed);
    case NodeGoal::kRevoked: {
      const bool is_sealed = observed.custody == "sealed" && observed.custody_reason == "revoked";
      return {observed.held && !is_sealed ? Step::kSeal : Step::kNothing, ""};
    }
    case NodeGoal::kOpen:
      return Open(desired, observed, may_open);
  }
  return {};
}

bool Obeys(const DesiredState& last, const DesiredState& next, bool is_answer) {
  const bool is_same_cluster = last.cluster == next.cluster;
  if (next.goal == NodeGoal::kRevoked && (is_same_cluster || last.cluster.empty())) return true;
  if (is_same_cluster && next.fencing < last.fencing) return false;
  if (last.epoch.empty() || is_answer) return true;
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
  }
  report.key_uri = observed.key_uri;
  report.custody = observed.custody;
  report.custody_reason = observed.custody_reason;
  report.custody_message = observed.custody_message;
  report.problem = problem;
  report.database = observed.database;
  report.old_key_bytes = observed.old_key_bytes;
  report.since = observed.since;
  report.last_verified_at = observed.last_verified_at;
  report.lease_expires_at = observed.lease_expires_at;
  // Nothing runs, and nothing will: that is as good as sealed.
  if (observed.has_volume && !observed.held) report.custody = "sealed";
  if (!IsHeld(observed) && desired.goal == NodeGoal::kRevoked) {
    report.custody = "sealed";
    report.custody_reason = "revoked";
  }
  return report;
}

}  // namespace freehold::agent
