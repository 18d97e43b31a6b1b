#include "kms/request_pace.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <functional>

#include "base/file_lock.h"
#include "crypto/crypto.h"
#include "fmt/format.h"

namespace freehold {
namespace {

// Slower than a turn a second is what a KMS's own throttling is for.
constexpr Duration kSlowest = std::chrono::seconds(1);
constexpr Duration kLockPatience = std::chrono::milliseconds(200);

// What a lane's file holds, in nanoseconds on the boot clock.
struct Turns {
  std::int64_t next = 0;       // the first that is free
  std::int64_t slowed_at = 0;  // when `level` last changed
  std::int64_t level = 0;      // how often the rate was halved
};

// The KMS whose quota an operation with this key counts against; "" has none.
std::string PlaceOf(const KeyUri& key) {
  switch (key.type()) {
    case KmsType::kAwsKms:
      return "aws " + key.aws().partition + " " + key.aws().region;
    case KmsType::kGcpCloudKms:
      return "gcp";
    case KmsType::kAzureKeyVault:
      return "azure " + key.azure().host;
    case KmsType::kHashicorpVault:
      return "vault " + key.vault().authority;
    case KmsType::kKmip:
      return "kmip " + key.kmip().authority;
    case KmsType::kPkcs11:
      break;
  }
  return "";
}

bool Plausible(const Turns& turns, std::int64_t now) {
  constexpr std::int64_t kFar = std::chrono::nanoseconds(std::chrono::hours(1)).count();
  return turns.next >= 0 && turns.next < now + kFar && turns.level >= 0 && turns.level < 32 &&
         turns.slowed_at >= 0 && turns.slowed_at <= now;
}

// The lane's turns under its lock, changed and written back. False: there is no pace.
bool WithTurns(const std::string& directory, const std::string& name, std::int64_t now,
               const std::function<void(Turns&)>& change) {
  if (directory.empty() || !MakeDirectories(directory, 0700).ok()) return false;
  const auto file = OpenFile(directory + "/" + name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW);
  // Whoever holds the lock was perhaps stopped with it: nobody waits for that long.
  if (!file.ok() || !LockAlone(*file, directory, "", kLockPatience).ok()) return false;
  Turns turns;
  if (pread(file->get(), &turns, sizeof turns, 0) != sizeof turns || !Plausible(turns, now)) {
    turns = Turns{};
  }
  change(turns);
  return pwrite(file->get(), &turns, sizeof turns, 0) == sizeof turns;
}

// One step back for each kRecovery without another throttling.
void Recover(Turns& turns, std::int64_t now) {
  const std::int64_t steps = (now - turns.slowed_at) / RequestPace::kRecovery.count();
  if (turns.level == 0 || steps == 0) return;
  turns.level = std::max<std::int64_t>(0, turns.level - steps);
  turns.slowed_at += steps * RequestPace::kRecovery.count();
}

std::string FileOf(const std::string& place, RequestPace::Lane lane) {
  const Digest256 digest = Sha256(AsBytes(place));
  const std::string name = HexEncode(ByteView(digest).subspan(0, 8));
  return lane == RequestPace::Lane::kProbes ? name + ".probes" : name;
}

}  // namespace

RequestPace::RequestPace(std::string directory, int operations_per_second, const Clock& clock)
    : directory_(std::move(directory)),
      spacing_(Duration(std::chrono::seconds(1)) / operations_per_second),
      clock_(clock) {}

std::string RequestPace::DefaultDirectory() {
  if (geteuid() == 0) return "/run/freehold/pace";
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  return runtime != nullptr && *runtime == '/' ? std::string(runtime) + "/freehold/pace" : "";
}

KmsResult<Duration> RequestPace::TakeTurn(const KeyUri& key, Lane lane) {
  const std::string place = PlaceOf(key);
  if (place.empty()) return Duration(0);
  const std::int64_t now = clock_.Boot().since_boot.count();
  std::int64_t wait = 0;
  const auto take = [&](Turns& turns) {
    Recover(turns, now);
    const std::int64_t spacing =
        std::max(spacing_.count(), std::min(spacing_.count() << turns.level, kSlowest.count()));
    const std::int64_t turn = std::max(turns.next, now - (kBurst - 1) * spacing);
    wait = std::max<std::int64_t>(0, turn - now);
    if (wait <= kLongestWait.count()) turns.next = turn + spacing;
  };
  if (!WithTurns(directory_, FileOf(place, lane), now, take)) return Duration(0);
  if (lane == Lane::kProbes) return std::min(Duration(wait), kLongestProbeWait);
  if (wait <= kLongestWait.count()) return Duration(wait);
  return tl::unexpected(OwnFailure(
      KmsMeaning::kThrottled, "",
      fmt::format("this machine's other requests to the KMS take more than {}; try again later",
                  FormatDuration(kLongestWait))));
}

void RequestPace::SlowDown(const KeyUri& key) {
  const std::string place = PlaceOf(key);
  if (place.empty()) return;
  const std::int64_t now = clock_.Boot().since_boot.count();
  const auto slow = [&](Turns& turns) {
    Recover(turns, now);
    // What was asked at the old rate is still being throttled: that is no news.
    constexpr std::int64_t kOnce = std::chrono::nanoseconds(std::chrono::seconds(1)).count();
    if (turns.level > 0 && now - turns.slowed_at < kOnce) return;
    turns.level = std::min<std::int64_t>(turns.level + 1, 16);
    turns.slowed_at = now;
  };
  for (const Lane lane : {Lane::kProbes, Lane::kOthers}) {
    WithTurns(directory_, FileOf(place, lane), now, slow);
  }
}

}  // namespace freehold
