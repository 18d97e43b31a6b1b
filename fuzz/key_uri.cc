// The URI of a key and patterns of them: kms/key_uri.h, kms/key_pattern.h. And the text codecs of
// base/bytes.h.
#include "kms/key_uri.h"

#include "fuzz/fuzzing.h"
#include "kms/key_pattern.h"

using namespace freehold;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = AsText(ByteView(data, size));
  if (const auto uri = KeyUri::Parse(text); uri.ok()) {
    FUZZ_EXPECT(KeyUri::Parse(uri->text()).value() == *uri);
    FUZZ_EXPECT(NameSameKey(text, uri->text()));
    if (uri->type() == KmsType::kAwsKms) {
      FUZZ_EXPECT(KeyUri::Parse(uri->AwsArn()).value() == *uri);
    }
  }
  if (const auto pattern = CanonicalKeyPattern(text); pattern.ok()) {
    FUZZ_EXPECT(CanonicalKeyPattern(*pattern).value() == *pattern);
  }
  // One text for each row of octets.
  if (const auto octets = Base64Decode(text); octets.ok()) {
    FUZZ_EXPECT(Base64Encode(*octets) == text);
  }
  if (const auto octets = HexDecode(text); octets.ok()) {
    FUZZ_EXPECT(HexDecode(HexEncode(*octets)).value() == *octets);
  }
  const std::string printable = Printable(text);
  FUZZ_EXPECT(Printable(printable) == printable);
  return 0;
}
