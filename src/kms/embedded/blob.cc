#include "kms/embedded/blob.h"

#include "crypto/crypto.h"
#include "fmt/format.h"

namespace freehold::embedded {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::uint8_t kMultiRegionVersion = 2;  // of a key whose id begins so:
constexpr std::string_view kMultiRegion = "mrk-";
constexpr std::size_t kKeyIdSize = 16;
constexpr std::size_t kMaterialIdSize = 32;
constexpr std::size_t kLabelSize = 1 + kKeyIdSize + kMaterialIdSize;

Error Unfit() { return Error(ErrorCode::kKeyData, "not a ciphertext of this KMS"); }

void AppendText(Bytes& out, std::string_view text) {
  for (int shift = 24; shift >= 0; shift -= 8) {
    out.push_back(static_cast<std::uint8_t>(text.size() >> shift));
  }
  out.insert(out.end(), text.begin(), text.end());
}

Bytes AssociatedData(ByteView label, std::string_view key_arn, const Context& context) {
  Bytes data = ToBytes(label);
  AppendText(data, key_arn);
  for (const auto& [name, value] : context) {
    AppendText(data, name);
    AppendText(data, value);
  }
  return data;
}

std::string WithoutDashes(std::string_view uuid) {
  std::string hex;
  for (char c : uuid) {
    if (c != '-') hex.push_back(c);
  }
  return hex;
}

std::string WithDashes(std::string_view hex) {
  return fmt::format("{}-{}-{}-{}-{}", hex.substr(0, 8), hex.substr(8, 4), hex.substr(12, 4),
                     hex.substr(16, 4), hex.substr(20));
}

}  // namespace

Result<Bytes> EncryptBlob(const BlobLabel& label, std::string_view key_arn, const Context& context,
                          const SecretBytes& material, ByteView plaintext) {
  const bool multi_region = label.key_id.starts_with(kMultiRegion);
  Bytes blob = {multi_region ? kMultiRegionVersion : kVersion};
  const std::string hex = multi_region ? label.key_id.substr(kMultiRegion.size())  //
                                       : WithoutDashes(label.key_id);
  const Bytes key_id = TRY(HexDecode(hex));
  const Bytes material_id = TRY(HexDecode(label.material_id));
  blob.insert(blob.end(), key_id.begin(), key_id.end());
  blob.insert(blob.end(), material_id.begin(), material_id.end());
  if (blob.size() != kLabelSize) return Error(ErrorCode::kInternal, "an id has a wrong size");
  const Bytes sealed = TRY(GcmEncrypt(material, AssociatedData(blob, key_arn, context), plaintext));
  blob.insert(blob.end(), sealed.begin(), sealed.end());
  return blob;
}

Result<BlobLabel> ReadBlobLabel(ByteView blob) {
  if (blob.size() < kLabelSize + kGcmNonceSize + kGcmTagSize) return Unfit();
  const bool multi_region = blob[0] == kMultiRegionVersion;
  if (!multi_region && blob[0] != kVersion) return Unfit();
  const std::string hex = HexEncode(blob.subspan(1, kKeyIdSize));
  return BlobLabel{multi_region ? std::string(kMultiRegion) + hex : WithDashes(hex),
                   HexEncode(blob.subspan(1 + kKeyIdSize, kMaterialIdSize))};
}

Result<SecretBytes> DecryptBlob(ByteView blob, std::string_view key_arn, const Context& context,
                                const SecretBytes& material) {
  TRY(ReadBlobLabel(blob));
  return GcmDecrypt(material, AssociatedData(blob.first(kLabelSize), key_arn, context),
                    blob.subspan(kLabelSize));
}

}  // namespace freehold::embedded
