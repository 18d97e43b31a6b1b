#include "control/cluster_custody.h"

#include <boost/json.hpp>

#include "control/audit.h"
#include "control/cmek.h"
#include "control/custody_rules.h"
#include "control/nodes.h"
#include "control/outbox.h"
#include "control/restorers.h"

namespace freehold::control {
Result<ClusterCustody::Loaded> ClusterCustody::LoadFor(Transaction& transaction,
                                                       const Caller& caller, const std::string& id,
                                                       Permission permission) {
  Loaded loaded;
  CustodyView& view = loaded.view;
  view.cluster = TRY(Load<Cluster>(transaction, Kind::kCluster, id, "cluster"));
  TRY(Require(caller, permission, PlaceOf(view.cluster), "cluster", id));
  loaded.organization = TRY(Load<Organization>(transaction, Kind::kOrganization,
                                               view.cluster.organization, "organization"));
  view.bounds = loaded.organization.custody_bounds;
  const WallTime now = clock_.Wall();
  view.nodes = TRY(LoadStates(transaction, id, now));
  if (!view.cluster.project.empty()) {
    loaded.project =
        TRY(Load<Project>(transaction, Kind::kProject, view.cluster.project, "project"));
  }
  view.restore_warning =
      TRY(RestoreWarning(transaction, view.cluster, loaded.project, caller, now));
  return loaded;
}

Result<CustodyView> ClusterCustody::Get(const Caller& caller, const std::string& id) {
  CustodyView view;
  TRY(store_.Read([&](Transaction& transaction) -> Status {
    view = TRY(LoadFor(transaction, caller, id, Permission::kRead)).view;
    return {};
  }));
  return view;
}

Result<CustodyView> ClusterCustody::Change(const Caller& caller, const std::string& id,
                                           const api::CustodyChange& change) {
  CustodyView changed;
  TRY(ChangeAs(store_, caller, [&](Transaction& transaction) -> Status {
    Loaded loaded = TRY(LoadFor(transaction, caller, id, Permission::kManageKeys));
    Cluster& cluster = loaded.view.cluster;
    const api::CustodyTerms before = TermsBefore(cluster, loaded.view.nodes);
    TRY(ChangeTerms(cluster, loaded.organization, caller, before, change, clock_.Wall()));
    TRY(transaction.Put(ToRecord(cluster)));
    const auto loosened = Loosened(before, *cluster.terms);
    if (!loosened.empty()) {
      TRY(CheckMayRestoreProject(loaded.project, caller, clock_.Wall()));
      TRY(TellLoosened(transaction, cluster, caller, loosened, clock_.Wall()));
    }
    TRY(Note(transaction, clock_, caller, {"UPDATE_CUSTODY", PlaceOf(cluster), cluster.name},
             {{"before", api::ToJson(before)},
              {"after", api::ToJson(*cluster.terms)},
              {"loosened", boost::json::array(loosened.begin(), loosened.end())}}));
    changed = std::move(loaded.view);
    return {};
  }));
  return changed;
}

}  // namespace freehold::control
