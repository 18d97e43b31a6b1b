// The list of the stores in a data directory: that one of them is missing must not go unnoticed.
//
//   DIR/stores: the line "freehold-kms-stores 1", then the path of each store, as "azure-store"
//
// Written once the stores are there, so a first start that was cut short can be repeated. A store
// that is listed and not there is refused: an empty one in its place would lose its keys without a
// word. A directory of an older release has no list, or one without the dialects that came later:
// their stores are made. What a store's clients were given (vault/customer.env) says too that it
// was there. Errors: kFileCorrupt, or the disk's. Threads: before anything is served.
#pragma once

#include <string>

#include "base/result.h"

namespace freehold::embedded {

Status CheckStores(const std::string& directory);
Status RememberStores(const std::string& directory);

}  // namespace freehold::embedded
