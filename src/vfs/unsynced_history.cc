#include "vfs/unsynced_history.h"

#include <algorithm>
#include <cstring>

#include "fmt/format.h"
#include "format/sizes.h"

namespace freehold {
ByteView UnsyncedHistory::Granule(std::size_t index) const {
  return ByteView(bytes_).subspan(index * granule_, granule_);
}

ByteView UnsyncedHistory::State(std::uint32_t state) const {
  return ByteView(arena_).subspan(state * granule_, granule_);
}

void UnsyncedHistory::Remember(std::size_t index) {
  const ByteView state = Granule(index);
  if (states_.size() <= index) states_.resize(index + 1);
  auto& states = states_[index];
  if (states.empty()) changed_.push_back(index);
  if (!states.empty() && std::ranges::equal(State(states.back()), state)) return;
  states.push_back(static_cast<std::uint32_t>(arena_.size() / granule_));
  arena_.insert(arena_.end(), state.begin(), state.end());
}

void UnsyncedHistory::AddSize(std::uint64_t size) {
  size_ = size;
  if (std::ranges::find(sizes_, size) == sizes_.end()) sizes_.push_back(size);
}

template <typename Change>
void UnsyncedHistory::Apply(std::uint64_t offset, std::uint64_t end, Change change) {
  if (bytes_.size() < GranulesIn(end) * granule_) bytes_.resize(GranulesIn(end) * granule_);
  const std::size_t first = offset / granule_;
  const std::size_t last = GranulesIn(end);
  for (std::size_t i = first; i < last; ++i) {
    if (states_.size() <= i || states_[i].empty()) Remember(i);
  }
  change();
  for (std::size_t i = first; i < last; ++i) Remember(i);
}

void UnsyncedHistory::Write(std::uint64_t offset, ByteView data) {
  if (data.empty()) return;
  const std::uint64_t end = offset + data.size();
  Apply(offset, end, [&] { std::memcpy(bytes_.data() + offset, data.data(), data.size()); });
  if (end <= size_) return;
  const std::uint64_t longer_from = std::max(size_, offset);
  for (std::uint64_t page = longer_from / kPageSize + 1; page * kPageSize < end; ++page) {
    AddSize(page * kPageSize);
  }
  AddSize(end);
}

void UnsyncedHistory::Resize(std::uint64_t size) {
  if (size < size_) {
    const std::uint64_t old = size_;
    Apply(size, old, [&] { std::memset(bytes_.data() + size, 0, old - size); });
  }
  if (bytes_.size() < GranulesIn(size) * granule_) bytes_.resize(GranulesIn(size) * granule_);
  AddSize(size);
}

void UnsyncedHistory::Zero(std::uint64_t offset, std::uint64_t end) {
  end = std::min(end, size_);
  if (offset >= end) return;
  Apply(offset, end, [&] { std::memset(bytes_.data() + offset, 0, end - offset); });
}

void UnsyncedHistory::Replace(ByteView bytes) {
  const std::uint64_t end = std::max<std::uint64_t>(size_, bytes.size());
  Apply(0, end, [&] {
    std::ranges::fill(bytes_, 0);
    std::ranges::copy(bytes, bytes_.begin());
  });
  AddSize(bytes.size());
}

void UnsyncedHistory::Sync() {
  for (const std::size_t index : changed_) states_[index].clear();
  changed_.clear();
  arena_.clear();
  sizes_.assign(1, size_);
}

void UnsyncedHistory::Crash(const Choose& choose) {
  const std::uint64_t size = sizes_[choose(sizes_.size())];
  for (const std::size_t index : changed_) {
    if (index * granule_ >= size) continue;
    const auto& states = states_[index];
    const ByteView state = State(states[choose(states.size())]);
    std::ranges::copy(state, bytes_.begin() + static_cast<std::ptrdiff_t>(index * granule_));
  }
  bytes_.resize(size);
  bytes_.resize(GranulesIn(size) * granule_);
  size_ = size;
  Sync();
}

std::optional<std::string> UnsyncedHistory::Forbids(ByteView after) const {
  if (std::ranges::find(sizes_, after.size()) == sizes_.end()) {
    return fmt::format("{} bytes long, which it never was since the last sync; last {}",
                       after.size(), size_);
  }
  for (std::size_t at = 0; at < after.size(); at += granule_) {
    const std::size_t index = at / granule_;
    const ByteView found = after.subspan(at, std::min(granule_, after.size() - at));
    const auto fits = [&](ByteView state) {
      return std::ranges::equal(found, state.first(found.size()));
    };
    const bool changed = index < states_.size() && !states_[index].empty();
    const bool allowed =
        changed ? std::ranges::any_of(states_[index], [&](auto s) { return fits(State(s)); })
                : fits(Granule(index));
    if (allowed) continue;
    return fmt::format("bytes {} to {} are {}, which they never were since the last sync", at,
                       at + found.size(), HexEncode(found));
  }
  return std::nullopt;
}

}  // namespace freehold
