// freehold_dropfs BACKING MOUNTPOINT: a mount that forgets what was not synced, for crash tests.
//
// Prints "ready" when mounted. SIGUSR1 is the power cut: every request fails from then on, all that
// was never synced is taken back, the mount goes, and the number of lost changes is printed.
// SIGUSR2 is the operating system writing back what it has: all of it is kept, and "kept" is
// printed. SIGTERM ends it without a loss.
#include <signal.h>

#include <cstdio>

#include "adapters/fuse/mount.h"
#include "vfs/dropping_file.h"

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGUSR1);
  sigaddset(&signals, SIGUSR2);
  sigaddset(&signals, SIGTERM);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  freehold::DroppingLayer layer;
  freehold::fuse::MountOptions options;
  options.backing_directory = argv[1];
  options.mount_point = argv[2];
  options.source = "dropfs";
  auto mount = freehold::fuse::Mount::Start(options, layer);
  if (!mount.ok()) {
    std::fprintf(stderr, "dropfs: %s\n", mount.error().message().c_str());
    return 1;
  }
  std::puts("ready");
  std::fflush(stdout);
  int number = 0;
  while (sigwait(&signals, &number) == 0 && number == SIGUSR2) {
    layer.KeepAll();
    std::puts("kept");
    std::fflush(stdout);
  }
  if (number == SIGUSR1) {
    (*mount)->Fence(std::chrono::seconds(10));
    (*mount)->DropContents();
    std::printf("%zu\n", layer.DropUnsynced());
  }
  (*mount)->Abort();
  return 0;
}
