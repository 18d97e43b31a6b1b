#include "control/model.h"

#include <algorithm>
#include <array>

#include "api/custody_fields.h"
#include "api/node_fields.h"
#include "base/bytes.h"
#include "base/crash_point.h"
#include "fmt/format.h"

namespace freehold::api {

template <>
inline constexpr int kEnumCount<CmekStatus> = 11;
template <>
inline constexpr int kEnumCount<control::Role> = 6;
template <>
inline constexpr int kEnumCount<control::ClusterState> = 6;

template <typename Archive>
void Fields(Archive& archive, RegionSpec& spec) {
  archive("region", spec.region);
  archive("key_spec", spec.key_spec);
}

}  // namespace freehold::api

namespace freehold::control {

namespace {

template <typename T>
Record RecordOf(Kind kind, const T& value, const std::string& owner) {
  return {kind, value.id, owner, value.name, api::EncodeBody(value)};
}

}  // namespace

template <typename Archive>
void Fields(Archive& archive, Organization& organization) {
  archive("id", organization.id);
  archive("name", organization.name);
  archive("created_at", organization.created_at);
  archive("cmek_granted", organization.cmek_granted);
  archive("allowed_kms_types", organization.allowed_kms_types);
  archive("unique_keys", organization.unique_keys);
  archive("tested", organization.tested);
  archive("custody_bounds", organization.custody_bounds);
}

template <typename Archive>
void Fields(Archive& archive, Revocation& revocation) {
  archive("at", revocation.at);
  archive("by", revocation.by);
  archive("roles", revocation.roles);
  archive("of_project", revocation.of_project);
  archive("revision", revocation.revision);
}

template <typename Archive>
void Fields(Archive& archive, Project& project) {
  archive("id", project.id);
  archive("organization", project.organization);
  archive("name", project.name);
  archive("created_at", project.created_at);
  archive("cmek_enabled", project.cmek_enabled);
  archive("keys", project.keys);
  archive("past_keys", project.past_keys);
  archive("revoked", project.revoked);
}

template <typename Archive>
void Fields(Archive& archive, RegionKey& key) {
  archive("spec", key.spec);
  archive("status", key.status);
  archive("user_message", key.user_message);
  archive("created_at", key.created_at);
  archive("updated_at", key.updated_at);
  archive("versions", key.versions);
}

template <typename Archive>
void Fields(Archive& archive, Region& region) {
  archive("name", region.name);
  archive("node_count", region.node_count);
  archive("keys", region.keys);
  archive("rewraps", region.rewraps);
  archive("leaves_for", region.leaves_for);
  archive("left_keys", region.left_keys);
  archive("rekeys", region.rekeys);
  archive("reencrypts", region.reencrypts);
}

template <typename Archive>
void Fields(Archive& archive, Cluster& cluster) {
  archive("id", cluster.id);
  archive("organization", cluster.organization);
  archive("project", cluster.project);
  archive("name", cluster.name);
  archive("created_at", cluster.created_at);
  archive("updated_at", cluster.updated_at);
  archive("state", cluster.state);
  archive("regions", cluster.regions);
  archive("revoked", cluster.revoked);
  archive("rechecks", cluster.rechecks);
  archive("terms", cluster.terms);
  archive("opens", cluster.opens);
  archive("told", cluster.told);
}

template <typename Archive>
void Fields(Archive& archive, NodeInstances& instances) {
  archive("current", instances.current);
  archive("past", instances.past);
  archive("late", instances.late);
  archive("duplicated_at", instances.duplicated_at);
}

template <typename Archive>
void Fields(Archive& archive, NodeState& state) {
  archive("node", state.node);
  archive("reported_at", state.reported_at);
  archive("instances", state.instances);
  Fields(archive, static_cast<api::NodeReport&>(state));
}

template <typename Archive>
void Fields(Archive& archive, Node& node) {
  archive("id", node.id);
  archive("region", node.region);
  archive("cluster", node.cluster);
  archive("pinned", node.pinned);
  archive("fencing", node.fencing);
  archive("key_digest", node.key_digest);
  archive("next_key_digest", node.next_key_digest);
  archive("joined_at", node.joined_at);
}

template <typename Archive>
void Fields(Archive& archive, JoinToken& token) {
  archive("id", token.id);
  archive("region", token.region);
  archive("cluster", token.cluster);
  archive("secret_digest", token.secret_digest);
  archive("expires_at", token.expires_at);
  archive("used_by", token.used_by);
  archive("node", token.node);
}

template <typename Archive>
void Fields(Archive& archive, TrialRecord& trial) {
  archive("id", trial.id);
  archive("node", trial.node);
  archive("spec", trial.spec);
  archive("external_id", trial.external_id);
  archive("begun_at", trial.begun_at);
  archive("answer", trial.answer);
}

template <typename Archive>
void Fields(Archive& archive, Grant& grant) {
  archive("role", grant.role);
  archive("organization", grant.at.organization);
  archive("project", grant.at.project);
  archive("cluster", grant.at.cluster);
}

template <typename Archive>
void Fields(Archive& archive, ServiceAccount& account) {
  archive("id", account.id);
  archive("organization", account.organization);
  archive("name", account.name);
  archive("created_at", account.created_at);
  archive("grants", account.grants);
  archive("operator_touched_at", account.operator_touched_at);
}

template <typename Archive>
void Fields(Archive& archive, ApiKey& key) {
  archive("id", key.id);
  archive("service_account", key.service_account);
  archive("name", key.name);
  archive("secret_digest", key.secret_digest);
  archive("created_at", key.created_at);
  archive("operator_touched_at", key.operator_touched_at);
}

std::string_view NameOf(ClusterState state) {
  static constexpr std::array<std::string_view, 6> kNames = {"creating", "running",  "stopping",
                                                             "stopped",  "starting", "deleting"};
  return kNames[static_cast<std::size_t>(state)];
}

Record ToRecord(const Organization& organization) {
  return RecordOf(Kind::kOrganization, organization, "");
}
Record ToRecord(const Project& project) {
  return RecordOf(Kind::kProject, project, project.organization);
}
Record ToRecord(const Cluster& cluster) {
  Cluster loud = cluster;
  loud.told = 0;
  return RecordOf(Kind::kCluster, loud, loud.organization);
}
Record ToRecord(const ServiceAccount& account) {
  return RecordOf(Kind::kServiceAccount, account, account.organization);
}
Record ToRecord(const Node& node) {
  return {Kind::kNode, node.id, node.cluster, "", api::EncodeBody(node)};
}
Record ToRecord(const NodeState& state, const std::string& cluster) {
  return {Kind::kNodeState, state.node, cluster, "", api::EncodeBody(state)};
}
Record ToRecord(const JoinToken& token) {
  return {Kind::kJoinToken, token.id, "", "", api::EncodeBody(token)};
}
Record ToRecord(const TrialRecord& trial) {
  return {Kind::kKeyTrial, trial.id, trial.node, "", api::EncodeBody(trial)};
}
Record ToRecord(const ApiKey& key) { return RecordOf(Kind::kApiKey, key, key.service_account); }

Status PutCluster(Transaction& transaction, Cluster& cluster) {
  TRY(transaction.Put(ToRecord(cluster)));
  if (!cluster.revoked.has_value() || cluster.revoked->revision != 0) return {};
  const auto record = TRY(transaction.Get(Kind::kCluster, cluster.id));
  cluster.revoked->revision = record->revision;
  return transaction.Put(ToRecord(cluster));
}

std::uint64_t ToldRevision(const Record& record, const Cluster& cluster) {
  return cluster.told == 0 ? record.revision : cluster.told;
}

Status PutQuietly(Transaction& transaction, const Record& record, Cluster cluster) {
  cluster.told = ToldRevision(record, cluster);
  return transaction.Put(RecordOf(Kind::kCluster, cluster, cluster.organization));
}

Error Absent(std::string_view what, const std::string& id) {
  return Error(ErrorCode::kNotFound,
               fmt::format("there is no {} '{}', or you may not see it", what, Printable(id)));
}

Status Require(const Caller& caller, Permission permission, const Place& place,
               std::string_view what, const std::string& id) {
  Status allowed = caller.Require(permission, place);
  if (!allowed.ok() && allowed.error().code() == ErrorCode::kNotFound) return Absent(what, id);
  return allowed;
}

template <typename T>
Result<T> FromRecord(const Record& record) {
  return api::DecodeBody<T>(record.body, "a record of the store");
}

template <typename T>
Result<T> Load(Transaction& transaction, Kind kind, const std::string& id, std::string_view what) {
  const auto record = TRY(transaction.Get(kind, id));
  if (!record.has_value()) return Absent(what, id);
  return FromRecord<T>(*record);
}

template <typename T>
Result<std::vector<T>> LoadAll(Transaction& transaction, Kind kind, const std::string& owner,
                               const Page& page) {
  std::vector<T> all;
  for (const Record& record : TRY(transaction.List(kind, owner, page))) {
    all.push_back(TRY(FromRecord<T>(record)));
  }
  return all;
}

Status ChangeAs(Store& store, const Caller& caller,
                const std::function<Status(Transaction&)>& work) {
  CrashPoint("change.asked");
  TRY(store.Change([&](Transaction& transaction) -> Status {
    const auto key = TRY(transaction.Get(Kind::kApiKey, caller.api_key));
    const auto account = TRY(transaction.Get(Kind::kServiceAccount, caller.service_account));
    if (!key.has_value() || !account.has_value()) {
      return Error(ErrorCode::kUnauthenticated, "this API key was deleted");
    }
    TRY(work(transaction));
    CrashPoint("change.written");
    return {};
  }));
  CrashPoint("change.committed");
  return {};
}

Status CheckLabel(std::string_view what, const std::string& text, std::size_t longest) {
  const bool good = !text.empty() && text.size() <= longest &&
                    std::all_of(text.begin(), text.end(), [](unsigned char c) {
                      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
                    });
  if (good) return {};
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("{}: '{}' must be 1 to {} small letters, digits and hyphens", what,
                           Printable(text), longest));
}

Status CheckName(const std::string& name) {
  if (!name.empty() && name.size() <= kLongestName) return {};
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("name: must have 1 to {} characters", kLongestName));
}

template <typename T>
Result<std::vector<T>> LoadSeen(Transaction& transaction, Kind kind, const Caller& caller,
                                Page page) {
  std::vector<T> seen;
  for (;;) {
    auto some = TRY(LoadAll<T>(transaction, kind, caller.organization, page));
    const bool last = page.limit == 0 || some.size() < page.limit;
    if (!last) page.after = some.back().id;
    for (T& one : some) {
      if (!caller.Require(Permission::kRead, PlaceOf(one)).ok()) continue;
      seen.push_back(std::move(one));
      if (page.limit != 0 && seen.size() == page.limit) return seen;
    }
    if (last) return seen;
  }
}

#define FREEHOLD_LOADS(Type)                                                            \
  template Result<Type> FromRecord(const Record&);                                      \
  template Result<Type> Load(Transaction&, Kind, const std::string&, std::string_view); \
  template Result<std::vector<Type>> LoadAll(Transaction&, Kind, const std::string&, const Page&);
FREEHOLD_LOADS(Organization)
FREEHOLD_LOADS(Project)
FREEHOLD_LOADS(Cluster)
FREEHOLD_LOADS(Node)
FREEHOLD_LOADS(NodeState)
FREEHOLD_LOADS(JoinToken)
FREEHOLD_LOADS(TrialRecord)
FREEHOLD_LOADS(ServiceAccount)
FREEHOLD_LOADS(ApiKey)
#undef FREEHOLD_LOADS

template Result<std::vector<Project>> LoadSeen(Transaction&, Kind, const Caller&, Page);
template Result<std::vector<Cluster>> LoadSeen(Transaction&, Kind, const Caller&, Page);

Place PlaceOf(const Project& project) { return {project.organization, project.id, ""}; }
Place PlaceOf(const Cluster& cluster) {
  return {cluster.organization, cluster.project, cluster.id};
}

}  // namespace freehold::control
