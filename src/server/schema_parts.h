// The parts of the table of schemas, one for each kind of resource, in the order of the document.
#pragma once

#include "server/schemas.h"

namespace freehold::server {

// Whether fields that are not named are refused.
constexpr bool kClosed = true;
constexpr bool kOpen = false;

std::vector<Schema> OrganizationSchemas();  // projects, service accounts and API keys among them
std::vector<Schema> ClusterSchemas();       // and their keys
std::vector<Schema> TellingSchemas();       // contacts, custody, the audit log
std::vector<Schema> OtherServiceSchemas();  // as TiDB Cloud and ClickHouse Cloud have them

}  // namespace freehold::server
