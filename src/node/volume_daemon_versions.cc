// A new version of the customer's key: noticed and wrapped to without being asked.
#include <random>

#include "base/bytes.h"
#include "base/log.h"
#include "fmt/format.h"
#include "node/open_volume.h"

namespace freehold {
namespace {

// A thousand volumes that were mounted together do not ask together.
Duration Spread(Duration interval) {
  static thread_local std::mt19937_64 generator{std::random_device{}()};
  return interval / 2 + interval * std::uniform_int_distribution<int>(0, 50)(generator) / 100;
}

}  // namespace

void VolumeDaemon::WatchKeyVersions() {
  std::string tried;  // a version that a rewrap did not lead to is not tried for again and again
  for (;;) {
    std::unique_lock lock(mutex_);
    const Duration interval = custody_.settings().version_interval;
    const std::uint64_t settings = settings_changes_;
    const auto is_woken = [&] {
      return stopping_ || deletion_wanted_ || settings != settings_changes_;
    };
    if (interval == Duration(0)) {
      changed_.wait(lock, is_woken);
    } else {
      changed_.wait_for(lock, Spread(interval), is_woken);
    }
    if (stopping_) return;
    if (deletion_wanted_) {
      FindDeletion(lock);
      continue;
    }
    if (settings != settings_changes_ || custody_.state() != CustodyState::kOpen) continue;
    const std::string present = keyring_.keks.front().kek.key_version;
    const auto provider = factory_.NewProvider(access_);
    lock.unlock();
    const auto facts = provider->Describe();
    if (!facts || !facts->enabled || facts->key_version.empty()) continue;  // nothing that says so
    if (facts->key_version == present || facts->key_version == tried) continue;
    tried = facts->key_version;
    if (auto done = RewrapToNewVersion(present); !done.ok()) {
      LogWarning("volume", fmt::format("the key has a new version {}, but rewrapping failed: {}",
                                       facts->key_version, done.error().message()));
      tried.clear();
    }
  }
}

// Not in the loop that probes: nothing waits for the answer.
void VolumeDaemon::FindDeletion(std::unique_lock<std::mutex>& lock) {
  deletion_wanted_ = false;
  const auto provider = factory_.NewProvider(access_);
  lock.unlock();
  const auto facts = provider->Describe();
  lock.lock();
  if (!facts || facts->deletion_at.empty()) return;
  deletion_at_ = facts->deletion_at;
  LogWarning("custody", "the key will be deleted at " + Printable(deletion_at_));
  Changed();
}

Status VolumeDaemon::RewrapToNewVersion(const std::string& present) {
  std::lock_guard volume_lock(volume_mutex_);
  if (volume_->wrapped_kek().kek.key_version != present) return {};  // rotated meanwhile
  auto rewrapped = volume_->Rewrap(volume_->access(), factory_, clock_);
  KeyringChanged();
  TRY(std::move(rewrapped));
  LogInfo("volume", fmt::format("the key has a new version: rewrapped from {} to {}", present,
                                volume_->wrapped_kek().kek.key_version));
  return {};
}

}  // namespace freehold
