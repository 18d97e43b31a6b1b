// The tables of the PostgreSQL store, made and brought to this release's version by migrations.
//
// Numbered as those of the SQLite store. Each is a list of statements that may be run again: they
// are not one transaction, as CockroachDB commits before each change of a schema. The version is
// raised last, so that whoever was killed, or runs beside another server, does it once more.
// Errors: kUnsupportedVersion, kFileCorrupt for a store without its state; as of Session::Run.
#pragma once

#include "store/postgresql/session.h"

namespace freehold::store {

Status MigrateSchema(Session& session, Deadline deadline);

}  // namespace freehold::store
