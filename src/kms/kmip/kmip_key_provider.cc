#include "kms/kmip/kmip_key_provider.h"

#include "crypto/crypto.h"
#include "fmt/format.h"
#include "kms/encryption_context.h"
#include "kms/kmip/classify.h"
#include "kms/kmip/payload.h"
#include "kms/service/json_service.h"

namespace freehold::kmip {
namespace {

constexpr std::uint32_t kAes = 3;
constexpr std::uint32_t kServerInformation = 3;
constexpr std::uint32_t kMayEncrypt = 4, kMayDecrypt = 8;  // bits of the usage mask

std::string_view AlgorithmOf(Mode mode) { return mode == Mode::kGcm ? "AES-GCM" : "AES-CTR"; }

Bytes Pack(Mode mode, const Encrypted& encrypted) {
  Bytes blob = {static_cast<std::uint8_t>(mode), static_cast<std::uint8_t>(encrypted.iv.size())};
  blob.insert(blob.end(), encrypted.iv.begin(), encrypted.iv.end());
  blob.push_back(static_cast<std::uint8_t>(encrypted.tag.size()));
  blob.insert(blob.end(), encrypted.tag.begin(), encrypted.tag.end());
  blob.insert(blob.end(), encrypted.ciphertext.begin(), encrypted.ciphertext.end());
  return blob;
}

struct Unpacked {
  Mode mode = Mode::kGcm;
  Encrypted encrypted;
};

std::optional<Bytes> TakeSized(ByteView& rest) {
  if (rest.empty() || rest.size() < 1u + rest[0]) return std::nullopt;
  const std::size_t size = rest[0];
  Bytes part = ToBytes(rest.subspan(1, size));
  rest = rest.subspan(1 + size);
  return part;
}

std::optional<Unpacked> Unpack(const WrappedKey& wrapped) {
  ByteView rest = wrapped.ciphertext;
  if (rest.empty() || rest[0] < 1 || rest[0] > 2) return std::nullopt;
  Unpacked unpacked;
  unpacked.mode = static_cast<Mode>(rest[0]);
  rest = rest.subspan(1);
  auto iv = TakeSized(rest);
  if (!iv.has_value() || iv->empty()) return std::nullopt;
  auto tag = TakeSized(rest);
  const std::size_t tag_size = unpacked.mode == Mode::kGcm ? kGcmTagSize : 0;
  if (!tag.has_value() || tag->size() != tag_size || rest.size() < kKeySize ||
      AlgorithmOf(unpacked.mode) != wrapped.algorithm) {
    return std::nullopt;
  }
  unpacked.encrypted = {std::move(*iv), std::move(*tag), ToBytes(rest)};
  return unpacked;
}

KmsResult<Encrypted> EncryptWith(ServerKey& key, Mode mode, const SecretBytes& plaintext,
                                 const EncryptionContext& context) {
  if (mode == Mode::kCtr) {
    return key.Encrypt(mode, SealContext(plaintext, context).ExposeSecret(), {});
  }
  return key.Encrypt(mode, plaintext.ExposeSecret(), AsBytes(CanonicalContext(context)));
}

KmsResult<SecretBytes> DecryptWith(ServerKey& key, const Unpacked& wrapped,
                                   const EncryptionContext& context) {
  const std::string_view operation = NameOf(Operation::kDecrypt);
  if (wrapped.mode == Mode::kGcm) {
    auto plaintext =
        key.Decrypt(wrapped.mode, wrapped.encrypted, AsBytes(CanonicalContext(context)));
    if (!plaintext.has_value()) return plaintext;
    return RequireKeySize(operation, std::move(*plaintext));
  }
  const auto payload = key.Decrypt(wrapped.mode, wrapped.encrypted, {});
  if (!payload.has_value()) return tl::unexpected(payload.error());
  return OpenPayload(operation, payload->ExposeSecret(), context);
}

}  // namespace

template <typename T>
KmsResult<T> KmipKeyProvider::WithKey(
    std::optional<ProtocolVersion> version,
    const std::function<KmsResult<T>(ServerKey&, ProtocolVersion)>& work) {
  KmsResult<T> result = WithRetries<T>(surroundings_, [&]() -> KmsResult<T> {
    auto client = KmipClient::Connect(access_.uri.kmip(), surroundings_);
    if (!client.has_value()) return tl::unexpected(client.error());
    const auto spoken =
        version.has_value() ? KmsResult<ProtocolVersion>(*version) : client->NewestVersion();
    if (!spoken.has_value()) return tl::unexpected(spoken.error());
    ServerKey key(std::move(*client), access_.uri.kmip().identifier, *spoken);
    return work(key, *spoken);
  });
  if (!result.has_value()) return tl::unexpected(WithRemedy(std::move(result.error())));
  return result;
}

KmsResult<WrappedKey> KmipKeyProvider::Wrap(const SecretBytes& plaintext,
                                            const EncryptionContext& context) {
  return WithKey<WrappedKey>(
      std::nullopt, [&](ServerKey& key, ProtocolVersion version) -> KmsResult<WrappedKey> {
        Mode mode = version >= kAeadVersion ? Mode::kGcm : Mode::kCtr;
        auto encrypted = EncryptWith(key, mode, plaintext, context);
        // One that speaks of associated data, and has no mode that takes it.
        if (!encrypted.has_value() && mode == Mode::kGcm &&
            encrypted.error().kms_class == KmsClass::kData) {
          auto again = EncryptWith(key, Mode::kCtr, plaintext, context);
          if (again.has_value()) {
            mode = Mode::kCtr;
            encrypted = std::move(again);
          }
        }
        if (!encrypted.has_value()) return tl::unexpected(encrypted.error());
        return WrappedKey{Pack(mode, *encrypted), access_.uri.kmip().identifier,
                          std::string(AlgorithmOf(mode))};
      });
}

KmsResult<SecretBytes> KmipKeyProvider::Unwrap(const WrappedKey& wrapped,
                                               const EncryptionContext& context) {
  const auto unpacked = Unpack(wrapped);
  if (!unpacked.has_value()) {
    return tl::unexpected(OwnFailure(KmsMeaning::kWrongCiphertext, NameOf(Operation::kDecrypt),
                                     "the wrapped key is none that a KMIP server has made"));
  }
  if (wrapped.key_version != access_.uri.kmip().identifier) {
    return tl::unexpected(
        OwnFailure(KmsMeaning::kWrongKey, NameOf(Operation::kDecrypt),
                   fmt::format("it was wrapped by the key {}", Printable(wrapped.key_version))));
  }
  std::optional<ProtocolVersion> version;
  if (unpacked->mode == Mode::kGcm) version = kAeadVersion;
  return WithKey<SecretBytes>(version, [&](ServerKey& key, ProtocolVersion) {
    return DecryptWith(key, *unpacked, context);
  });
}

KmsResult<KeyFacts> KmipKeyProvider::Describe() {
  return WithKey<KeyFacts>(
      std::nullopt, [&](ServerKey& key, ProtocolVersion version) -> KmsResult<KeyFacts> {
        const auto attributes = key.Attributes();
        if (!attributes.has_value()) return tl::unexpected(attributes.error());
        KeyFacts facts;
        facts.key_version = access_.uri.kmip().identifier;
        facts.state = attributes->state.has_value() ? NameOfState(*attributes->state) : "not told";
        facts.enabled =
            attributes->state.has_value() && !MeaningOfState(*attributes->state).has_value();
        facts.rotation_detail =
            "a KMIP server rotates no key in place: make a new one and give it to rotate-key";
        if (version < kAeadVersion) {
          facts.warnings.push_back(fmt::format(
              "the server speaks KMIP 1.{}, which knows no associated data: the encryption context "
              "is sealed into what it encrypts, and it is Freehold that compares it",
              version.minor));
        }
        if (attributes->algorithm.has_value() && *attributes->algorithm != kAes) {
          facts.warnings.emplace_back("the key is no AES key");
        }
        constexpr std::uint32_t kUse = kMayEncrypt | kMayDecrypt;
        if (attributes->usage_mask.has_value() && (*attributes->usage_mask & ~kUse) != 0) {
          facts.warnings.emplace_back(
              "the key may do more than encrypt and decrypt: give it no other use");
        }
        if (attributes->extractable.value_or(false) || !attributes->sensitive.value_or(true)) {
          facts.warnings.emplace_back(
              "the key may leave the server: make it with Sensitive true and Extractable false");
        }
        return facts;
      });
}

KmsResult<std::string> KmipKeyProvider::Identify() {
  return WithKey<std::string>(
      kLeastVersion, [&](ServerKey& key, ProtocolVersion version) -> KmsResult<std::string> {
        Writer payload;
        payload.Enumeration(Tag::kQueryFunction, kServerInformation);
        const auto answer = key.client().Ask(version, Operation::kQuery, payload);
        if (!answer.has_value()) return tl::unexpected(answer.error());
        // For people only: a server need not say what it is.
        std::string server = access_.uri.kmip().authority;
        const Item* vendor = answer->payload.Find(Tag::kVendorIdentification, Type::kTextString);
        if (vendor != nullptr) {
          server = fmt::format("{} ({})", Printable(FirstLine(vendor->Text())), server);
        }
        return fmt::format("{} at {}", key.client().our_name(), server);
      });
}

KmsFailure KmipKeyProvider::WithRemedy(KmsFailure failure) const {
  const KmipKeyId& key = access_.uri.kmip();
  if (failure.meaning == KmsMeaning::kPermissionMissing) {
    failure.remedy = fmt::format(
        "let our certificate's owner use {} of the key {}, and give the key Encrypt and Decrypt in "
        "its Cryptographic Usage Mask",
        failure.operation, key.identifier);
  } else if (failure.meaning == KmsMeaning::kKeyNotValidNow && failure.code == "Pre-Active") {
    failure.remedy = fmt::format("activate the key {} (KMIP's Activate)", key.identifier);
  } else if (failure.meaning == KmsMeaning::kTrustWithdrawn) {
    failure.remedy = fmt::format(
        "let the server at {} accept the certificate in FREEHOLD_KMIP_CERT_FILE", key.authority);
  } else if (failure.meaning == KmsMeaning::kKeyMissing) {
    failure.remedy = "check the unique identifier: KMIP's Locate finds it by the key's name";
  }
  return failure;
}

}  // namespace freehold::kmip
