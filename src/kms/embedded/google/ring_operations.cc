// Key rings.
#include "fmt/format.h"
#include "kms/embedded/google/keys.h"
#include "kms/embedded/google/operations.h"

namespace freehold::embedded::google {
namespace {

namespace json = boost::json;

json::object ShowRing(const std::string& name, WallTime created) {
  return {{"name", name}, {"createTime", FormatTime(created)}};
}

}  // namespace

Answer CreateKeyRing(Operation& op) {
  const auto id = op.target.query.find("keyRingId");
  GOOGLE_TRY(op.Authorize("cloudkms.keyRings.create", op.target.Parent()));
  if (id == op.target.query.end() || !IsResourceId(id->second)) {
    return InvalidArgument("The key_ring_id must match [a-zA-Z0-9_-]{1,63}.");
  }
  const std::string name = op.resource() + "/" + id->second;
  GOOGLE_TRY(op.Update([&](State& state) -> GoogleStatus {
    if (!state.key_rings.emplace(name, op.call.now).second) return AlreadyExists("KeyRing " + name);
    return {};
  }));
  return ShowRing(name, op.call.now);
}

Answer GetKeyRing(Operation& op) {
  GOOGLE_TRY(op.Authorize("cloudkms.keyRings.get"));
  const auto ring = op.state->key_rings.find(op.resource());
  if (ring == op.state->key_rings.end()) return NotFound("KeyRing " + op.resource());
  return ShowRing(ring->first, ring->second);
}

Answer ListKeyRings(Operation& op) {
  GOOGLE_TRY(op.Authorize("cloudkms.keyRings.list", op.target.Parent()));
  json::array rings;
  for (const auto& [name, created] : op.state->key_rings) {
    if (name.starts_with(op.resource() + "/")) rings.push_back(ShowRing(name, created));
  }
  return ShowList("keyRings", std::move(rings));
}

}  // namespace freehold::embedded::google
