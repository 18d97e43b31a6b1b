// The fields of what server and agents exchange, and of keys, for an Archive. For .cc files.
#pragma once

#include "api/archive.h"
#include "api/custody_fields.h"
#include "api/node.h"

namespace freehold::api {

template <>
inline constexpr int kEnumCount<NodeGoal> = kNodeGoalCount;

template <typename Archive>
void Fields(Archive& archive, KeySpec& spec) {
  archive("type", spec.type);
  archive("uri", spec.uri);
  archive("auth_principal", spec.auth_principal);
}

template <typename Archive>
void Fields(Archive& archive, KeyTrial& trial) {
  archive("id", trial.id);
  archive("spec", trial.spec);
  archive("external_id", trial.external_id);
}

template <typename Archive>
void Fields(Archive& archive, DesiredState& state) {
  archive("epoch", state.epoch);
  archive("revision", state.revision);
  archive("node", state.node);
  archive("region", state.region);
  archive("organization", state.organization);
  archive("cluster", state.cluster);
  archive("cluster_name", state.cluster_name);
  archive("fencing", state.fencing);
  archive("goal", state.goal);
  archive("key", state.key);
  archive("rewraps", state.rewraps);
  archive("rekeys", state.rekeys);
  archive("reencrypts", state.reencrypts);
  archive("opens", state.opens);
  archive("customers", state.customers);
  archive("escrow_uri", state.escrow_uri);
  archive("rechecks", state.rechecks);
  archive("custody", state.custody);
  archive("trials", state.trials);
}

template <typename Archive>
void Fields(Archive& archive, TrialAnswer& answer) {
  archive("id", answer.id);
  archive("usable", answer.usable);
  archive("message", answer.message);
}

template <typename Archive>
void Fields(Archive& archive, NodeReport& report) {
  archive("epoch", report.epoch);
  archive("revision", report.revision);
  archive("region", report.region);
  archive("organization", report.organization);
  archive("cluster", report.cluster);
  archive("cluster_name", report.cluster_name);
  archive("fencing", report.fencing);
  archive("key_uri", report.key_uri);
  archive("key", report.key);
  archive("key_version", report.key_version);
  archive("rewraps", report.rewraps);
  archive("rekeys", report.rekeys);
  archive("reencrypts", report.reencrypts);
  archive("opens", report.opens);
  archive("custody", report.custody);
  archive("custody_reason", report.custody_reason);
  archive("custody_message", report.custody_message);
  archive("failure_class", report.failure_class);
  archive("on_denied", report.on_denied);
  archive("deletion_at", report.deletion_at);
  archive("problem", report.problem);
  archive("database", report.database);
  archive("old_key_bytes", report.old_key_bytes);
  archive("rechecks", report.rechecks);
  archive("recheck_problem", report.recheck_problem);
  archive("since", report.since);
  archive("last_verified_at", report.last_verified_at);
  archive("lease_expires_at", report.lease_expires_at);
  archive("seals_at", report.seals_at);
  archive("next_probe_at", report.next_probe_at);
  archive("terms", report.terms);
  archive("terms_told", report.terms_told);
  archive("answers", report.answers);
  archive("instance", report.instance);
}

}  // namespace freehold::api
