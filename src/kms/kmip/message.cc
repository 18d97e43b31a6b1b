#include "kms/kmip/message.h"

#include "kms/service/json_service.h"

namespace freehold::kmip {
namespace {

Error NoAnswer(std::string_view why) {
  return Error(ErrorCode::kInvalidArgument, std::string("the answer ") + std::string(why));
}

}  // namespace

std::string_view NameOf(Operation operation) {
  switch (operation) {
    case Operation::kGetAttributes:
      return "Get Attributes";
    case Operation::kQuery:
      return "Query";
    case Operation::kDiscoverVersions:
      return "Discover Versions";
    case Operation::kEncrypt:
      return "Encrypt";
    case Operation::kDecrypt:
      break;
  }
  return "Decrypt";
}

Writer EncodeRequest(ProtocolVersion version, Operation operation, const Writer& payload) {
  Writer numbers, header, item, content, message;
  numbers.Integer(Tag::kProtocolVersionMajor, version.major);
  numbers.Integer(Tag::kProtocolVersionMinor, version.minor);
  header.Structure(Tag::kProtocolVersion, numbers);
  header.Integer(Tag::kBatchCount, 1);
  item.Enumeration(Tag::kOperation, static_cast<std::uint32_t>(operation));
  item.Structure(Tag::kRequestPayload, payload);
  content.Structure(Tag::kRequestHeader, header);
  content.Structure(Tag::kBatchItem, item);
  message.Structure(Tag::kRequestMessage, content);
  item.Wipe();
  content.Wipe();
  return message;
}

Result<Answer> DecodeAnswer(SecretBytes bytes, Operation operation) {
  const Item message = TRY(ReadItem(bytes.ExposeSecret()));
  if (!message.Is(Tag::kResponseMessage, Type::kStructure)) return NoAnswer("is none of KMIP's");
  const Item* header = message.Find(Tag::kResponseHeader, Type::kStructure);
  const Item* batch = message.Find(Tag::kBatchItem, Type::kStructure);
  if (header == nullptr || batch == nullptr) return NoAnswer("has not one header and one item");
  const Item* count = header->Find(Tag::kBatchCount, Type::kInteger);
  if (count == nullptr || count->Number() != 1) return NoAnswer("does not count one item");
  const Item* status = batch->Find(Tag::kResultStatus, Type::kEnumeration);
  if (status == nullptr) return NoAnswer("does not say how it went");
  const Item* which = batch->Find(Tag::kOperation, Type::kEnumeration);
  // A server that could not read a request does not repeat what it asked for.
  const bool fits = which == nullptr ? status->Number() != 0
                                     : which->Number() == static_cast<std::uint32_t>(operation);
  if (!fits) return NoAnswer("is about another operation");
  Answer answer;
  answer.status = status->Number();
  if (const Item* reason = batch->Find(Tag::kResultReason, Type::kEnumeration)) {
    answer.reason = reason->Number();
  }
  if (const Item* words = batch->Find(Tag::kResultMessage, Type::kTextString)) {
    answer.message = Printable(FirstLine(words->Text()));
  }
  if (const Item* payload = batch->Find(Tag::kResponsePayload, Type::kStructure)) {
    answer.payload = *payload;
  }
  answer.bytes = std::move(bytes);
  return answer;
}

}  // namespace freehold::kmip
