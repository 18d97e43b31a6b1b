// The first 4096 bytes of an encrypted file: format/file_header.h, vfs/encrypted_header.h.
#include "fuzz/fuzzing.h"
#include "vfs/encrypted_header.h"

using namespace freehold;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  const auto opened = OpenHeader(input, ExampleKeys());
  if (opened.ok()) FUZZ_EXPECT(NewBodyCipher(opened->header, ExampleKeys()).ok());
  // Without the MAC in the way: a slot that decodes says the same when it is encoded again.
  const auto header = DecodeSlotUnverified(input.first(std::min(size, kSlotSize)));
  if (!header.ok()) return 0;
  const SecretBytes key = DeriveHeaderKey(ExampleKeys().Active().value()->bytes, *header);
  const auto again = DecodeSlotUnverified(EncodeSlot(*header, 0, key));
  FUZZ_EXPECT(again.ok());
  FUZZ_EXPECT(again->salt == header->salt && again->file_id == header->file_id &&
              again->dek_id == header->dek_id && again->volume_id == header->volume_id &&
              again->generation == header->generation && again->cipher == header->cipher &&
              again->epochs == header->epochs);
  return 0;
}
