// KeyNews: what is worth telling of a region's key, from what its nodes say: once for each
// occurrence, whichever node said it and however often.
//
// What was told already is remembered by cluster and region, in the store beside the cluster. Rules
// without I/O; outbox.h sends. Threads: values. Spec: docs/api/contacts.md.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "control/model.h"
#include "control/notice.h"

namespace freehold::control {

// What has been told of a region's present key.
struct RegionNews {
  std::string key_uri;  // canonical
  bool denied = false;
  bool sealed = false;
  bool in_grace = false;                    // a warning is on its way, or has gone out
  std::vector<std::string> grace_messages;  // that can be taken back while they wait
  std::vector<WallTime> deletions;          // dates that it was to be deleted at
  std::vector<std::string> versions;        // that its nodes were under
};

struct ClusterNews {
  std::string cluster;  // id
  std::map<std::string, RegionNews> regions;
};

// What follows from what the nodes say.
struct News {
  std::vector<Notice> notices;
  // To be sent at that time unless it is taken back before.
  std::optional<Notice> grace_warning;
  WallTime warn_at;
  bool takes_back_warning = false;
  // The key can be used again: told if a failure was, or if the warning had gone out.
  std::optional<Notice> returned;
  bool failure_was_told = false;
};

// Changes `told` to what has been told once `news` is.
News NewsOf(RegionNews& told, const Cluster& cluster, const Region& region,
            const std::vector<NodeState>& nodes);

Notice RevocationNotice(const Cluster& cluster, const std::string& by, bool revoked);

Record ToRecord(const ClusterNews& news);
Result<ClusterNews> LoadNews(Transaction& transaction, const std::string& cluster);

}  // namespace freehold::control
