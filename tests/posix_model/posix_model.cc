// freehold_posix_model [--seed N] [--operations N] [--processes N] [--align N] FIRST SECOND
//
// Random operations on two directories in step: what each call returns, its errno, and what can be
// read must be the same in both. Each process has a directory of its own; files that all share, on
// which they take turns; and its own range of one file that all write at the same time. Ranges
// begin at multiples of --align. Ends with 1 at the first difference, with the operations that led
// there.
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "program.h"
#include "side.h"

namespace {

struct Settings {
  std::uint64_t seed = 1;
  std::uint64_t operations = 1000000;
  int processes = 4;
  std::int64_t align = 1;
  std::string roots[2];
};

// Between the processes. A process that finds a difference holds the turn no longer than it prints.
struct Shared {
  pthread_mutex_t turn;
};

Shared* NewShared() {
  void* const memory =
      mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  auto* shared = static_cast<Shared*>(memory);
  pthread_mutexattr_t between;
  pthread_mutexattr_init(&between);
  pthread_mutexattr_setpshared(&between, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&between, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(&shared->turn, &between);
  return shared;
}

constexpr char kRanges[] = "ranges";
constexpr std::int64_t kRange = 65521;  // no multiple of a block or a page

std::int64_t RangeOf(const Settings& settings) {
  return (kRange + settings.align - 1) / settings.align * settings.align;
}

void MakePlaces(const Settings& settings) {
  for (const std::string& root : settings.roots) {
    for (int i = 0; i < settings.processes; ++i) {
      mkdir((root + "/own" + std::to_string(i)).c_str(), 0755);
    }
    mkdir((root + "/shared").c_str(), 0755);
    const int fd = open((root + "/" + kRanges).c_str(), O_RDWR | O_CREAT, 0644);
    if (fd < 0 || ftruncate(fd, RangeOf(settings) * settings.processes) != 0) {
      std::perror(root.c_str());
      std::exit(2);
    }
    close(fd);
  }
}

// Two sides in step.
class Pair {
 public:
  Pair(const Settings& settings, const std::string& below)
      : first_(settings.roots[0] + below), second_(settings.roots[1] + below), below_(below) {}

  // False, with a report, when they differ.
  bool Do(const Operation& operation) {
    last_.push_back(operation.Text());
    if (last_.size() > 25) last_.pop_front();
    const Outcome one = first_.Do(operation);
    const Outcome two = second_.Do(operation);
    if (one == two) return true;
    for (const std::string& text : last_)
      std::fprintf(stderr, "%s: %s\n", below_.c_str(), text.c_str());
    for (const Outcome& outcome : {one, two}) {
      std::fprintf(stderr, "  returned %lld, %s, digest %llx\n",
                   static_cast<long long>(outcome.value), std::strerror(outcome.error),
                   static_cast<unsigned long long>(outcome.digest));
    }
    return false;
  }

 private:
  Side first_;
  Side second_;
  const std::string below_;
  std::deque<std::string> last_;
};

bool RunProcess(const Settings& settings, Shared& shared, int number) {
  Program program(settings.seed * 1000 + static_cast<std::uint64_t>(number));
  Pair own(settings, "/own" + std::to_string(number));
  Pair turns(settings, "/shared");
  Pair ranges(settings, "");
  const std::int64_t range = RangeOf(settings);
  Operation open_ranges{Kind::kOpen};
  open_ranges.name = kRanges;
  open_ranges.flags = O_RDWR;
  Operation map_ranges{Kind::kMap};
  map_ranges.size = range * settings.processes - 1;
  if (!ranges.Do(open_ranges) || !ranges.Do(map_ranges)) return false;

  const std::uint64_t operations =
      settings.operations / static_cast<std::uint64_t>(settings.processes);
  for (std::uint64_t done = 0; done < operations; ++done) {
    if (program.OneIn(5)) {
      if (!ranges.Do(program.NextWithin(range * number, range))) return false;
    } else if (program.OneIn(4)) {
      if (pthread_mutex_lock(&shared.turn) != 0) return false;  // its holder died
      const bool same = turns.Do(program.Next());
      pthread_mutex_unlock(&shared.turn);
      if (!same) return false;
    } else if (!own.Do(program.Next())) {
      return false;
    }
  }
  return true;
}

bool RunAll(const Settings& settings) {
  MakePlaces(settings);
  Shared* const shared = NewShared();
  std::vector<pid_t> children;
  for (int number = 0; number < settings.processes; ++number) {
    const pid_t child = fork();
    if (child == 0) std::_Exit(RunProcess(settings, *shared, number) ? 0 : 1);
    children.push_back(child);
  }
  bool same = true;
  for (const pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    if (status != 0) same = false;
  }
  return same;
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  int roots = 0;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (!name.starts_with("--") || i + 1 == argc) {
      if (roots < 2) settings.roots[roots++] = argv[i];
      continue;
    }
    const std::uint64_t value = std::strtoull(argv[++i], nullptr, 10);
    if (name == "--seed") settings.seed = value;
    if (name == "--operations") settings.operations = value;
    if (name == "--processes") settings.processes = static_cast<int>(value);
    if (name == "--align") settings.align = static_cast<std::int64_t>(value);
  }
  if (roots != 2) return 2;
  umask(022);
  const auto start = std::chrono::steady_clock::now();
  const bool same = RunAll(settings);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  std::printf("seed %llu: %llu operations by %d processes, %.0f s%s\n",
              static_cast<unsigned long long>(settings.seed),
              static_cast<unsigned long long>(settings.operations), settings.processes,
              took.count(), same ? "" : ": DIFFERENT");
  return same ? 0 : 1;
}
