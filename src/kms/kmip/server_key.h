// ServerKey: one symmetric key that stays in a KMIP server, over one connection.
//
// Encrypts and decrypts there, and says what the server knows of the key. The key itself is never
// asked for (no Get). A refusal is looked at twice: servers word a key that may not be used as they
// like, so its state decides; and one that calls a wrong ciphertext a failure of its own is asked
// to decrypt something else.
// Errors: KmsFailure. Threads: one caller at a time. Spec: KMIP 1.4, 4.29, 4.30 and 4.12.
#pragma once

#include <optional>

#include "kms/kmip/kmip_client.h"

namespace freehold::kmip {

// The first byte of a wrapped key. AES-CBC is none of them: a server says whether padding fits, and
// whoever writes to the keyring could learn the KEK from that, a bit at a time.
enum class Mode : std::uint8_t {
  kGcm = 1,  // AES-GCM, the context as associated data (KMIP 1.4)
  kCtr = 2,  // AES-CTR, the context within (payload.h)
};

struct Encrypted {
  Bytes iv;
  Bytes tag;  // of kGcm
  Bytes ciphertext;
};

struct KeyAttributes {
  std::optional<std::uint32_t> state;
  std::optional<std::uint32_t> algorithm;
  std::optional<std::uint32_t> usage_mask;
  std::optional<bool> sensitive;
  std::optional<bool> extractable;
};

class ServerKey {
 public:
  // `version` is what every request says that it is of.
  ServerKey(KmipClient client, std::string identifier, ProtocolVersion version)
      : client_(std::move(client)), identifier_(std::move(identifier)), version_(version) {}

  KmsResult<Encrypted> Encrypt(Mode mode, ByteView plaintext, ByteView associated_data);
  KmsResult<SecretBytes> Decrypt(Mode mode, const Encrypted& encrypted, ByteView associated_data);
  KmsResult<KeyAttributes> Attributes();
  KmipClient& client() { return client_; }

 private:
  KmsResult<Encrypted> EncryptOnce(Mode mode, ByteView plaintext, ByteView associated_data);
  KmsResult<SecretBytes> DecryptOnce(Mode mode, const Encrypted& encrypted,
                                     ByteView associated_data);
  KmsResult<Answer> AskAbout(Operation operation, const Writer& payload);
  // Whether the server can use the key at all, with bytes of our own.
  bool Works(Mode mode);
  // What the key's state makes of a failure.
  KmsFailure Judged(KmsFailure failure);

  KmipClient client_;
  std::string identifier_;
  ProtocolVersion version_;
};

}  // namespace freehold::kmip
