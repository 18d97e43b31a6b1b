#include "keyring/keyring.h"

#include "base/wire.h"
#include "crypto/crypto.h"
#include "fmt/format.h"

namespace freehold {
namespace {

constexpr std::string_view kMagic = "FHOLDKEY";
constexpr std::size_t kMacSize = 32;
constexpr std::size_t kLengthOffset = 12;

// Shown to people, sent in requests, put into JSON: nothing but printable UTF-8.
Result<std::string> ReadText(Reader& reader) {
  std::string text = TRY(reader.String());
  if (Printable(text) == text) return text;
  return Error(ErrorCode::kInvalidArgument, "a text in it is not printable");
}

void EncodeWrappedKey(Writer& writer, const WrappedKey& key) {
  writer.String(key.key_version);
  writer.String(key.algorithm);
  writer.Blob(key.ciphertext);
}

Result<WrappedKey> DecodeWrappedKey(Reader& reader) {
  WrappedKey key;
  key.key_version = TRY(ReadText(reader));
  key.algorithm = TRY(ReadText(reader));
  key.ciphertext = TRY(reader.Blob());
  return key;
}

std::uint64_t Seconds(WallTime time) {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::seconds>(time.since_epoch).count());
}

Result<WallTime> ReadTime(Reader& reader) {
  // Capped far beyond any real date, so that no arithmetic on it can overflow.
  const std::uint64_t seconds = std::min<std::uint64_t>(TRY(reader.U64()), 1ULL << 33);
  return WallTime{std::chrono::seconds(seconds)};
}

void EncodeKek(Writer& writer, const WrappedKek& kek) {
  writer.String(NameOf(kek.kms_type));
  writer.String(kek.key_uri);
  writer.String(kek.principal);
  writer.U16(static_cast<std::uint16_t>(kek.context.size()));
  for (const auto& [key, value] : kek.context) {
    writer.String(key);
    writer.String(value);
  }
  EncodeWrappedKey(writer, kek.kek);
  EncodeWrappedKey(writer, kek.canary);
  writer.Raw(kek.canary_digest);
  writer.U64(Seconds(kek.created));
}

Result<WrappedKek> DecodeKek(Reader& reader) {
  WrappedKek kek;
  const std::string type_name = TRY(ReadText(reader));
  auto type = KmsTypeFromName(type_name);
  // A name that we do not know is a newer release's; none at all is damage.
  if (!type.ok() && type_name.empty()) return type.error();
  if (!type.ok()) return Error(ErrorCode::kUnsupportedVersion, type.error().message());
  kek.kms_type = *type;
  kek.key_uri = TRY(ReadText(reader));
  kek.principal = TRY(ReadText(reader));
  const std::uint16_t pairs = TRY(reader.U16());
  for (int i = 0; i < pairs; ++i) {
    std::string key = TRY(ReadText(reader));
    kek.context[key] = TRY(ReadText(reader));
  }
  kek.kek = TRY(DecodeWrappedKey(reader));
  kek.canary = TRY(DecodeWrappedKey(reader));
  kek.canary_digest = TRY(reader.Array<32>());
  kek.created = TRY(ReadTime(reader));
  return kek;
}

void EncodeDek(Writer& writer, const WrappedDek& dek) {
  writer.Raw(dek.id);
  writer.U32(dek.generation);
  writer.U8(dek.retired ? 1 : 0);
  writer.U64(Seconds(dek.created));
  writer.Blob(dek.sealed);
}

Result<WrappedDek> DecodeDek(Reader& reader) {
  WrappedDek dek;
  dek.id = TRY(reader.Array<16>());
  dek.generation = TRY(reader.U32());
  dek.retired = TRY(reader.U8()) != 0;
  dek.created = TRY(ReadTime(reader));
  dek.sealed = TRY(reader.Blob());
  return dek;
}

Result<Keyring> DecodeBody(Reader& reader) {
  Keyring keyring;
  keyring.generation = TRY(reader.U64());
  keyring.volume_id = TRY(reader.Array<16>());
  keyring.kek_id = TRY(reader.Array<16>());
  keyring.cipher = TRY(CipherOf(TRY(reader.U8())));
  keyring.created = TRY(ReadTime(reader));
  const std::uint16_t keks = TRY(reader.U16());
  const std::uint16_t deks = TRY(reader.U16());
  if (keks == 0 || deks == 0) return Error(ErrorCode::kInvalidArgument, "no KEK or no DEK in it");
  for (int i = 0; i < keks; ++i) keyring.keks.push_back(TRY(DecodeKek(reader)));
  for (int i = 0; i < deks; ++i) keyring.deks.push_back(TRY(DecodeDek(reader)));
  if (reader.left() != 0) return Error(ErrorCode::kInvalidArgument, "bytes follow its end");
  return keyring;
}

}  // namespace

Bytes EncodeKeyring(const Keyring& keyring, const Kek& kek) {
  Writer writer;
  writer.Raw(AsBytes(kMagic));
  writer.U16(kKeyringVersion);
  writer.U16(0);  // incompatible features
  writer.U32(0);  // length, below
  writer.U64(keyring.generation);
  writer.Raw(keyring.volume_id);
  writer.Raw(keyring.kek_id);
  writer.U8(static_cast<std::uint8_t>(keyring.cipher));
  writer.U64(Seconds(keyring.created));
  writer.U16(static_cast<std::uint16_t>(keyring.keks.size()));
  writer.U16(static_cast<std::uint16_t>(keyring.deks.size()));
  for (const WrappedKek& wrapped : keyring.keks) EncodeKek(writer, wrapped);
  for (const WrappedDek& dek : keyring.deks) EncodeDek(writer, dek);
  writer.PatchU32(kLengthOffset, static_cast<std::uint32_t>(writer.size() + kMacSize));
  writer.Raw(HmacSha256(kek.MacKey(keyring.volume_id).ExposeSecret(), writer.bytes()));
  return writer.Take();
}

Result<Keyring> DecodeKeyringUnverified(ByteView bytes) {
  const auto corrupt = [](std::string_view why) {
    return Error(ErrorCode::kKeyringCorrupt, fmt::format("the keyring is damaged: {}", why));
  };
  if (bytes.size() < kLengthOffset + 4 + kMacSize) {
    return corrupt(bytes.empty() ? "it is empty" : "it is cut short");
  }
  Reader reader(bytes.first(bytes.size() - kMacSize));
  if (AsText(TRY(reader.Raw(kMagic.size()))) != kMagic) {
    return corrupt("it does not start with Freehold's mark");
  }
  const std::uint16_t version = TRY(reader.U16());
  const std::uint16_t features = TRY(reader.U16());
  if (version != kKeyringVersion || features != 0) {
    return Error(ErrorCode::kUnsupportedVersion,
                 fmt::format("the keyring has format version {} with features {:#x}; this release "
                             "reads version {} only",
                             version, features, kKeyringVersion));
  }
  const std::uint32_t length = TRY(reader.U32());
  if (length != bytes.size()) {
    return corrupt(fmt::format("it has {} bytes and says {}", bytes.size(), length));
  }
  auto keyring = DecodeBody(reader);
  if (!keyring.ok()) {
    if (keyring.error().code() == ErrorCode::kUnsupportedVersion) return keyring;
    return corrupt(keyring.error().message());
  }
  return keyring;
}

Status VerifyKeyring(ByteView bytes, const Keyring& decoded, const Kek& kek) {
  if (bytes.size() < kMacSize) {
    return Error(ErrorCode::kKeyringCorrupt, "the keyring is cut short");
  }
  const Digest256 mac = HmacSha256(kek.MacKey(decoded.volume_id).ExposeSecret(),
                                   bytes.first(bytes.size() - kMacSize));
  if (decoded.kek_id != kek.id() || !ConstantTimeEqual(bytes.last(kMacSize), mac)) {
    return Error(ErrorCode::kKeyringCorrupt,
                 "the keyring was changed by someone without its key: its MAC does not fit");
  }
  return {};
}

std::string KeyringFingerprint(ByteView bytes) { return HexEncode(Sha256(bytes)).substr(0, 16); }

}  // namespace freehold
