// Operation: one request on its way through the Vault dialect, and what operations share.
#pragma once

#include <boost/json/object.hpp>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "kms/embedded/dialect.h"
#include "kms/embedded/state_store.h"
#include "kms/embedded/vault/vault_state.h"

namespace freehold::embedded::vault {

struct VaultFailure {
  int status = 400;
  std::string text;
};

// A value or a VaultFailure. An empty object is answered with 204.
template <typename T>
class [[nodiscard]] VaultResult : public tl::expected<T, VaultFailure> {
 public:
  using Base = tl::expected<T, VaultFailure>;
  using Base::Base;
  VaultResult(VaultFailure failure)  // NOLINT: implicit
      : Base(tl::unexpected<VaultFailure>(std::move(failure))) {}
  bool ok() const { return this->has_value(); }
};
using VaultStatus = VaultResult<void>;

// For VAULT_TRY.
template <typename T>
T TakeVaultValue(VaultResult<T>&& result) {
  return std::move(*result);
}
inline void TakeVaultValue(VaultStatus&&) {}

// {"data": ...} or {"auth": ...}: what is put into the envelope.
using VaultAnswer = VaultResult<boost::json::object>;

struct Operation {
  StateStore<VaultState>& store;
  const MasterKey& master;
  std::shared_ptr<const VaultState> state;
  std::string method;              // GET, LIST, POST, DELETE
  std::string name_space;          // "" or "admin/"
  std::string path;                // below /v1/, with the namespace: "admin/transit/encrypt/k"
  std::vector<std::string> parts;  // of the path below the namespace
  boost::json::object body;
  std::string token_digest;
  DialectCall& call;
  const Exchange& exchange;   // the KMS itself, for what keymgmt distributes
  std::mutex& one_at_a_time;  // what keymgmt changes in two places

  VaultStatus Update(const std::function<VaultStatus(VaultState&)>& change) const;
};

std::string DigestOf(std::string_view secret);  // hex SHA-256: how secrets are remembered
std::string NewSecret(std::string_view prefix);

// 90, "90", "90s", "1h30m", "2d"; a century at most. What is there and no such thing is refused.
VaultResult<std::int64_t> SecondsOf(const boost::json::object& body, std::string_view name,
                                    std::int64_t otherwise);
// 3, "3": from 0 to a billion.
VaultResult<int> CountOf(const boost::json::object& body, std::string_view name, int otherwise);
std::vector<std::string> NamesOf(const boost::json::object& body, std::string_view name);
bool BoolOf(const boost::json::object& body, std::string_view name, bool otherwise);

// A new token of these properties, and the "auth" of its answer.
VaultAnswer IssueToken(const Operation& op, const LoginRole& role, const std::string& display_name);

// The parts of the tree. `rest` is what follows the mount.
VaultAnswer RunTransit(const Operation& op, const std::string& mount,
                       const std::vector<std::string>& rest);
VaultAnswer RunKeymgmt(const Operation& op, const std::string& mount,
                       const std::vector<std::string>& rest);
VaultAnswer RunAuth(const Operation& op);
VaultAnswer RunSystem(const Operation& op);
Status RotateWhatIsDue(StateStore<VaultState>& store, const MasterKey& master, WallTime now);

VaultFailure NoRoute(const Operation& op);

}  // namespace freehold::embedded::vault

// The value of a VaultResult, or a return of its VaultFailure from the enclosing function.
#define VAULT_TRY(expression)                                                 \
  ({                                                                          \
    auto vault_result = (expression);                                         \
    if (!vault_result.ok()) {                                                 \
      return ::freehold::embedded::vault::VaultFailure(vault_result.error()); \
    }                                                                         \
    ::freehold::embedded::vault::TakeVaultValue(std::move(vault_result));     \
  })
