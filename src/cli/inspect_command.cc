// freehold inspect: what an encrypted file or a keyring says of itself, without any key.
#include <fcntl.h>

#include <boost/json.hpp>

#include "base/posix_file.h"
#include "cli/output.h"
#include "cli/volume_commands.h"
#include "fmt/format.h"
#include "format/sizes.h"
#include "node/status_json.h"
#include "vfs/posix_file.h"

namespace freehold::cli {
namespace {

namespace json = boost::json;

json::object SlotJson(ByteView slot) {
  auto header = DecodeSlotUnverified(slot);
  if (!header.ok()) return {{"state", header.error().message()}};
  return {{"state", "written (its MAC cannot be checked without the key)"},
          {"cipher", NameOf(header->cipher)},
          {"generation", header->generation},
          {"volume_id", HexEncode(header->volume_id)},
          {"file_id", HexEncode(header->file_id)},
          {"dek_id", HexEncode(header->dek_id)},
          {"salt", HexEncode(header->salt)}};
}

Result<json::object> InspectFile(File& file, std::uint64_t size) {
  Bytes header(kHeaderSize);
  if (TRY(file.ReadAt(0, header)) != kHeaderSize) {
    return Error(ErrorCode::kFileCorrupt,
                 fmt::format("not an encrypted file: {} bytes are less than a header", size));
  }
  const HeaderSlots slots = SplitHeader(header);
  if (!AllZero(header) && !DecodeSlotUnverified(slots.slot[0]).ok() &&
      !DecodeSlotUnverified(slots.slot[1]).ok()) {
    return DecodeSlotUnverified(slots.slot[0]).error();
  }
  return json::object{{"kind", "encrypted file"},
                      {"size_on_disk", size},
                      {"plaintext_size", LogicalSizeOf({size}).bytes},
                      {"slot_0", SlotJson(slots.slot[0])},
                      {"slot_1", SlotJson(slots.slot[1])}};
}

Result<json::object> Inspect(const std::string& path) {
  PosixFile file(TRY(OpenFile(path, O_RDONLY)));
  const std::uint64_t size = TRY(file.Size());
  Bytes start(8);
  TRY(file.ReadAt(0, start));
  if (AsText(start) != "FHOLDKEY") return InspectFile(file, size);
  const Bytes bytes = TRY(ReadFile(path, 1 << 20));
  json::object keyring = KeyringJson(TRY(DecodeKeyringUnverified(bytes)));
  keyring["kind"] = "keyring";
  keyring["fingerprint"] = KeyringFingerprint(bytes);
  return keyring;
}

// Nested objects become "slot_0.cipher"; enough for a person.
void AddLines(std::string& out, const std::string& prefix, const json::value& value) {
  if (value.is_object()) {
    for (const auto& [name, inner] : value.as_object()) {
      AddLines(out, prefix.empty() ? std::string(name) : prefix + "." + std::string(name), inner);
    }
  } else if (value.is_array()) {
    int index = 0;
    for (const json::value& inner : value.as_array()) {
      AddLines(out, fmt::format("{}.{}", prefix, index++), inner);
    }
  } else {
    const std::string text =
        value.is_string() ? std::string(value.as_string()) : json::serialize(value);
    out += fmt::format("{:<24}{}\n", prefix, text);
  }
}

}  // namespace

int RunInspect(const std::string& path, bool as_json) {
  auto result = Inspect(path);
  if (!result.ok()) return Fail(result.error().Because(path), as_json);
  if (as_json) {
    Print(json::serialize(*result));
    return 0;
  }
  std::string text;
  AddLines(text, "", *result);
  text.pop_back();
  Print(text);
  return 0;
}

}  // namespace freehold::cli
