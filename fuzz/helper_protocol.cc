// Frames between a process and its KMS helper: kms/helper_protocol.h.
#include "kms/helper_protocol.h"

#include <unistd.h>

#include "fuzz/fuzzing.h"

using namespace freehold;

namespace {

// A frame as it comes out of a descriptor whose other end closed after these bytes.
Result<HelperFrame> Received(ByteView bytes) {
  int ends[2];
  FUZZ_EXPECT(pipe(ends) == 0);
  FUZZ_EXPECT(write(ends[1], bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  close(ends[1]);
  auto frame = ReceiveFrame(ends[0], SystemClock(), SystemClock().Boot() + std::chrono::hours(1));
  close(ends[0]);
  return frame;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 60000) return 0;  // of a pipe's 65536
  auto frame = Received(ByteView(data, size));
  if (!frame.ok()) return 0;
  const Bytes body = frame->body;
  // A context that names a key twice, or a key's URI without its scheme, has more than one form;
  // after one turn there is only one.
  if (auto request = DecodeRequest({body, {}}); request.ok()) {
    const Bytes encoded = EncodeRequest(*request).body;
    auto again = DecodeRequest({encoded, {}});
    FUZZ_EXPECT(again.ok() && EncodeRequest(*again).body == encoded);
  }
  if (auto answer = DecodeAnswer({body, {}}); answer.ok()) {
    const Bytes encoded = EncodeAnswer(*answer).body;
    auto again = DecodeAnswer({encoded, {}});
    FUZZ_EXPECT(again.ok() && EncodeAnswer(*again).body == encoded);
  }
  return 0;
}
