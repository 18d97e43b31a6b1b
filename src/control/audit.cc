#include "control/audit.h"

#include <boost/json.hpp>
#include <map>

#include "api/archive.h"
#include "crypto/uuid.h"
#include "fmt/format.h"

namespace freehold::control {
namespace {

constexpr std::size_t kSealedAtOnce = 1000;

struct Tip {
  std::uint64_t position = 0;
  Digest256 seal{};
};

Result<Tip> TipOf(Transaction& transaction, const std::string& organization) {
  const auto last = TRY(transaction.LastSealed(organization));
  Tip tip;
  if (!last.has_value()) return tip;
  const auto seal = HexDecode(last->seal);
  if (!seal.ok() || seal->size() != tip.seal.size()) {
    return Error(ErrorCode::kIo, "the store has an audit entry whose seal is none");
  }
  tip.position = last->position;
  std::copy(seal->begin(), seal->end(), tip.seal.begin());
  return tip;
}

Status RequireReader(const Caller& caller) {
  return caller.Require(Permission::kManageAccess, {caller.organization, "", ""});
}

}  // namespace

template <typename Archive>
void Fields(Archive& archive, AuditKey& key) {
  archive("id", key.id);
  archive("public_key", key.public_pem);
  archive("used_since", key.used_since);
}

Status Note(Transaction& transaction, const Clock& clock, const Caller& caller,
            const AuditNote& note, const boost::json::object& payload) {
  const boost::json::object entry = {{"id", NewUuid()},
                                     {"action", fmt::format("AUDIT_LOG_ACTION_{}", note.action)},
                                     {"created_at", FormatTime(clock.Wall())},
                                     {"organization_id", note.at.organization},
                                     {"project_id", note.at.project},
                                     {"cluster_id", note.at.cluster},
                                     {"cluster_name", note.cluster_name},
                                     {"service_account_id", caller.service_account},
                                     {"service_account_name", caller.name},
                                     {"payload", payload}};
  TRY(transaction.Append({0, note.at.organization, boost::json::serialize(entry)}));
  // Another server, of a release that knows no seals, may have left some before this one.
  while (TRY(SealEntries(transaction, kSealedAtOnce)) == kSealedAtOnce) {
  }
  return {};
}

Result<std::size_t> SealEntries(Transaction& transaction, std::size_t limit) {
  std::vector<AuditRecord> entries = TRY(transaction.Unsealed(limit));
  std::map<std::string, Tip> tips;
  for (AuditRecord& entry : entries) {
    if (!tips.contains(entry.organization)) {
      tips[entry.organization] = TRY(TipOf(transaction, entry.organization));
    }
    Tip& tip = tips[entry.organization];
    tip.seal = api::SealOf(tip.seal, entry.organization, ++tip.position, entry.body);
    entry.position = tip.position;
    entry.seal = HexEncode(tip.seal);
    TRY(transaction.PutSeal(entry));
  }
  return entries.size();
}

Status AuditLog::Begin() {
  for (std::size_t sealed = kSealedAtOnce; sealed == kSealedAtOnce;) {
    bool any = false;
    TRY(store_.Read([&](Transaction& transaction) -> Status {
      any = !TRY(transaction.Unsealed(1)).empty();
      return {};
    }));
    if (!any) break;
    TRY(store_.Change([&](Transaction& transaction) -> Status {
      sealed = TRY(SealEntries(transaction, kSealedAtOnce));
      return {};
    }));
  }
  return store_.Change([&](Transaction& transaction) -> Status {
    if (TRY(transaction.Get(Kind::kAuditKey, key_.id())).has_value()) return {};
    const AuditKey key{key_.id(), key_.PublicPem(), clock_.Wall()};
    return transaction.Put({Kind::kAuditKey, key.id, "", "", api::EncodeBody(key), 0});
  });
}

Result<std::vector<AuditRecord>> AuditLog::Events(const Caller& caller, std::uint64_t after,
                                                  std::size_t limit) {
  TRY(RequireReader(caller));
  std::vector<AuditRecord> events;
  TRY(store_.Read([&](Transaction& transaction) -> Status {
    events = TRY(transaction.Events(caller.organization, after, limit));
    return {};
  }));
  return events;
}

Result<api::AuditHead> AuditLog::Head(const Caller& caller) {
  TRY(RequireReader(caller));
  Tip tip;
  TRY(store_.Read([&](Transaction& transaction) -> Status {
    tip = TRY(TipOf(transaction, caller.organization));
    return {};
  }));
  api::AuditHead head{caller.organization,       tip.position, tip.seal,
                      FormatTime(clock_.Wall()), {},           {}};
  TRY(api::Sign(head, key_));
  return head;
}

Result<std::vector<AuditKey>> AuditLog::Keys(const Caller& caller) {
  TRY(RequireReader(caller));
  std::vector<AuditKey> keys;
  TRY(store_.Read([&](Transaction& transaction) -> Status {
    keys.clear();
    for (const Record& record : TRY(transaction.List(Kind::kAuditKey, "", {}))) {
      keys.push_back(TRY(api::DecodeBody<AuditKey>(record.body, "a record of the store")));
    }
    return {};
  }));
  return keys;
}

}  // namespace freehold::control
