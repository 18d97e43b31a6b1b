// A signed request as the embedded KMS gets it: kms/sigv4.h.
//
// Input: the Authorization header, method and target, the headers, the body.
#include "kms/sigv4.h"

#include "fuzz/fuzzing.h"

using namespace freehold;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzInput input(data, size);
  const auto presented = ParseSigV4Authorization(input.Line());
  if (!presented.ok()) return 0;
  SigV4Request request;
  request.method = input.Line();
  request.target = input.Line();
  request.headers = input.Headers();
  request.body = input.RestText();
  const SecretBytes secret = SecretBytes::CopyOf(AsBytes("secret"));
  const std::string signature =
      SigV4ExpectedSignature(request, *presented, "20150830T123600Z", secret);
  FUZZ_EXPECT(signature.size() == 64);
  return 0;
}
