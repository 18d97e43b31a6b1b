// KeyChecks: looks at keys without changing what they stand over: which clusters use one, whether
// one could be used, and what the nodes' own say right now.
//
// Errors: as in clusters.h, and as in key_trials.h but for a key that cannot be used, which is an
// answer here. Threads: safe; Check blocks as a trial does. Spec: docs/api/cmek.md.
#pragma once

#include <string>
#include <vector>

#include "control/key_trials.h"
#include "control/model.h"

namespace freehold::control {

// What came of one key in one region.
struct KeyCheck {
  api::RegionSpec spec;
  std::string node;  // that tried it; "" = none could
  bool valid = false;
  std::string message;  // "Valid", or what is missing
};

// Where a key is, or was.
struct KeyUse {
  std::string cluster;
  std::string cluster_name;
  std::string region;
  api::CmekStatus status = api::CmekStatus::kDisabled;  // of the region
  bool is_present = false;                              // its newest key; else a past one
  api::KeyInfo key;
  std::optional<api::RegionCustody> custody;
  std::vector<std::string> nodes;  // whose KEK it wraps at this moment
};

struct NodeRecheck {
  std::string node;
  std::string region;
  bool connected = false;
  bool done = false;    // it has probed since the newest order
  std::string problem;  // the KMS's words; "" = the key can be used
};

struct Recheck {
  std::uint64_t number = 0;  // of the newest order
  std::vector<NodeRecheck> nodes;

  bool done() const;  // by every node
};

class KeyChecks {
 public:
  // All of them outlive it.
  KeyChecks(Store& store, KeyTrials& trials, const Clock& clock)
      : store_(store), trials_(trials), clock_(clock) {}

  // From the regions' own nodes: the cluster's, or free ones where it has none. `cluster` may be ""
  // for a cluster that is still to be made.
  Result<std::vector<KeyCheck>> Check(const Caller& caller, const std::string& cluster,
                                      const std::vector<api::RegionSpec>& specs);

  // Has every node of the cluster probe its key now. kPrecondition while that key may not be used
  // by them: revoked, or stopped.
  Result<Recheck> Begin(const Caller& caller, const std::string& cluster);
  // What has come of that.
  Result<Recheck> Look(const Caller& caller, const std::string& cluster);

  struct Uses {
    std::vector<KeyUse> uses;
    std::string next_page;  // of clusters; "" = this was the last one
  };
  // Among the clusters that the caller may see, whichever form of its URI was used. A page is of
  // clusters that were looked through.
  Result<Uses> UsesOf(const Caller& caller, const std::string& uri, const Page& page);

 private:
  Store& store_;
  KeyTrials& trials_;
  const Clock& clock_;
};

}  // namespace freehold::control
