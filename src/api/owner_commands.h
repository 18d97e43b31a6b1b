// What a key's owner types at their KMS, for messages and screens.
//
// From the key's URI alone; every part is quoted for a shell. Threads: any.
// Source: the command lines of AWS, Google Cloud and Azure.
#pragma once

#include <string>
#include <vector>

#include "kms/key_uri.h"

namespace freehold::api {

// A word for a shell, in quotes where it needs them.
std::string ShellQuoted(const std::string& word);

// Gives a disabled key back; "" where a KMS knows no such thing.
std::string EnableCommand(const KeyUri& uri);

// Cancels a deletion that is scheduled; empty where a KMS schedules none.
std::vector<std::string> CancelDeletionCommands(const KeyUri& uri);

}  // namespace freehold::api
