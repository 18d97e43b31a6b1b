// What the stores that keep records as rows have in common, whatever SQL they speak.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "control/store.h"
#include "fmt/format.h"

namespace freehold::store {

inline constexpr std::uint64_t kNoLimit = 1u << 31;

inline std::uint64_t NumberOf(control::Kind kind) { return static_cast<std::uint64_t>(kind); }

// 0 is a limit of none.
inline std::uint64_t LimitOf(std::size_t limit) { return limit == 0 ? kNoLimit : limit; }

inline std::optional<control::AuditRecord> Newest(std::vector<control::AuditRecord> events) {
  if (events.empty()) return std::nullopt;
  return std::move(events.front());
}

inline Error NameTaken(std::string_view name) {
  return Error(ErrorCode::kAlreadyExists,
               fmt::format("'{}' is the name of another one", Printable(name)));
}

// Of the schema, which migrations bring to this release's; a newer one is not ours to touch.
inline Status CheckSchemaVersion(std::uint64_t present, std::uint64_t known) {
  if (present <= known) return {};
  return Error(
      ErrorCode::kUnsupportedVersion,
      fmt::format("the store is of version {}, and this release knows {}", present, known));
}

inline Error StateLost() {
  return Error(ErrorCode::kFileCorrupt, "the store has lost its state; restore a backup");
}

}  // namespace freehold::store
