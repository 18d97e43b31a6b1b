// A keyring file: keyring/keyring.h. The bytes are a stranger's until the MAC has been checked.
#include "keyring/keyring.h"

#include "fuzz/fuzzing.h"

using namespace freehold;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  const auto keyring = DecodeKeyringUnverified(input);
  if (!keyring.ok()) return 0;
  (void)VolumeKeys::Unwrap(*keyring, ExampleKek());
  const bool verified = VerifyKeyring(input, *keyring, ExampleKek()).ok();
  // What decodes says the same when it is encoded again, and only a MAC can make it verify.
  const Bytes encoded = EncodeKeyring(*keyring, ExampleKek());
  const auto again = DecodeKeyringUnverified(encoded);
  FUZZ_EXPECT(again.ok());
  FUZZ_EXPECT(EncodeKeyring(*again, ExampleKek()) == encoded);
  if (verified) FUZZ_EXPECT(std::ranges::equal(encoded, input));
  return 0;
}
