// Crash points: named places where a test can make this process die as if by kill -9.
//
// FREEHOLD_CRASH_AT=name[:n] kills at the n-th passage (the first unless told). In a release build
// (NDEBUG without FREEHOLD_CRASH_POINTS) the call is nothing at all.
#pragma once

namespace freehold {

#if defined(FREEHOLD_CRASH_POINTS)
void CrashPoint(const char* name);
#else
inline void CrashPoint(const char*) {}
#endif

}  // namespace freehold
