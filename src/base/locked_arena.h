// LockedArena: the only memory that key bytes may live in.
//
// Pages are locked (never swapped), excluded from core files, and not inherited by fork
// (mlock, MADV_DONTDUMP, MADV_WIPEONFORK). Freed blocks are wiped at once. Ordinary anonymous
// pages on purpose, not memfd_secret: a scanner can then show that no key is left
// (docs/decisions/0003-locked-memory.md).
// Errors: fails closed. If memory cannot be locked the process says so and stops.
// Threads: safe.
#pragma once

#include <cstddef>

namespace freehold {

void* LockedAllocate(std::size_t size);  // never null; 16-byte aligned
void* LockedReallocate(void* block, std::size_t size);
void LockedFree(void* block);  // wipes; null is allowed

// Bytes handed out and not yet freed.
std::size_t LockedBytesInUse();

// Overwrites memory in a way that the compiler keeps.
void WipeMemory(void* memory, std::size_t size);

}  // namespace freehold
