// The chain of an organization's audit entries, and its signed heads: made by servers, checked by
// whoever reads.
//
// Each entry has a position (1, 2, 3, ...) and a seal: a hash over the seal before, the
// organization, the position and the entry's exact bytes. A head names the newest seal, signed.
// Errors: kVerifyFailed with one sentence that says where the chain breaks first; kInvalidArgument
// for a head that is none. Threads: values. Spec: docs/api/audit.md.
#pragma once

#include <boost/json/fwd.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/crypto.h"
#include "crypto/signing_key.h"

namespace freehold::api {

// Of the entry at `position`, which begins at 1; `before` is all zeros for the first.
Digest256 SealOf(const Digest256& before, std::string_view organization, std::uint64_t position,
                 std::string_view entry);

struct AuditHead {
  std::string organization;    // "" = the operator's
  std::uint64_t position = 0;  // of the newest entry; 0 = there is none
  Digest256 seal{};            // of that entry
  std::string at;              // RFC 3339, when it was signed
  Bytes signature;
  std::string key_id;
};

Status Sign(AuditHead& head, const SigningKey& key);
// By the one among the keys that it names.
Status CheckSignature(const AuditHead& head, const std::vector<VerifyingKey>& keys);

boost::json::object ToJson(const AuditHead& head);
Result<AuditHead> ParseAuditHead(const boost::json::object& json);

// An entry as the API gives it: its fields, and "position", "seal" and "text", its exact bytes.
Result<boost::json::object> EntryJson(std::uint64_t position, const std::string& seal,
                                      const std::string& text);

// Reads an organization's entries from the first on.
class AuditChain {
 public:
  explicit AuditChain(std::string organization) : organization_(std::move(organization)) {}

  const std::string& organization() const { return organization_; }
  std::uint64_t position() const { return seals_.size(); }
  Digest256 seal() const { return seals_.empty() ? Digest256{} : seals_.back(); }

  // The next one, as EntryJson has it.
  Status Take(const boost::json::object& entry);
  // Whether this head, whose signature was checked, is of this chain, here or further back.
  Status Holds(const AuditHead& head) const;

 private:
  const std::string organization_;
  std::vector<Digest256> seals_;  // by position, from 1
};

}  // namespace freehold::api
