#include "control/key_news.h"

#include <algorithm>

#include "api/archive.h"
#include "api/owner_commands.h"
#include "control/cmek.h"
#include "fmt/format.h"

namespace freehold::control {
namespace {

constexpr std::size_t kMostVersions = 50;
constexpr std::size_t kMostDates = 20;  // until the key can be used again

using Nodes = std::vector<NodeState>;

template <typename Predicate>
Nodes Those(const Nodes& nodes, const Predicate& predicate) {
  Nodes some;
  std::copy_if(nodes.begin(), nodes.end(), std::back_inserter(some), predicate);
  return some;
}

// Confirmed: a first "no" is looked at again before anything follows from it.
bool IsDenied(const NodeState& node) {
  if (node.custody_reason == "denied") {
    return node.custody == "sealing" || node.custody == "sealed";
  }
  if (node.custody == "grace" && node.seals_at.has_value()) return true;  // within its delay
  return node.custody == "grace" && node.failure_class == "denied" && node.on_denied == "alert";
}

bool IsInGrace(const NodeState& node) {
  return node.custody == "grace" && node.failure_class != "denied" && !node.seals_at.has_value() &&
         node.lease_expires_at.has_value();
}

bool IsSealedByKms(const NodeState& node) {
  return node.custody == "sealed" &&
         (node.custody_reason == "denied" || node.custody_reason == "grace");
}

bool IsOpen(const NodeState& node) { return node.custody == "open"; }

// Filled with what the nodes that saw it say.
Notice About(NoticeType type, const Cluster& cluster, const Region& region, const Nodes& seen_by) {
  Notice notice;
  notice.type = type;
  notice.at = PlaceOf(cluster);
  notice.cluster_name = cluster.name;
  notice.region = region.name;
  notice.key = region.keys.front().spec;
  for (const NodeState& node : seen_by) {
    notice.nodes.push_back(node.node);
    if (notice.kms_message.empty()) notice.kms_message = node.custody_message;
    if (node.since.has_value() && (!notice.since.has_value() || *node.since < *notice.since)) {
      notice.since = node.since;
    }
  }
  return notice;
}

std::string CheckCommand(const Notice& notice) {
  return fmt::format("freehold cmek check {}   # what exactly is missing, from its own nodes",
                     notice.cluster_name);
}

std::string RecheckCommand(const Notice& notice) {
  return fmt::format("freehold cmek recheck {} --wait   # then: its nodes try again at once",
                     notice.cluster_name);
}

void AddRepairs(Notice& notice) {
  const auto uri = KeyUri::Parse(notice.key->uri);
  const std::string enable = uri.ok() ? api::EnableCommand(*uri) : "";
  if (!enable.empty()) notice.commands.push_back(enable + "   # if it was disabled");
  notice.commands.push_back(CheckCommand(notice));
  notice.commands.push_back(RecheckCommand(notice));
}

Notice DeniedNotice(const Cluster& cluster, const Region& region, const Nodes& denied) {
  Notice notice = About(NoticeType::kDenied, cluster, region, denied);
  notice.what =
      fmt::format("The key of cluster {} in {} is refused by its KMS.", cluster.name, region.name);
  const bool only_alerts = denied.front().on_denied == "alert";
  notice.follows = only_alerts
                       ? "its data stays open, as on_denied is alert"
                       : "its databases stop and its data is sealed, at once; backups and copies "
                         "that are under this key cannot be read either";
  const bool all_are_delayed = std::all_of(denied.begin(), denied.end(), [](const NodeState& node) {
    return node.seals_at.has_value();
  });
  if (all_are_delayed) {
    notice.follows =
        "unless the key comes back before, its databases stop and its data is sealed when the "
        "delay that was chosen (seal_delay) ends";
    for (const NodeState& node : denied) {
      notice.follows_at = std::min(notice.follows_at.value_or(*node.seals_at), *node.seals_at);
    }
  }
  AddRepairs(notice);
  return notice;
}

Notice SealedNotice(const Cluster& cluster, const Region& region, const Nodes& sealed) {
  Notice notice = About(NoticeType::kSealed, cluster, region, sealed);
  const bool denied = sealed.front().custody_reason == "denied";
  notice.what = fmt::format("The data of cluster {} in {} is sealed, because its key {}.",
                            cluster.name, region.name,
                            denied ? "is refused by its KMS" : "could not be reached for too long");
  notice.follows =
      "its databases stay down until the key can be used; then they start again, by themselves "
      "unless on_key_return is manual";
  AddRepairs(notice);
  return notice;
}

Notice GraceNotice(const Cluster& cluster, const Region& region, const Nodes& in_grace) {
  Notice notice = About(NoticeType::kGraceEnding, cluster, region, in_grace);
  notice.what = fmt::format(
      "The key of cluster {} in {} cannot be reached; the data is open "
      "without fresh proof, under its grace.",
      cluster.name, region.name);
  for (const NodeState& node : in_grace) {
    if (!notice.follows_at.has_value() || *node.lease_expires_at < *notice.follows_at) {
      notice.follows_at = node.lease_expires_at;
    }
  }
  notice.follows = "unless the key answers before, its databases stop and its data is sealed";
  notice.commands = {CheckCommand(notice), RecheckCommand(notice)};
  return notice;
}

Notice DeletionNotice(const Cluster& cluster, const Region& region, const Nodes& nodes,
                      WallTime at) {
  Notice notice = About(NoticeType::kDeletionScheduled, cluster, region, nodes);
  notice.what = fmt::format("The key of cluster {} in {} is scheduled for deletion at {}.",
                            cluster.name, region.name, FormatTime(at));
  notice.follows = "the data under it, and every backup of it, is lost for ever";
  notice.follows_at = at;
  const auto uri = KeyUri::Parse(notice.key->uri);
  if (uri.ok()) notice.commands = api::CancelDeletionCommands(*uri);
  notice.commands.push_back(RecheckCommand(notice));
  return notice;
}

Notice ReturnedNotice(const Cluster& cluster, const Region& region, const Nodes& nodes) {
  Notice notice = About(NoticeType::kReturned, cluster, region, nodes);
  notice.kms_message.clear();
  notice.what = fmt::format("The key of cluster {} in {} can be used again, and its data is open.",
                            cluster.name, region.name);
  return notice;
}

// The versions that nodes are under and that nobody was told of.
void AddNewVersions(RegionNews& told, const Cluster& cluster, const Region& region,
                    const Nodes& nodes, std::vector<Notice>& notices) {
  const bool is_first = told.versions.empty();
  for (const NodeState& node : nodes) {
    const std::string& version = node.key_version;
    const auto known = std::find(told.versions.begin(), told.versions.end(), version);
    if (version.empty() || known != told.versions.end()) continue;
    told.versions.push_back(version);
    if (told.versions.size() > kMostVersions) told.versions.erase(told.versions.begin());
    if (is_first) continue;
    Notice notice = About(NoticeType::kNewVersion, cluster, region, {node});
    notice.kms_message.clear();
    notice.since.reset();
    notice.what = fmt::format(
        "The key of cluster {} in {} has a new version, {}; the data's keys "
        "are wrapped by it.",
        cluster.name, region.name, version);
    notice.follows = "older versions are still needed for backups that were made under them";
    notices.push_back(std::move(notice));
  }
}

}  // namespace

News NewsOf(RegionNews& told, const Cluster& cluster, const Region& region, const Nodes& all) {
  News news;
  const std::string uri = region.keys.empty() ? "" : api::CanonicalUri(region.keys.front().spec);
  const bool is_ours_to_stop = cluster.revoked.has_value() ||
                               cluster.state == ClusterState::kStopping ||
                               cluster.state == ClusterState::kStopped;
  told.key_uri = CanonicalKeyUri(told.key_uri);  // an older release had other spellings
  if (told.key_uri != uri || is_ours_to_stop) {
    // Another key, or sealed because somebody wanted that: what was told is no longer the matter.
    news.takes_back_warning = told.in_grace;
    std::vector<std::string> versions;
    if (told.key_uri == uri) versions = std::move(told.versions);
    told = RegionNews{uri, false, false, false, std::move(told.grace_messages), {}, {}};
    told.versions = std::move(versions);
  }
  if (uri.empty() || is_ours_to_stop) return news;
  const Nodes here =
      Those(NodesIn(region, all), [&](const NodeState& node) { return node.key_uri == uri; });
  AddNewVersions(told, cluster, region, here, news.notices);
  const Nodes denied = Those(here, IsDenied);
  const Nodes sealed = Those(here, IsSealedByKms);
  const Nodes in_grace = Those(here, IsInGrace);
  if (!denied.empty() && !told.denied) {
    news.notices.push_back(DeniedNotice(cluster, region, denied));
    told.denied = true;
  }
  for (const NodeState& node : here) {
    if (!node.deletion_at.has_value()) continue;
    const auto known = std::find(told.deletions.begin(), told.deletions.end(), *node.deletion_at);
    if (known != told.deletions.end() || told.deletions.size() >= kMostDates) continue;
    told.deletions.push_back(*node.deletion_at);
    news.notices.push_back(DeletionNotice(cluster, region, {node}, *node.deletion_at));
  }
  if (!sealed.empty() && !told.sealed) {
    news.notices.push_back(SealedNotice(cluster, region, sealed));
    told.sealed = true;
  }
  if (!in_grace.empty() && !told.in_grace && !told.denied && !told.sealed) {
    news.grace_warning = GraceNotice(cluster, region, in_grace);
    const WallTime end = *news.grace_warning->follows_at;
    const WallTime begin = in_grace.front().last_verified_at.value_or(end);
    news.warn_at = end + -(end - begin) / 2;
    told.in_grace = true;
  }
  if (!here.empty() && std::all_of(here.begin(), here.end(), IsOpen) &&
      (told.denied || told.sealed || told.in_grace)) {
    news.returned = ReturnedNotice(cluster, region, here);
    news.failure_was_told = told.denied || told.sealed;
    news.takes_back_warning = told.in_grace;
    told.denied = told.sealed = told.in_grace = false;
    told.deletions.clear();
  } else if (told.in_grace && (told.denied || told.sealed)) {
    news.takes_back_warning = true;  // it came to that: said by what it became
    told.in_grace = false;
  }
  return news;
}

Notice RevocationNotice(const Cluster& cluster, const std::string& by, bool revoked) {
  Notice notice;
  notice.type = revoked ? NoticeType::kRevoked : NoticeType::kRestored;
  notice.at = PlaceOf(cluster);
  notice.cluster_name = cluster.name;
  notice.what =
      fmt::format("The keys of cluster {} were {} over the API by the service account {}.",
                  cluster.name, revoked ? "revoked" : "restored", by);
  if (revoked) {
    notice.follows =
        "its databases stop and its data is sealed, until another service account restores it";
    notice.commands = {
        fmt::format("freehold cmek status {}   # which nodes have confirmed", cluster.name),
        fmt::format("freehold cmek restore {}   # by another account than the one that revoked",
                    cluster.name)};
  } else {
    notice.follows = "its nodes open its data and start its databases";
    notice.commands = {
        fmt::format("freehold cmek revoke {}   # if that was not meant to be", cluster.name)};
  }
  return notice;
}

template <typename Archive>
void Fields(Archive& archive, RegionNews& news) {
  archive("key_uri", news.key_uri);
  archive("denied", news.denied);
  archive("sealed", news.sealed);
  archive("in_grace", news.in_grace);
  archive("grace_messages", news.grace_messages);
  archive("deletions", news.deletions);
  archive("versions", news.versions);
}

template <typename Archive>
void Fields(Archive& archive, ClusterNews& news) {
  archive("cluster", news.cluster);
  archive("regions", news.regions);
}

Record ToRecord(const ClusterNews& news) {
  return {Kind::kKeyNews, news.cluster, "", "", api::EncodeBody(news)};
}

Result<ClusterNews> LoadNews(Transaction& transaction, const std::string& cluster) {
  const auto record = TRY(transaction.Get(Kind::kKeyNews, cluster));
  if (record.has_value()) {
    return api::DecodeBody<ClusterNews>(record->body, "a record of the store");
  }
  ClusterNews news;
  news.cluster = cluster;
  return news;
}

}  // namespace freehold::control
