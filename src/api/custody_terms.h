// CustodyTerms: what a customer sets for the custody of a cluster's keys, and the bounds that an
// operator gives an organization for that.
//
// The same names everywhere (custody/custody_settings.h), times as texts such as "1m30s". Errors:
// kInvalidArgument with one sentence. Threads: values. Spec: docs/api/custody.md.
#pragma once

#include <boost/json/fwd.hpp>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "api/json_reader.h"
#include "custody/custody_settings.h"

namespace freehold::api {

struct CustodyTerms : CustodySettings {
  // How old the server's word may be by which a node opens its volume.
  Duration open_grant = std::chrono::hours(1);

  bool operator==(const CustodyTerms&) const = default;
};

// The terms that are times.
struct DurationTerm {
  const char* name;
  Duration CustodyTerms::*value;
  Duration least;
  bool longer_is_looser;  // data stays open longer without the key
};
std::span<const DurationTerm> DurationTerms();

// Each is what it may be; a stranger's terms are looked at before they are used.
Status CheckTerms(const CustodyTerms& terms);

// Of each the tighter one.
CustodyTerms Tighter(const CustodyTerms& a, const CustodyTerms& b);
// The loosest that there can be.
CustodyTerms LoosestTerms();

// What is to become of them; what is not named stays.
struct CustodyChange {
  std::map<std::string, Duration> durations;
  std::optional<OnDenied> on_denied;
  std::optional<OnKeyReturn> on_key_return;

  CustodyTerms AppliedTo(CustodyTerms terms) const;
};
CustodyChange ReadCustodyChange(JsonReader& reader);

struct DurationBounds {
  std::optional<Duration> lowest;
  std::optional<Duration> highest;
};

struct CustodyBounds {
  std::map<std::string, DurationBounds> durations;  // by term; what is not named has none
  std::vector<OnDenied> on_denied;                  // allowed; empty: all
  std::vector<OnKeyReturn> on_key_return;
};
CustodyBounds ReadCustodyBounds(JsonReader& reader);

boost::json::object ToJson(const CustodyTerms& terms);
boost::json::object ToJson(const CustodyBounds& bounds);

}  // namespace freehold::api
