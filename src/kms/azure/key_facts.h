// What a key's description (GET /keys/NAME) and its rotation policy say, and what its owner should
// change. Pure. Threads: safe. Spec: Key Vault REST API 7.4, KeyBundle, KeyRotationPolicy.
#pragma once

#include <boost/json/object.hpp>

#include "kms/key_provider.h"

namespace freehold::azure {

// All but the version and the rotation.
KeyFacts FactsIn(const boost::json::object& bundle, const AzureKeyId& key, WallTime now);

bool RotatesByItself(const boost::json::object& rotation_policy);

}  // namespace freehold::azure
