// The database's own process, from its first moment in the namespaces to the exec of the server.
//
// Gives the root of the volume to the database's user, becomes that user, and only then touches
// what lies on the volume, so that nothing planted there can lead root astray. Initialises a new
// database beside its final place and renames it: an init that was cut off is done again from
// scratch, and one that was not ours is left alone. Everything it and the database print goes to
// the profile's log on the volume. Threads: between fork and exec. Spec: node/profile.h.
#pragma once

#include "node/profile.h"
#include "node/user.h"

namespace freehold {

// Comes back only to say why it did not become the database.
Error BecomeDatabase(const DatabasePlan& plan, const User& user);

// For ready checks and stop commands: the same user, environment and log.
Error BecomeCommand(const DatabasePlan& plan, const User& user, const CommandLine& command);

}  // namespace freehold
