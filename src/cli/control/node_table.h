// Nodes as a person reads them. Threads: main only.
#pragma once

#include <boost/json/fwd.hpp>

namespace freehold::cli {

// Of the answer of /api/v1/nodes: the operator's.
void PrintNodes(const boost::json::array& nodes);

// What a cluster's nodes last said.
void PrintNodeStates(const boost::json::array& nodes);

// All that is known of a cluster's keys, in one screen: the keys, each region's custody, and what
// to type next. As the API has them: the cluster, its cmek, its nodes.
void PrintCustody(const boost::json::object& cluster, const boost::json::object& info,
                  const boost::json::array& nodes);

}  // namespace freehold::cli
