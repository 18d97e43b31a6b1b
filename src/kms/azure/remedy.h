// What would help against a refusal: the command of Azure's own tool, for whoever owns the key.
// Pure. Threads: safe.
#pragma once

#include "kms/service/surroundings.h"

namespace freehold::azure {

std::string RemedyFor(const KmsFailure& failure, const KeyAccess& access,
                      const Surroundings& surroundings);

}  // namespace freehold::azure
