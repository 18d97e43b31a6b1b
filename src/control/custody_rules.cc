#include "control/custody_rules.h"

#include <algorithm>

#include "control/cmek.h"
#include "fmt/format.h"

namespace freehold::control {
namespace {

using api::CustodyBounds;
using api::CustodyTerms;
using api::DurationTerm;

Error OutOfBounds(std::string_view name, const std::string& what) {
  return Error(ErrorCode::kForbidden, fmt::format("{}: the operator allows {}", name, what));
}

template <typename T>
Status CheckAllowed(const char* name, const std::vector<T>& allowed, T wanted) {
  if (allowed.empty() || std::find(allowed.begin(), allowed.end(), wanted) != allowed.end()) {
    return {};
  }
  std::string names;
  for (const T one : allowed)
    names += fmt::format("{}'{}'", names.empty() ? "" : " or ", NameOf(one));
  return OutOfBounds(name, names + " only");
}

// Of what changes; what stays was right when it was set.
Status CheckBounds(const CustodyBounds& bounds, const CustodyTerms& before,
                   const CustodyTerms& after) {
  for (const DurationTerm& term : api::DurationTerms()) {
    const auto range = bounds.durations.find(term.name);
    const Duration wanted = after.*term.value;
    if (range == bounds.durations.end() || wanted == before.*term.value) continue;
    const auto& [lowest, highest] = range->second;
    if (lowest.has_value() && wanted < *lowest) {
      return OutOfBounds(term.name, fmt::format("{} and more", FormatSetting(*lowest)));
    }
    if (highest.has_value() && wanted > *highest) {
      return OutOfBounds(term.name, fmt::format("at most {}", FormatSetting(*highest)));
    }
  }
  if (after.on_denied != before.on_denied) {
    TRY(CheckAllowed("on_denied", bounds.on_denied, after.on_denied));
  }
  if (after.on_key_return != before.on_key_return) {
    TRY(CheckAllowed("on_key_return", bounds.on_key_return, after.on_key_return));
  }
  return {};
}

std::string Listed(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
  return list;
}

Status CheckMayLoosen(const Cluster& cluster, const Caller& caller,
                      const std::vector<std::string>& loosened, WallTime now) {
  const auto roles = caller.RolesFor(Permission::kRestoreKeys, PlaceOf(cluster));
  if (roles.empty()) {
    return Error(ErrorCode::kForbidden,
                 fmt::format("{}: to loosen custody needs a role with the permission '{}' here",
                             Listed(loosened), NameOf(Permission::kRestoreKeys)));
  }
  if (!cluster.revoked.has_value()) return {};
  if (auto allowed = CheckMayRestore(*cluster.revoked, caller, roles, now); !allowed.ok()) {
    return allowed.error().Because(Listed(loosened));
  }
  return {};
}

}  // namespace

CustodyTerms TermsOf(const Cluster& cluster) { return cluster.terms.value_or(CustodyTerms()); }

std::vector<std::string> Loosened(const CustodyTerms& before, const CustodyTerms& after) {
  std::vector<std::string> names;
  for (const DurationTerm& term : api::DurationTerms()) {
    if (term.longer_is_looser && after.*term.value > before.*term.value) {
      names.emplace_back(term.name);
    }
  }
  if (after.on_denied == OnDenied::kAlert && before.on_denied != OnDenied::kAlert) {
    names.emplace_back("on_denied");
  }
  if (after.on_key_return == OnKeyReturn::kAuto && before.on_key_return != OnKeyReturn::kAuto) {
    names.emplace_back("on_key_return");
  }
  return names;
}

std::optional<CustodyTerms> FirstTerms(const CustodyBounds& bounds) {
  CustodyTerms terms;
  for (const DurationTerm& term : api::DurationTerms()) {
    const auto range = bounds.durations.find(term.name);
    if (range == bounds.durations.end()) continue;
    Duration& value = terms.*term.value;
    value = std::max(value, range->second.lowest.value_or(value));
    value = std::min(value, range->second.highest.value_or(value));
  }
  const auto choose = [](auto& choice, const auto& allowed) {
    if (allowed.empty()) return;
    if (std::find(allowed.begin(), allowed.end(), choice) == allowed.end())
      choice = allowed.front();
  };
  choose(terms.on_denied, bounds.on_denied);
  choose(terms.on_key_return, bounds.on_key_return);
  if (terms == CustodyTerms()) return std::nullopt;
  return terms;
}

CustodyTerms TermsBefore(const Cluster& cluster, const std::vector<NodeState>& nodes) {
  CustodyTerms before = TermsOf(cluster);
  if (cluster.terms.has_value()) return before;
  for (const NodeState& node : nodes) {
    if (node.terms.has_value()) before = api::Tighter(before, *node.terms);
  }
  return before;
}

Status ChangeTerms(Cluster& cluster, const Organization& organization, const Caller& caller,
                   const CustodyTerms& before, const api::CustodyChange& change, WallTime now) {
  if (cluster.state == ClusterState::kDeleting) {
    return Error(ErrorCode::kPrecondition, "the cluster is being deleted");
  }
  const CustodyTerms after = change.AppliedTo(before);
  TRY(CheckBounds(organization.custody_bounds, before, after));
  if (const auto loosened = Loosened(before, after); !loosened.empty()) {
    TRY(CheckMayLoosen(cluster, caller, loosened, now));
  }
  cluster.terms = after;
  cluster.updated_at = now;
  return {};
}

bool Applies(const Cluster& cluster, const NodeState& node) {
  return cluster.terms.has_value() && node.terms == cluster.terms;
}

}  // namespace freehold::control
