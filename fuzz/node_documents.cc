// What agents and servers tell each other: api/node.h. Each may be taken over, and the other is
// not.
//
// Input: a line that says which, then the document.
#include "api/node.h"
#include "fuzz/fuzzing.h"

using namespace freehold;

namespace {

// What was understood is said again in the same words.
template <typename T>
void ReadTwice(const Result<T>& document, Result<T> (*decode)(std::string_view)) {
  if (!document.ok()) {
    FUZZ_EXPECT(!document.error().message().empty());
    FUZZ_EXPECT(Printable(document.error().message()) == document.error().message());
    return;
  }
  const std::string text = api::Encode(*document);
  const auto again = decode(text);
  FUZZ_EXPECT(again.ok());
  FUZZ_EXPECT(api::Encode(*again) == text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzInput input(data, size);
  const bool is_report = input.Line() == "report";
  const std::string text = input.RestText();
  if (is_report) {
    ReadTwice(api::DecodeNodeReport(text), api::DecodeNodeReport);
  } else {
    ReadTwice(api::DecodeDesiredState(text), api::DecodeDesiredState);
  }
  return 0;
}
