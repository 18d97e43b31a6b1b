// freehold_crash_model [--seed N] [--operations N] [--programs N] [--cipher aes-256-ctr]: the crash
// model, as long as one likes.
//
// Each program has its own seed, counted up from --seed (random unless told) and printed. Ends with
// 1 at the first broken promise, with the operations that led there.
#include "vfs/crash_model.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string_view>

int main(int argc, char** argv) {
  std::uint64_t seed = std::random_device()();
  std::uint64_t operations = 1000000;
  std::uint64_t programs = 1;
  freehold::Cipher cipher = freehold::Cipher::kAes256Xts;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    const std::uint64_t value = std::strtoull(argv[i + 1], nullptr, 10);
    if (name == "--seed") seed = value;
    if (name == "--operations") operations = value;
    if (name == "--programs") programs = value;
    if (name == "--cipher") {
      if (argv[i + 1] != freehold::NameOf(freehold::Cipher::kAes256Ctr)) return 2;
      cipher = freehold::Cipher::kAes256Ctr;
    }
  }
  for (; programs > 0; --programs, ++seed) {
    const auto start = std::chrono::steady_clock::now();
    freehold::CrashModel model(seed, cipher);
    const auto wrong = model.Run(operations);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    std::printf("seed %llu: %llu operations, %llu crashes, %.1f s%s\n",
                static_cast<unsigned long long>(seed), static_cast<unsigned long long>(operations),
                static_cast<unsigned long long>(model.crashes()), took.count(),
                wrong ? ": BROKEN" : "");
    std::fflush(stdout);
    if (wrong) {
      std::printf("%s\n", wrong->c_str());
      return 1;
    }
  }
  return 0;
}
