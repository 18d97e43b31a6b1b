// CiphertextBlob: what Encrypt returns: it says itself which key and which material made it.
//
//   version | key id (16) | key material id (32) | nonce (12) | ciphertext | tag (16)
//
// AES-256-GCM. The associated data is the bytes before the nonce, the key's ARN and the encryption
// context (sorted, each string after its length), so that none of them can be exchanged. Version 2
// is of a multi-Region key: its id is "mrk-" and the 16 bytes, its ARN is bound without the Region.
// Errors: kKeyData for whatever does not fit. Threads: safe. Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret_bytes.h"

namespace freehold::embedded {

using Context = std::map<std::string, std::string>;

struct BlobLabel {
  std::string key_id;       // UUID, or "mrk-..."
  std::string material_id;  // 64 hex digits
};

Result<Bytes> EncryptBlob(const BlobLabel& label, std::string_view key_arn, const Context& context,
                          const SecretBytes& material, ByteView plaintext);

// Whose blob it is, before anything is proven.
Result<BlobLabel> ReadBlobLabel(ByteView blob);

Result<SecretBytes> DecryptBlob(ByteView blob, std::string_view key_arn, const Context& context,
                                const SecretBytes& material);

}  // namespace freehold::embedded
