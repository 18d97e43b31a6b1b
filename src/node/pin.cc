#include "node/pin.h"

#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>
#include <climits>
#include <cstdlib>

#include "base/posix_file.h"
#include "crypto/crypto.h"
#include "fmt/format.h"
#include "node/status_json.h"

namespace freehold {
namespace {

namespace json = boost::json;

json::object ToJson(const Pin& pin) {
  json::array keys;
  for (const KeyAccess& access : pin.allowed) {
    keys.push_back(KeyAccessJson(access));
  }
  json::object object = {{"volume_id", HexEncode(pin.volume_id)},
                         {"generation", pin.generation},
                         {"revoked", pin.revoked},
                         {"allowed", keys}};
  if (pin.kek_id.has_value()) object["kek_id"] = HexEncode(*pin.kek_id);
  if (pin.next_kek_id.has_value()) object["next_kek_id"] = HexEncode(*pin.next_kek_id);
  return object;
}

Result<Id> IdFromHex(std::string_view hex) {
  const Bytes bytes = TRY(HexDecode(hex));
  if (bytes.size() != 16) return Error(ErrorCode::kInvalidArgument, "an id is not 16 bytes");
  Id id;
  std::copy(bytes.begin(), bytes.end(), id.begin());
  return id;
}

// boost::json throws on a wrong shape; the exceptions end here.
Result<Pin> FromJson(std::string_view text) try {
  const json::object object = json::parse(text).as_object();
  Pin pin;
  pin.volume_id = TRY(IdFromHex(object.at("volume_id").as_string()));
  pin.generation = object.at("generation").to_number<std::uint64_t>();
  pin.revoked = object.contains("revoked") && object.at("revoked").as_bool();
  if (object.contains("kek_id")) pin.kek_id = TRY(IdFromHex(object.at("kek_id").as_string()));
  if (object.contains("next_kek_id")) {
    pin.next_kek_id = TRY(IdFromHex(object.at("next_kek_id").as_string()));
  }
  for (const json::value& key : object.at("allowed").as_array()) {
    pin.allowed.push_back(TRY(KeyAccessFromJson(key.as_object())));
  }
  return pin;
} catch (const std::exception& failure) {
  return Error(ErrorCode::kIo, fmt::format("not a pin: {}", failure.what()));
}

}  // namespace

std::string PinStore::DefaultDirectory() {
  if (geteuid() == 0) return "/var/lib/freehold";
  if (const char* state = std::getenv("XDG_STATE_HOME"); state != nullptr && *state != '\0') {
    return std::string(state) + "/freehold";
  }
  const char* home = std::getenv("HOME");
  return std::string(home != nullptr ? home : "/tmp") + "/.local/state/freehold";
}

std::string PinStore::PathOf(const Id& volume_id) const {
  return fmt::format("{}/pins/{}.json", directory_, HexEncode(volume_id));
}

Result<std::optional<Pin>> PinStore::Load(const Id& volume_id) const {
  auto bytes = ReadRegularFile(PathOf(volume_id));
  if (!bytes.ok()) {
    if (bytes.error().code() == ErrorCode::kNotFound) return std::optional<Pin>();
    return bytes.error();
  }
  auto pin = FromJson(AsText(*bytes));
  if (!pin.ok()) return pin.error().Because(PathOf(volume_id));
  if (pin->volume_id != volume_id) {
    return Error(ErrorCode::kKeyringRefused, PathOf(volume_id) + " is about another volume");
  }
  return std::optional<Pin>(std::move(*pin));
}

Status PinStore::Save(const Pin& pin) const {
  TRY(MakeDirectories(directory_ + "/pins", 0700));
  const std::string text = json::serialize(ToJson(pin)) + "\n";
  return ReplaceFile(PathOf(pin.volume_id), AsBytes(text), 0600);
}

Result<std::string> PinStore::PlacePathOf(const std::string& volume_directory) const {
  char resolved[PATH_MAX];
  if (realpath(volume_directory.c_str(), resolved) == nullptr) {
    return ErrnoError(errno, volume_directory);
  }
  const Digest256 digest = Sha256(AsBytes(resolved));
  return fmt::format("{}/places/{}", directory_, HexEncode(ByteView(digest).first(16)));
}

Result<std::optional<Id>> PinStore::VolumeAt(const std::string& volume_directory) const {
  const std::string path = TRY(PlacePathOf(volume_directory));
  auto bytes = ReadRegularFile(path);
  if (!bytes.ok()) {
    if (bytes.error().code() == ErrorCode::kNotFound) return std::optional<Id>();
    return bytes.error();
  }
  auto id = IdFromHex(AsText(*bytes));
  if (!id.ok()) return Error(ErrorCode::kIo, path + ": not the id of a volume");
  return std::optional<Id>(*id);
}

Status PinStore::SaveVolumeAt(const std::string& volume_directory, const Id& volume_id) const {
  TRY(MakeDirectories(directory_ + "/places", 0700));
  const std::string path = TRY(PlacePathOf(volume_directory));
  return ReplaceFile(path, AsBytes(HexEncode(volume_id)), 0600);
}

Result<KeyAccess> AllowedAccess(const Pin& pin, const WrappedKek& wrapped) {
  const std::string uri = CanonicalKeyUri(wrapped.key_uri);  // an older release had more spellings
  for (const KeyAccess& access : pin.allowed) {
    if (access.uri.text() == uri && access.principal == wrapped.principal) {
      return access;
    }
  }
  return Error(
      ErrorCode::kKeyringRefused,
      fmt::format("the keyring names the key {}{}, which is not allowed for this volume "
                  "here; if that is right, name it with --key{}",
                  wrapped.key_uri, wrapped.principal.empty() ? "" : " through " + wrapped.principal,
                  wrapped.principal.empty() ? "" : " and --principal"));
}

Status CheckAgainstPin(const Pin& pin, const Keyring& keyring, std::string_view fingerprint,
                       std::string_view accepted) {
  if (accepted == fingerprint) return {};
  const auto refuse = [&](std::string_view why) {
    return Error(ErrorCode::kKeyringRefused,
                 fmt::format("the keyring is {}; if you put it there yourself, accept it by name "
                             "with --accept-keyring {}",
                             why, fingerprint));
  };
  if (pin.kek_id.has_value() && keyring.kek_id != *pin.kek_id &&
      keyring.kek_id != pin.next_kek_id) {
    return refuse("not this volume's: it holds another KEK");
  }
  if (keyring.generation < pin.generation) {
    return refuse(fmt::format("older than the one last used here (generation {} after {})",
                              keyring.generation, pin.generation));
  }
  return {};
}

}  // namespace freehold
