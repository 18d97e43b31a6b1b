// Encrypt and decrypt. A ciphertext is version number (4, big-endian) | AES-256-GCM's sealed form;
// the name of the version and the caller's associated data are bound to it.
#include <charconv>

#include "base/log.h"
#include "fmt/format.h"
#include "kms/embedded/google/keys.h"
#include "kms/embedded/google/operations.h"
#include "kms/service/crc32c.h"

namespace freehold::embedded::google {
namespace {

namespace json = boost::json;

constexpr std::size_t kSoftwareLimit = 64 << 10;
constexpr std::size_t kHsmLimit = 8 << 10;
constexpr std::size_t kNumberSize = 4;

struct Checked {
  Bytes bytes;
  bool verified = false;  // a checksum came along and fits
};

// A field and the checksum beside it.
GoogleResult<Checked> CheckedBytesIn(const json::object& body, const std::string& name) {
  Checked checked{GOOGLE_TRY(BytesIn(body, name)), false};
  const auto* sum = body.if_contains(name + "Crc32c");
  if (sum == nullptr || sum->is_null()) return checked;
  std::int64_t number = -1;
  if (sum->is_int64()) number = sum->get_int64();
  if (sum->is_string()) {
    const std::string_view text(sum->get_string().data(), sum->get_string().size());
    std::from_chars(text.data(), text.data() + text.size(), number);
  }
  if (number != static_cast<std::int64_t>(Crc32c(checked.bytes))) {
    return InvalidArgument(fmt::format(
        "The checksum in field {}Crc32c did not match the data in field {}.", name, name));
  }
  checked.verified = true;
  return checked;
}

std::string ChecksumOf(ByteView bytes) { return fmt::format("{}", Crc32c(bytes)); }

Bytes BindingOf(const std::string& version_name, ByteView associated_data) {
  Bytes binding = ToBytes(AsBytes(version_name));
  binding.push_back(0);
  binding.insert(binding.end(), associated_data.begin(), associated_data.end());
  return binding;
}

// What a customer finds in the log: the context, where the data is one.
void LogAssociatedData(DialectCall& call, ByteView data) {
  boost::system::error_code failure;
  const auto value = json::parse({AsText(data).data(), data.size()}, failure);
  if (!failure && value.is_object()) {
    call.parameters["encryptionContext"] = value;
  } else if (!data.empty()) {
    call.parameters["additionalAuthenticatedData"] =
        Base64Encode(data.first(std::min<std::size_t>(data.size(), 256)));
  }
}

GoogleStatus CheckSizes(const CryptoKey& key, std::size_t data, std::size_t associated) {
  const bool is_hsm = key.protection_level == "HSM";
  if (is_hsm ? data + associated > kHsmLimit
             : data > kSoftwareLimit || associated > kSoftwareLimit) {
    return InvalidArgument(fmt::format(
        "The plaintext and additional authenticated data are too long for protection level {}.",
        key.protection_level));
  }
  return {};
}

GoogleFailure Broken(const Error& error) {
  LogError("kms", error.message());
  return Internal();
}

}  // namespace

Answer Encrypt(Operation& op) {
  VersionName name = ParseVersionName(op.resource());
  op.call.key = name.key;
  GOOGLE_TRY(op.Authorize("cloudkms.cryptoKeyVersions.useToEncrypt"));
  const Checked plaintext = GOOGLE_TRY(CheckedBytesIn(op.body, "plaintext"));
  const Checked associated = GOOGLE_TRY(CheckedBytesIn(op.body, "additionalAuthenticatedData"));
  LogAssociatedData(op.call, associated.bytes);
  const CryptoKey* key = GOOGLE_TRY(FindKey(*op.state, name.key));
  GOOGLE_TRY(CheckSizes(*key, plaintext.bytes.size(), associated.bytes.size()));
  if (op.resource() == name.key) name.number = key->primary;
  if (name.number == 0 && op.resource() == name.key) {
    return FailedPrecondition(name.key + " has no primary version.");
  }
  const std::string version_name = FormatVersionName(name.key, name.number);
  const Version* version = GOOGLE_TRY(FindVersion(*op.state, version_name));
  if (version->state != VersionState::kEnabled) return NotEnabled(version_name, version->state);
  const auto material = UnsealMaterial(op.master, name.key, name.number, *version);
  if (!material.ok()) return Broken(material.error());
  const auto sealed =
      GcmEncrypt(*material, BindingOf(version_name, associated.bytes), plaintext.bytes);
  if (!sealed.ok()) return Broken(sealed.error());
  Bytes ciphertext;
  for (int shift = 24; shift >= 0; shift -= 8) {
    ciphertext.push_back(static_cast<std::uint8_t>(name.number >> shift));
  }
  ciphertext.insert(ciphertext.end(), sealed->begin(), sealed->end());
  json::object answer{{"name", version_name},
                      {"ciphertext", Base64Encode(ciphertext)},
                      {"ciphertextCrc32c", ChecksumOf(ciphertext)},
                      {"protectionLevel", key->protection_level}};
  if (plaintext.verified) answer["verifiedPlaintextCrc32c"] = true;
  if (associated.verified) answer["verifiedAdditionalAuthenticatedDataCrc32c"] = true;
  return answer;
}

Answer Decrypt(Operation& op) {
  op.call.key = op.resource();
  op.call.read_only = true;
  GOOGLE_TRY(op.Authorize("cloudkms.cryptoKeyVersions.useToDecrypt"));
  const Checked ciphertext = GOOGLE_TRY(CheckedBytesIn(op.body, "ciphertext"));
  const Checked associated = GOOGLE_TRY(CheckedBytesIn(op.body, "additionalAuthenticatedData"));
  LogAssociatedData(op.call, associated.bytes);
  const CryptoKey* key = GOOGLE_TRY(FindKey(*op.state, op.resource()));
  const GoogleFailure invalid =
      InvalidArgument("Decryption failed: verify that 'name' refers to the correct CryptoKey.");
  if (ciphertext.bytes.size() <= kNumberSize) return invalid;
  int number = 0;
  for (std::size_t i = 0; i < kNumberSize; ++i) {
    number = static_cast<int>(static_cast<unsigned>(number) << 8 | ciphertext.bytes[i]);
  }
  const auto found = key->versions.find(number);
  if (found == key->versions.end()) return invalid;
  const std::string version_name = FormatVersionName(op.resource(), number);
  if (found->second.state != VersionState::kEnabled) {
    return NotEnabled(version_name, found->second.state);
  }
  const auto material = UnsealMaterial(op.master, op.resource(), number, found->second);
  if (!material.ok()) return Broken(material.error());
  const auto plaintext = GcmDecrypt(*material, BindingOf(version_name, associated.bytes),
                                    ByteView(ciphertext.bytes).subspan(kNumberSize));
  if (!plaintext.ok()) return invalid;
  json::object answer{{"plaintext", Base64Encode(plaintext->ExposeSecret())},
                      {"plaintextCrc32c", ChecksumOf(plaintext->ExposeSecret())},
                      {"protectionLevel", key->protection_level}};
  if (number == key->primary) answer["usedPrimary"] = true;
  return answer;
}

}  // namespace freehold::embedded::google
