// A whole backing file, as someone may have left it, opened and changed: vfs/encrypted_file.h.
//
// Input: four bytes for a position and a length, then the file.
#include "vfs/encrypted_file.h"

#include "fuzz/fuzzing.h"
#include "vfs/memory_file.h"

using namespace freehold;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzInput input(data, size);
  const std::size_t at = input.Byte() * 256U + input.Byte();
  const std::size_t length = input.Byte() * 16U + input.Byte();
  MemoryFile disk;
  disk.contents() = ToBytes(input.Rest());
  auto opened = EncryptedFile::Open(std::make_unique<BorrowedFile>(disk), ExampleKeys());
  if (!opened.ok()) return 0;
  File& file = **opened;
  Bytes model(file.Size().value());
  FUZZ_EXPECT(file.ReadAt(0, model).value() == model.size());

  const Bytes written(length, 0xEE);
  FUZZ_EXPECT(file.WriteAt(at, written).ok());
  if (length > 0) {
    model.resize(std::max(model.size(), at + length));
    std::copy(written.begin(), written.end(), model.begin() + static_cast<std::ptrdiff_t>(at));
  }
  FUZZ_EXPECT(file.Truncate(at / 2 + length).ok());
  model.resize(at / 2 + length);
  FUZZ_EXPECT(file.Truncate(model.size() + 33).ok());
  model.resize(model.size() + 33);

  auto again = EncryptedFile::Open(std::make_unique<BorrowedFile>(disk), ExampleKeys());
  FUZZ_EXPECT(again.ok());
  Bytes found((*again)->Size().value());
  FUZZ_EXPECT((*again)->ReadAt(0, found).value() == found.size());
  FUZZ_EXPECT(found == model);
  return 0;
}
