#include "control/outbox.h"

#include <algorithm>
#include <boost/json.hpp>

#include "api/archive.h"
#include "base/crash_point.h"
#include "control/key_news.h"
#include "crypto/uuid.h"
#include "fmt/format.h"

namespace freehold::control {
namespace {

constexpr std::size_t kLongestProblem = 500;

bool WantsToKnow(const Contact& contact, NoticeType type) {
  const bool is_about_people = type == NoticeType::kRevoked || type == NoticeType::kRestored ||
                               type == NoticeType::kLeft || type == NoticeType::kLoosened ||
                               type == NoticeType::kRestoreAwaited ||
                               type == NoticeType::kContactRemoved;
  return contact.purpose == ContactPurpose::kSecurity || !is_about_people;
}

Result<std::optional<Message>> LoadMessage(Transaction& transaction, const std::string& id) {
  const auto record = TRY(transaction.Get(Kind::kMessage, id));
  if (!record.has_value()) return std::optional<Message>();
  return std::optional(TRY(api::DecodeBody<Message>(record->body, "a record of the store")));
}

// Nothing when it was deleted meanwhile.
Result<std::optional<Contact>> LoadContact(Transaction& transaction, const std::string& id) {
  const auto record = TRY(transaction.Get(Kind::kContact, id));
  if (!record.has_value()) return std::optional<Contact>();
  return std::optional(TRY(FromRecord<Contact>(*record)));
}

void NoteFailure(Contact& contact, WallTime now, const std::string& problem) {
  contact.last_failed_at = now;
  contact.last_failure = problem.substr(0, kLongestProblem);
}

// Its id; "" where too many wait for that contact already, which it then says.
Result<std::string> PostTo(Transaction& transaction, Contact contact, const Notice& notice,
                           WallTime now, WallTime not_before) {
  Page page;
  page.limit = kMostWaitingMessages;
  if (TRY(transaction.List(Kind::kMessage, contact.id, page)).size() == kMostWaitingMessages) {
    ++contact.given_up;
    NoteFailure(
        contact, now,
        fmt::format("{} messages wait already: further ones were given up", kMostWaitingMessages));
    TRY(transaction.Put(ToRecord(contact)));
    return std::string();
  }
  Message message;
  message.id = NewUuid();
  message.organization = contact.organization;
  message.contact = contact.id;
  message.type = NameOf(notice.type);
  message.body = boost::json::serialize(ToJson(notice, std::max(now, not_before)));
  message.subject = SubjectOf(notice);
  message.text = TextOf(notice, std::max(now, not_before));
  message.created_at = now;
  message.next_at = not_before;
  TRY(transaction.Put(ToRecord(message)));
  return message.id;
}

Status TellNewsOf(Transaction& transaction, const Cluster& cluster, const Region& region,
                  const std::vector<NodeState>& nodes, RegionNews& told, WallTime now) {
  const News news = NewsOf(told, cluster, region, nodes);
  bool was_told = news.failure_was_told;
  if (news.takes_back_warning) {
    const std::size_t back = TRY(TakeBack(transaction, told.grace_messages));
    was_told = was_told || back < told.grace_messages.size();
    told.grace_messages.clear();
  }
  WallTime at = now;  // one after the other, as they are said
  for (const Notice& notice : news.notices) {
    TRY(Post(transaction, notice, now, at));
    at = at + std::chrono::microseconds(1);
  }
  if (news.grace_warning.has_value()) {
    told.grace_messages =
        TRY(Post(transaction, *news.grace_warning, now, std::max(now, news.warn_at)));
  }
  if (news.returned.has_value() && was_told) TRY(Post(transaction, *news.returned, now, at));
  return {};
}

}  // namespace

template <typename Archive>
void Fields(Archive& archive, Message& message) {
  archive("id", message.id);
  archive("organization", message.organization);
  archive("contact", message.contact);
  archive("type", message.type);
  archive("body", message.body);
  archive("subject", message.subject);
  archive("text", message.text);
  archive("created_at", message.created_at);
  archive("next_at", message.next_at);
  archive("attempts", message.attempts);
  archive("leased_by", message.leased_by);
  archive("leased_until", message.leased_until);
  archive("first_try_at", message.first_try_at);
}

Record ToRecord(const Message& message) {
  return {Kind::kMessage, message.id, message.contact, "", api::EncodeBody(message)};
}

Result<std::vector<std::string>> Post(Transaction& transaction, const Notice& notice, WallTime now,
                                      WallTime not_before) {
  std::vector<std::string> ids;
  for (const Contact& contact : TRY(LoadContacts(transaction, notice.at.organization))) {
    if (!WantsToKnow(contact, notice.type)) continue;
    std::string id = TRY(PostTo(transaction, contact, notice, now, not_before));
    if (!id.empty()) ids.push_back(std::move(id));
  }
  return ids;
}

Status PostTest(Transaction& transaction, const Contact& contact, WallTime now) {
  Notice notice;
  notice.at.organization = contact.organization;
  notice.what = "This is a test: messages about your keys reach you here.";
  TRY(PostTo(transaction, contact, notice, now, now));
  return {};
}

Result<std::size_t> TakeBack(Transaction& transaction, const std::vector<std::string>& messages) {
  std::size_t count = 0;
  for (const std::string& id : messages) {
    const auto message = TRY(LoadMessage(transaction, id));
    if (!message.has_value() || message->attempts > 0) continue;
    TRY(transaction.Remove(Kind::kMessage, id));
    ++count;
  }
  return count;
}

Status TellNews(Transaction& transaction, const Cluster& cluster,
                const std::vector<NodeState>& nodes, WallTime now) {
  ClusterNews told = TRY(LoadNews(transaction, cluster.id));
  const std::string before = ToRecord(told).body;
  for (const Region& region : cluster.regions) {
    TRY(TellNewsOf(transaction, cluster, region, nodes, told.regions[region.name], now));
  }
  const Record record = ToRecord(told);
  return record.body == before ? Status() : transaction.Put(record);
}

Status TellRevocation(Transaction& transaction, const Cluster& cluster, const Caller& caller,
                      const std::string& warning, WallTime now) {
  Notice notice = RevocationNotice(cluster, caller.name, cluster.revoked.has_value());
  if (!warning.empty()) notice.what += " " + warning;
  TRY(Post(transaction, notice, now, now));
  return {};
}

Status TellLeft(Transaction& transaction, const Cluster& cluster, const Caller& caller,
                WallTime now) {
  Notice notice;
  notice.type = NoticeType::kLeft;
  notice.at = PlaceOf(cluster);
  notice.cluster_name = cluster.name;
  notice.what =
      fmt::format("The service account {} asked that cluster {} leaves its customer-managed keys.",
                  caller.name, cluster.name);
  notice.follows = "its data goes back under the operator's key, where the hosts allow that";
  notice.commands = {fmt::format(
      "freehold cmek rotate {} -f MANIFEST   # with the present keys, if that was not meant to be",
      cluster.name)};
  TRY(Post(transaction, notice, now, now));
  return {};
}

Status TellDuplicated(Transaction& transaction, const Cluster& cluster, const NodeState& node,
                      WallTime now) {
  Notice notice;
  notice.type = NoticeType::kDuplicated;
  notice.at = PlaceOf(cluster);
  notice.cluster_name = cluster.name;
  notice.region = node.region;
  notice.nodes = {node.node};
  notice.since = node.instances.duplicated_at;
  notice.what = fmt::format(
      "Two hosts have the identity of the node {} of cluster {}: its disk was copied, and the copy "
      "runs.",
      node.node, cluster.name);
  notice.follows =
      "a revocation stays REVOKING until the operator has removed that node; what the copy can "
      "read ends with its key, when the KMS refuses it";
  notice.commands = {fmt::format("freehold cluster nodes {}   # which node", cluster.name)};
  TRY(Post(transaction, notice, now, now));
  return {};
}

Status TellLoosened(Transaction& transaction, const Cluster& cluster, const Caller& caller,
                    const std::vector<std::string>& settings, WallTime now) {
  Notice notice;
  notice.type = NoticeType::kLoosened;
  notice.at = PlaceOf(cluster);
  notice.cluster_name = cluster.name;
  std::string names;
  for (const std::string& name : settings) names += (names.empty() ? "" : ", ") + name;
  notice.what = fmt::format("The service account {} loosened {} of the custody of cluster {}.",
                            caller.name, names, cluster.name);
  notice.follows = "its data may stay open longer when the key is refused or cannot be reached";
  notice.commands = {fmt::format("freehold cmek custody {}   # what counts now", cluster.name)};
  TRY(Post(transaction, notice, now, now));
  return {};
}

Status TellRemoved(Transaction& transaction, const Contact& contact, const Caller& caller,
                   WallTime now) {
  Notice notice;
  notice.type = NoticeType::kContactRemoved;
  notice.at.organization = contact.organization;
  notice.what = fmt::format("The service account {} removed the {} contact {}.", caller.name,
                            NameOf(contact.purpose), contact.address);
  notice.follows = "it is told of nothing any more";
  notice.commands = {"freehold contact list   # who is told now"};
  TRY(Post(transaction, notice, now, now));
  return {};
}

Status ForgetIfTold(Transaction& transaction, const Contact& contact) {
  if (!contact.removed) return {};
  const auto waiting = TRY(transaction.List(Kind::kMessage, contact.id, {"", 1}));
  return waiting.empty() ? transaction.Remove(Kind::kContact, contact.id) : Status();
}

Status ForgetNews(Transaction& transaction, const std::string& cluster) {
  const ClusterNews told = TRY(LoadNews(transaction, cluster));
  for (const auto& [name, region] : told.regions) {
    TRY(TakeBack(transaction, region.grace_messages));
  }
  return transaction.Remove(Kind::kKeyNews, cluster);
}

Status Outbox::Refresh(std::map<std::string, Waiting>& waiting) {
  const std::uint64_t revision = TRY(store_.State()).revision;
  if (revision == seen_) return {};
  std::map<std::string, Waiting> fresh;
  TRY(store_.Read([&](Transaction& transaction) -> Status {
    fresh.clear();
    for (const Record& record : TRY(transaction.ChangedSince(Kind::kMessage, seen_))) {
      const auto message = TRY(api::DecodeBody<Message>(record.body, "a record of the store"));
      fresh[message.id] = {message.organization, message.contact,
                           std::max(message.next_at, message.leased_until.value_or(WallTime{}))};
    }
    return {};
  }));
  for (auto& [id, one] : fresh) waiting[id] = std::move(one);
  seen_ = revision;
  return {};
}

Result<std::optional<Outbox::Leased>> Outbox::Lease(const std::string& id) {
  std::optional<Leased> leased;
  TRY(store_.Change([&](Transaction& transaction) -> Status {
    leased.reset();
    auto message = TRY(LoadMessage(transaction, id));
    if (!message.has_value()) return {};
    const WallTime now = clock_.Wall();
    if (message->next_at > now) return {};
    if (message->leased_until.has_value() && *message->leased_until > now) return {};
    auto contact = TRY(LoadContact(transaction, message->contact));
    if (!contact.has_value()) return transaction.Remove(Kind::kMessage, id);
    message->leased_by = holder_;
    message->leased_until = now + (IsMutant("short-leases") ? Duration{} : settings_.lease);
    ++message->attempts;
    if (!message->first_try_at.has_value()) message->first_try_at = now;
    TRY(transaction.Put(ToRecord(*message)));
    leased = Leased{std::move(*message), std::move(*contact)};
    return {};
  }));
  return leased;
}

Status Outbox::Delivered(const Message& message) {
  return store_.Change([&](Transaction& transaction) -> Status {
    TRY(transaction.Remove(Kind::kMessage, message.id));
    auto contact = TRY(LoadContact(transaction, message.contact));
    if (!contact.has_value()) return {};
    contact->last_delivered_at = clock_.Wall();
    contact->last_failure.clear();
    contact->last_failed_at.reset();
    TRY(transaction.Put(ToRecord(*contact)));
    return ForgetIfTold(transaction, *contact);
  });
}

Result<bool> Outbox::Failed(const Message& failed, const std::string& problem) {
  bool given_up = false;
  TRY(store_.Change([&](Transaction& transaction) -> Status {
    given_up = false;
    auto message = TRY(LoadMessage(transaction, failed.id));
    if (!message.has_value() || message->leased_by != holder_) return {};
    const WallTime now = clock_.Wall();
    Duration wait = settings_.first_wait;
    for (std::uint64_t i = 1; i < message->attempts && wait < settings_.longest_wait; ++i) {
      wait *= 2;
    }
    message->next_at = now + std::min(wait, settings_.longest_wait);
    message->leased_until.reset();
    given_up = message->next_at - message->first_try_at.value_or(now) > settings_.give_up;
    TRY(given_up ? transaction.Remove(Kind::kMessage, message->id)
                 : transaction.Put(ToRecord(*message)));
    auto contact = TRY(LoadContact(transaction, message->contact));
    if (!contact.has_value()) return {};
    if (given_up) ++contact->given_up;
    NoteFailure(*contact, now, problem);
    TRY(transaction.Put(ToRecord(*contact)));
    return ForgetIfTold(transaction, *contact);
  }));
  return given_up;
}

}  // namespace freehold::control
