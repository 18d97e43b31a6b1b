// What Google, or whoever answers in its place, may send: kms/gcp/.
//
// Input: two bytes that choose the status, a line "bare" for an answer without the metadata
// server's header, or anything else; the body of every answer.
#include "fuzz/fuzzing.h"
#include "fuzz/no_network.h"
#include "kms/gcp/gcp_key_provider.h"

using namespace freehold;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzInput input(data, size);
  HttpResponse answer;
  answer.status = 200 + input.Byte() % 4 * 100 + input.Byte() % 32;
  if (input.Line() != "bare") answer.headers.emplace_back("metadata-flavor", "Google");
  answer.body = input.RestText();
  AnswerEveryRequestWith(std::move(answer));
  Surroundings surroundings;
  surroundings.environment = [](const std::string&) { return std::nullopt; };
  surroundings.pause = [](Duration) {};
  for (const char* principal : {"", "a@p.iam.gserviceaccount.com"}) {
    gcp::GcpKeyProvider provider(
        {*KeyUri::Parse("projects/p/locations/l/keyRings/r/cryptoKeys/k"), principal, ""},
        surroundings);
    const auto unwrapped = provider.Unwrap({{1}, "1", ""}, {});
    if (unwrapped.has_value()) FUZZ_EXPECT(unwrapped->size() == kKeySize);
    const auto wrapped = provider.Wrap(SecretBytes(kKeySize), {});
    if (wrapped.has_value()) FUZZ_EXPECT(!wrapped->key_version.empty());
    (void)provider.Describe();
  }
  return 0;
}
