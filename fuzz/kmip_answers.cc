// What a KMIP server, or whoever answers in its place, may send: kms/kmip/.
//
// Input: a byte that chooses the operation, and all that the server says, one message after
// another.
#include <sys/mman.h>
#include <unistd.h>

#include "crypto/certificate.h"
#include "crypto/crypto.h"
#include "fuzz/fuzzing.h"
#include "fuzz/no_network.h"
#include "kms/kmip/kmip_key_provider.h"

using namespace freehold;

namespace {

std::string FileWith(ByteView bytes) {
  const int fd = memfd_create("fuzz", 0);
  FUZZ_EXPECT(write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  return "/proc/self/fd/" + std::to_string(fd);
}

struct Files {
  std::string certificate;
  std::string key;
};

const Files& OurFiles() {
  static const Files files = [] {
    const auto made = MakeAuthority("fuzz", SystemClock().Wall());
    FUZZ_EXPECT(made.ok());
    return Files{FileWith(AsBytes(made->certificate_pem)), FileWith(made->key_pem.ExposeSecret())};
  }();
  return files;
}

// A wrapped key of either mode, as the provider makes them.
WrappedKey Wrapped(bool gcm) {
  Bytes blob = {static_cast<std::uint8_t>(gcm ? 1 : 2)};
  const std::size_t iv = gcm ? kGcmNonceSize : 16, tag = gcm ? kGcmTagSize : 0;
  blob.push_back(static_cast<std::uint8_t>(iv));
  blob.resize(blob.size() + iv);
  blob.push_back(static_cast<std::uint8_t>(tag));
  blob.resize(blob.size() + tag + (gcm ? 32 : 64));
  return {std::move(blob), "k", gcm ? "AES-GCM" : "AES-CTR"};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzInput input(data, size);
  const std::uint8_t which = input.Byte();
  AnswerEveryConnectionWith(input.Rest());

  Surroundings surroundings;
  surroundings.pause = [](Duration) {};
  surroundings.environment = [](const std::string& name) -> std::optional<std::string> {
    if (name == "FREEHOLD_KMIP_SERVERS") return "h:1";
    if (name == "FREEHOLD_KMIP_CERT_FILE") return OurFiles().certificate;
    if (name == "FREEHOLD_KMIP_KEY_FILE") return OurFiles().key;
    return std::nullopt;
  };
  kmip::KmipKeyProvider provider({*KeyUri::Parse("kmip://h:1/k"), "", ""}, surroundings);
  switch (which % 5) {
    case 0: {
      const auto wrapped = provider.Wrap(SecretBytes::CopyOf(Bytes(32, 1)), {});
      FUZZ_EXPECT(!wrapped.has_value() || wrapped->key_version == "k");
      return 0;
    }
    case 1:
    case 2: {
      const auto key = provider.Unwrap(Wrapped(which % 5 == 1), {});
      FUZZ_EXPECT(!key.has_value() || key->size() == 32);
      return 0;
    }
    case 3:
      return void(provider.Describe()), 0;
    default:
      return void(provider.Identify()), 0;
  }
}
