#include "api/audit_chain.h"

#include <algorithm>
#include <boost/json.hpp>

#include "api/json_reader.h"
#include "base/wire.h"
#include "fmt/format.h"

namespace freehold::api {
namespace {

namespace json = boost::json;

// With the NUL that ends each, so that none is the beginning of another.
constexpr std::string_view kEntryLabel("freehold v1 audit entry\0", 24);
constexpr std::string_view kHeadLabel("freehold v1 audit head\0", 23);

Error Broken(std::string sentence) { return Error(ErrorCode::kVerifyFailed, std::move(sentence)); }

void LongText(Writer& writer, std::string_view text) {
  writer.U64(text.size());
  writer.Raw(AsBytes(text));
}

Bytes SignedBytes(const AuditHead& head) {
  Writer writer;
  writer.Raw(AsBytes(kHeadLabel));
  LongText(writer, head.organization);
  writer.U64(head.position);
  writer.Raw(head.seal);
  LongText(writer, head.at);
  return writer.Take();
}

// The text of a field, or "" where it is none.
std::string TextIn(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : "";
}

std::uint64_t NumberIn(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  if (value == nullptr || !value->is_number()) return 0;
  boost::system::error_code failure;
  const auto number = value->to_number<std::uint64_t>(failure);
  return failure ? 0 : number;
}

}  // namespace

Digest256 SealOf(const Digest256& before, std::string_view organization, std::uint64_t position,
                 std::string_view entry) {
  Writer writer;
  writer.Raw(AsBytes(kEntryLabel));
  writer.Raw(before);
  LongText(writer, organization);
  writer.U64(position);
  LongText(writer, entry);
  return Sha256(writer.bytes());
}

Status Sign(AuditHead& head, const SigningKey& key) {
  head.key_id = key.id();
  head.signature = TRY(key.Sign(SignedBytes(head)));
  return {};
}

Status CheckSignature(const AuditHead& head, const std::vector<VerifyingKey>& keys) {
  const auto key = std::find_if(keys.begin(), keys.end(),
                                [&](const VerifyingKey& one) { return one.id() == head.key_id; });
  if (key == keys.end()) {
    return Broken(
        fmt::format("the head of {} is signed by the key {}, which is none of those given",
                    Printable(head.at), Printable(head.key_id)));
  }
  if (key->Verify(SignedBytes(head), head.signature).ok()) return {};
  return Broken(fmt::format("the signature of the head of {} is false", Printable(head.at)));
}

json::object ToJson(const AuditHead& head) {
  return {{"organization_id", head.organization},
          {"position", head.position},
          {"seal", HexEncode(head.seal)},
          {"at", head.at},
          {"signature", Base64Encode(head.signature)},
          {"key_id", head.key_id}};
}

Result<AuditHead> ParseAuditHead(const json::object& object) {
  JsonReader reader(object, "");
  AuditHead head;
  head.organization = reader.Text("organization_id");
  const auto position = reader.Integer("position");
  if (!position.has_value() || *position < 0) reader.Refuse("position", "must be 0 or more");
  head.position = static_cast<std::uint64_t>(position.value_or(0));
  const auto seal = HexDecode(reader.RequiredText("seal"));
  if (!seal.ok() || seal->size() != head.seal.size()) reader.Refuse("seal", "is no SHA-256");
  head.at = reader.RequiredText("at");
  auto signature = Base64Decode(reader.RequiredText("signature"));
  if (!signature.ok()) reader.Refuse("signature", "is no base64");
  head.key_id = reader.RequiredText("key_id");
  TRY(reader.Finish());
  std::copy(seal->begin(), seal->end(), head.seal.begin());
  head.signature = std::move(*signature);
  return head;
}

Result<json::object> EntryJson(std::uint64_t position, const std::string& seal,
                               const std::string& text) {
  json::object entry = TRY(ParseObject(text, "an audit entry"));
  entry["position"] = position;
  entry["seal"] = seal;
  entry["text"] = text;
  return entry;
}

Status AuditChain::Take(const json::object& entry) {
  const std::uint64_t position = seals_.size() + 1;
  const std::uint64_t said = NumberIn(entry, "position");
  if (said != position) {
    return Broken(fmt::format("entry {} is missing: in its place is one that says it is at {}",
                              position, said));
  }
  const std::string text = TextIn(entry, "text");
  const Digest256 seal = SealOf(this->seal(), organization_, position, text);
  if (TextIn(entry, "seal") != HexEncode(seal)) {
    return Broken(
        fmt::format("entry {} was changed, or what is before it: its seal does not fit", position));
  }
  const auto shown = EntryJson(position, HexEncode(seal), text);
  if (!shown.ok() || *shown != entry) {
    return Broken(fmt::format("entry {} shows something else than its text says", position));
  }
  if (TextIn(entry, "organization_id") != organization_) {
    return Broken(fmt::format("entry {} is of another organization", position));
  }
  seals_.push_back(seal);
  return {};
}

Status AuditChain::Holds(const AuditHead& head) const {
  if (head.organization != organization_) {
    return Broken(fmt::format("the head of {} is of another organization", Printable(head.at)));
  }
  if (head.position > seals_.size()) {
    return Broken(
        fmt::format("entry {} is missing: the log ends before it, and the head of {} has "
                    "seen it there",
                    seals_.size() + 1, Printable(head.at)));
  }
  const Digest256 seal = head.position == 0 ? Digest256{} : seals_[head.position - 1];
  if (seal == head.seal) return {};
  return Broken(
      fmt::format("the log was rewritten at entry {} or before it: the head of {} has "
                  "another seal there",
                  head.position, Printable(head.at)));
}

}  // namespace freehold::api
