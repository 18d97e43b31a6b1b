// Crash points: named places where a test can make this process die as if by kill -9; and mutants:
// named rules that a test can switch off, to show that the suite notices.
//
// FREEHOLD_CRASH_AT=name[:n] kills at the n-th passage (the first unless told).
// FREEHOLD_CRASH_FILE=path names a file that may be written while the process runs: the process
// that passes the point whose name is in it removes the file and dies; no other does. In a release
// build (without FREEHOLD_CRASH_POINTS) all of this is nothing at all. FREEHOLD_MUTANT=name
// switches the rule of that name off.
#pragma once

namespace freehold {

#if defined(FREEHOLD_CRASH_POINTS)
void CrashPoint(const char* name);
bool IsMutant(const char* name);
#else
inline void CrashPoint(const char*) {}
constexpr bool IsMutant(const char*) { return false; }
#endif

}  // namespace freehold
