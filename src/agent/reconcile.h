// What a node does next, from what is wanted and what there is: decisions, no I/O.
//
// One step at a time; after it the node looks again. Whatever the order in which things happened,
// the same desired state leads to the same end. Threads: values. Spec: docs/api/agents.md.
#pragma once

#include <optional>
#include <string>

#include "agent/assignment.h"
#include "api/node.h"

namespace freehold::agent {

// What the agent was started with.
struct HostTerms {
  api::CustodyTerms own;                            // where no server has told others
  api::CustodyTerms loosest = api::LoosestTerms();  // that any server's order comes to
};

// What there is.
struct Observed {
  bool has_volume = false;
  std::optional<Assignment> assignment;  // of the volume
  bool may_adopt = false;                // one that belongs to no cluster
  std::string made_for;                  // the cluster that its keyring names as its first
  bool was_here = false;                 // this host has had a volume in that directory
  bool revoked_on_disk = false;          // whoever opens it next finds that it must not
  std::string key_uri;                   // canonical; that its KEK is wrapped by
  std::string key_version;
  std::string principal;
  bool may_disenrol = false;  // back under the operator's key
  std::size_t deks = 0;
  bool held = false;      // a process holds it
  bool starting = false;  // one was started that does not answer yet
  std::string custody;    // its words; "" while it is not held
  std::string custody_reason;
  std::string custody_message;
  std::string failure_class;  // of the KMS's last answer that was no success; "" = none
  std::string on_denied;
  std::optional<WallTime> deletion_at;
  std::string database;  // "down", "starting", "ready"
  std::uint64_t old_key_bytes = 0;
  HostTerms terms;
  std::optional<CustodySettings> settings;  // that the process runs with which holds the volume
  std::optional<WallTime> since;
  std::optional<WallTime> last_verified_at;
  std::optional<WallTime> lease_expires_at;
  std::optional<WallTime> seals_at;
  std::optional<WallTime> next_probe_at;
};

enum class Step {
  kNothing,
  kCreate,     // the volume, under the wanted key
  kTakeOrder,  // only the assignment changes
  kStart,      // the daemon and its database
  kStop,       // both, in order
  kSeal,       // now, for good
  kOpen,       // takes a seal back
  kRewrap,     // the wanted key, the same KEK
  kReencrypt,  // the wanted key, a new KEK and new DEKs
  kRekey,      // the wanted key, a new KEK, the same DEKs
  kCustody,    // other settings for the process that holds the volume
};
std::string_view NameOf(Step step);

// A customer's volume, and an order to bring it under a key of the operator's.
inline constexpr const char* kLeavesNoCustomer =
    "the volume is under a customer's key, and this host gives none back to the operator's; start "
    "the agent with --allow-disenrol if it is to";

struct Decision {
  Step step = Step::kNothing;
  std::string problem;  // why nothing can be done; "" = nothing is to be done
};

// `may_open`: the server's word is not too old to open a volume by.
Decision Decide(const api::DesiredState& desired, const Observed& observed, bool may_open);

// What the volume is to remember once a step of an order is done; `present` before it. What is
// still to be done of the order is not in it. `adopts`: a volume without an assignment was
// another's.
Assignment OrderAfter(Step done, const api::DesiredState& desired,
                      const std::optional<Assignment>& present, bool adopts);

// What is to be in force here: what the server told, all of it, as far as the host lets it; or else
// the host's own.
api::CustodyTerms TermsFor(const api::DesiredState& desired, const HostTerms& host);

// What a server had heard from us when it said something; an event answers nothing.
struct Answered {
  std::string epoch;
  std::uint64_t revision = 0;
};

// Whether `next` is to be obeyed after `last`. Events only hint: another store, or an older state
// of this one, is believed only as the answer to a report that told it of `last`, so that no answer
// which comes late undoes what was obeyed since. A revoke of this very cluster is always obeyed.
bool Obeys(const api::DesiredState& last, const api::DesiredState& next,
           const std::optional<Answered>& answered);

// What the server is to know.
api::NodeReport ReportOf(const api::DesiredState& desired, const Observed& observed,
                         const std::string& problem);

}  // namespace freehold::agent
