// What every command says and returns: one clear sentence on standard error, a documented code.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace freehold::cli {

// Prints "freehold: <sentence>" (or, with json, {"error": {...}} on standard output) and returns
// the exit code of the error's code.
int Fail(const Error& error, bool json = false);

// Prints text and a newline on standard output. What could not be written, the exit code says.
void Print(std::string_view text);
// The same for what is shown once: kIo when it was not written.
Status PrintForSure(std::string_view text);

// First of all: a file that is opened later must not get the number of a standard descriptor that
// our caller has closed, and what is printed with it. Writing to standard output fails then.
void OccupyStandardDescriptors();

// No core files of this process, and no attaching by other users: for what holds credentials.
void RefuseCoreFiles();

// Command line start-up that must come before anything else uses libcrypto: no core files, not
// attachable by other users, key memory locked. For processes that will hold keys.
void HardenProcess();

}  // namespace freehold::cli
