// Store: what the control plane knows, durable, in transactions.
//
// A store holds records: a kind, an id, an owner, a body in JSON that only control/ understands. It
// knows no keys, no clusters and no HTTP. Each change gets a revision, from a counter that is
// updated in the change's own transaction: who has read up to revision N and asks for what is newer
// misses nothing. The epoch names this life of the store; a restored copy begins another.
// Records of a kind have unique names below one owner; an empty name is not compared.
// Errors: kAlreadyExists for a name that is taken; kIo for a database that fails. Threads: safe; a
// transaction belongs to its thread. Spec: docs/decisions/0014-control-plane.md.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace freehold::control {

enum class Kind {
  kOrganization = 1,
  kProject,
  kCluster,
  kNode,
  kServiceAccount,
  kApiKey,
  kJoinToken,
  kNodeState,
  kKeyTrial,
  kAuditKey,
  kContact,
  kMessage,
  kKeyNews,
};

struct Record {
  Kind kind = Kind::kOrganization;
  std::string id;
  std::string owner;           // the id of what it belongs to; "" = the operator's
  std::string name;            // for people, unique below the owner; "" = none
  std::string body;            // JSON
  std::uint64_t revision = 0;  // of the change that wrote it; set by the store
};

struct AuditRecord {
  std::uint64_t sequence = 0;  // 1, 2, ... in commit order; set by the store
  std::string organization;    // "" = the operator's
  std::string body;            // JSON
  std::uint64_t position = 0;  // 1, 2, ... of the organization; 0 = not sealed yet
  std::string seal = {};       // hex; "" = not sealed yet
};

struct Page {
  std::string after;      // the last id of the page before; "" = from the start
  std::size_t limit = 0;  // 0 = all
};

class Transaction {
 public:
  virtual ~Transaction() = default;

  virtual Result<std::optional<Record>> Get(Kind kind, const std::string& id) = 0;
  virtual Result<std::optional<Record>> Find(Kind kind, const std::string& owner,
                                             const std::string& name) = 0;
  // In the order of their ids.
  virtual Result<std::vector<Record>> List(Kind kind, const std::string& owner,
                                           const Page& page) = 0;
  // Newer than this revision, of all owners, in the order of revisions.
  virtual Result<std::vector<Record>> ChangedSince(Kind kind, std::uint64_t revision) = 0;
  // Makes it, or writes over the one with this kind and id.
  virtual Status Put(const Record& record) = 0;
  virtual Status Remove(Kind kind, const std::string& id) = 0;

  // The revision of this change, and so of all that follow, is above this one.
  virtual Status RaiseRevision(std::uint64_t revision) = 0;

  // Without a seal, which PutSeal gives it (control/audit.h).
  virtual Status Append(const AuditRecord& event) = 0;
  // An organization's that are sealed, with a position above this one, in their order.
  virtual Result<std::vector<AuditRecord>> Events(const std::string& organization,
                                                  std::uint64_t after, std::size_t limit) = 0;
  // The one of them with the highest position.
  virtual Result<std::optional<AuditRecord>> LastSealed(const std::string& organization) = 0;
  // Of all organizations, in the order of their sequence.
  virtual Result<std::vector<AuditRecord>> Unsealed(std::size_t limit) = 0;
  // Gives the entry of this sequence its position and seal; a position is given once.
  virtual Status PutSeal(const AuditRecord& event) = 0;
};

struct StoreState {
  std::string epoch;
  std::uint64_t revision = 0;  // of the newest change
};

// What a change that was acknowledged outlives.
enum class Durability {
  kLocal,         // a crash of this machine, on whose disk it is
  kSynchronous,   // the loss of a machine: another had it before it was acknowledged
  kAsynchronous,  // a crash; where another machine takes over, it may be lost
  kUnknown,       // the database does not say
};

class Store {
 public:
  virtual ~Store() = default;

  // All of `work` or nothing. It may be called more than once, when the database asks for that, and
  // must change nothing else. Its error is the answer, and takes everything back.
  virtual Status Change(const std::function<Status(Transaction&)>& work) = 0;
  // The same for work that changes nothing.
  virtual Status Read(const std::function<Status(Transaction&)>& work) = 0;
  virtual Result<StoreState> State() = 0;
  // As the database is configured now.
  virtual Result<Durability> HowDurable() { return Durability::kUnknown; }
};

}  // namespace freehold::control
