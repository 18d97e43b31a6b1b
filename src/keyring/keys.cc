#include "keyring/keys.h"

#include <algorithm>

#include "base/wire.h"
#include "crypto/crypto.h"

namespace freehold {
namespace {

Bytes DekContext(const Id& volume_id, const Id& dek_id, std::uint32_t generation) {
  Writer writer;
  writer.Raw(AsBytes("freehold v1 dek"));
  writer.Raw(volume_id);
  writer.Raw(dek_id);
  writer.U32(generation);
  return writer.Take();
}

}  // namespace

Kek Kek::Random() { return Kek(RandomSecret(kKeySize)); }

Id Kek::id() const {
  const Digest256 tag = HmacSha256(bytes_.ExposeSecret(), AsBytes("freehold v1 kek id"));
  Id id;
  std::copy_n(tag.begin(), id.size(), id.begin());
  return id;
}

SecretBytes Kek::MacKey(const Id& volume_id) const {
  return DeriveKey(bytes_, volume_id, "freehold v1 keyring mac", kKeySize);
}

SecretBytes Kek::DekWrappingKey(const Id& volume_id) const {
  return DeriveKey(bytes_, volume_id, "freehold v1 dek wrapping", kKeySize);
}

Id RandomId() {
  Id id;
  RandomFill(id);
  return id;
}

Dek RandomDek(std::uint32_t generation) {
  return Dek{RandomId(), generation, false, RandomSecret(kKeySize)};
}

Result<WrappedDek> WrapDek(const Kek& kek, const Id& volume_id, const Dek& dek, WallTime now) {
  WrappedDek wrapped{dek.id, dek.generation, dek.retired, now, {}};
  wrapped.sealed =
      TRY(GcmEncrypt(kek.DekWrappingKey(volume_id), DekContext(volume_id, dek.id, dek.generation),
                     dek.bytes.ExposeSecret()));
  return wrapped;
}

Result<Dek> UnwrapDek(const Kek& kek, const Id& volume_id, const WrappedDek& wrapped) {
  SecretBytes bytes =
      TRY(GcmDecrypt(kek.DekWrappingKey(volume_id),
                     DekContext(volume_id, wrapped.id, wrapped.generation), wrapped.sealed));
  if (bytes.size() != kKeySize) return Error(ErrorCode::kKeyringCorrupt, "a DEK is not 32 bytes");
  return Dek{wrapped.id, wrapped.generation, wrapped.retired, std::move(bytes)};
}

}  // namespace freehold
