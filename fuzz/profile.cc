// A database's profile, and its placeholders: node/profile.h.
#include "node/profile.h"

#include "fuzz/fuzzing.h"

using namespace freehold;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(AsText(ByteView(data, size)));
  const auto profile = ParseProfile(text, "fuzz.toml");
  if (!profile.ok()) {
    FUZZ_EXPECT(profile.error().code() == ErrorCode::kInvalidArgument);
    return 0;
  }
  (void)ResolveProfile(*profile, {"/mnt/v", "", {}});
  (void)ResolveProfile(*profile, {"/mnt/v", "15", {{"port", "5432"}, {"x", "{mount}"}}});
  return 0;
}
