// VolumeHost: the one volume of this host, as the agent sees it and what it does with it.
//
// Everything is a request to the process that holds the volume, or a command of this program.
// Errors: those of the commands and of the control socket, one sentence. Threads: SealNow, Try
// and Recheck may be called beside the others. Spec: docs/control-socket.md.
#pragma once

#include <sys/types.h>

#include <boost/json/object.hpp>
#include <map>
#include <string>
#include <vector>

#include "agent/own_command.h"
#include "agent/reconcile.h"
#include "base/clock.h"
#include "node/volume.h"

namespace freehold::agent {

struct HostOptions {
  std::string volume;                             // directory
  std::string state;                              // where this machine remembers its volumes
  std::vector<std::string> create_arguments;      // all but the key's
  std::vector<std::string> run_arguments;         // all but those of custody
  std::vector<std::string> allow_keys;            // canonical patterns: no other key is ever used
  std::string log_path;                           // of what runs
  std::map<std::string, std::string> identities;  // variable of a provider: template
  bool adopt = false;                             // a volume that belongs to no cluster yet
  std::vector<std::string> operators_keys;        // likewise: a customer's volume goes under none
  bool allow_disenrol = false;                    // from a customer's key back to the operator's
  HostTerms terms;
};

class VolumeHost {
 public:
  VolumeHost(HostOptions options, const Clock& clock)
      : options_(std::move(options)), paths_(options_.volume), clock_(clock) {}

  api::CustodyTerms TermsFor(const api::DesiredState& desired) const {
    return agent::TermsFor(desired, options_.terms);
  }
  Observed Look();
  Status Do(Step step, const api::DesiredState& desired);
  // By whoever holds the volume; if nobody does, on the disk, for whoever opens it next. kBusy
  // while somebody is about to open it.
  Status SealNow();
  // Waits until nobody holds it.
  Status Stop();
  // `cluster`: the node's.
  api::TrialAnswer Try(const api::KeyTrial& trial, const std::string& cluster) const;
  // Has the volume's daemon probe its key now. What came of it: the KMS's words, or why there is
  // no key to be used here; "" = it can be used.
  std::string Recheck() const;

 private:
  Status Create(const api::DesiredState& desired);
  Status Start(const api::DesiredState& desired);
  Status SetCustody(const CustodySettings& settings);
  // The text of the URI of the key that the volume is to be brought under. kKeyringRefused where it
  // is not allowed here; kForbidden for one of the operator's that is called a customer's, or that
  // would take a customer's place.
  Result<std::string> KeyOf(const api::DesiredState& desired) const;
  // Who we are for this cluster's customer.
  Variables IdentitiesFor(const std::string& cluster) const;
  Status RenewKeys(Step step, const api::DesiredState& desired);
  // `request`: what goes with the command beside the key.
  Status ChangeKey(const char* command, const api::DesiredState& desired,
                   boost::json::object request);
  // What an order has come to, and nothing that is still to be done.
  Status TakeOrder(const api::DesiredState& desired, Step done);
  void LookAtPin(const Keyring& keyring, Observed& observed) const;
  void LookAtDaemon(Observed& observed);
  bool OursRuns();
  bool IsRun();

  const HostOptions options_;
  const VolumePaths paths_;
  const Clock& clock_;
  bool ended_at_once_ = false;
  pid_t running_ = 0;  // `freehold run`, when we started it
};

}  // namespace freehold::agent
