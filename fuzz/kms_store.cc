// The embedded KMS's state as JSON: kms/embedded/state.h.
#include "fuzz/fuzzing.h"
#include "kms/embedded/state.h"

using namespace freehold;
using namespace freehold::embedded;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto state = DecodeState(AsText(ByteView(data, size)));
  if (!state.ok()) return 0;
  const std::string encoded = EncodeState(*state);
  const auto again = DecodeState(encoded);
  FUZZ_EXPECT(again.ok() && EncodeState(*again) == encoded);
  return 0;
}
