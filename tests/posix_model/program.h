// Program: a sequence of random operations that follows from its seed.
#pragma once

#include <cstdint>
#include <random>

#include "side.h"

class Program {
 public:
  explicit Program(std::uint64_t seed) : chance_(seed) {}

  Operation Next();
  // Within [start, start + length) of one file that is open and mapped in slot 0.
  Operation NextWithin(std::int64_t start, std::int64_t length);
  bool OneIn(unsigned n) { return chance_() % n == 0; }

 private:
  template <typename T, std::size_t N>
  const T& Pick(const T (&of)[N]) {
    return of[chance_() % N];
  }
  std::int64_t Size();
  std::uint64_t Data() { return OneIn(5) ? 0 : chance_() | 1; }
  std::string Name();

  std::mt19937_64 chance_;
};
