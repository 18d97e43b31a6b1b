// The journal of a re-encryption, and what is done by it: vfs/reencrypt_journal.h.
//
// Input: the record's watermark, and how far behind it the chunk is, in units; then its ciphertext.
// Once as it came, as a stranger's bytes, and once finished with a MAC, as a record of the example
// file.
#include "vfs/reencrypt_journal.h"

#include "fuzz/fuzzing.h"
#include "vfs/encrypted_file.h"
#include "vfs/memory_file.h"

using namespace freehold;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Bytes example = PageDump(Page("file.md"), "example-file");
  FUZZ_EXPECT(!DecodeReencryptRecord(ByteView(data, size), ExampleKeys()).ok());

  FuzzInput input(data, size);
  FileHeader header = *DecodeSlotUnverified(ByteView(example).first(kSlotSize));
  header.previous = PreviousKey{header.dek_id, header.salt, kUnitSize * input.Byte()};
  header.salt[0] ^= 1;
  ReencryptRecord record{header.file_id,
                         header.dek_id,
                         header.salt,
                         header.previous->watermark,
                         header.previous->watermark + kUnitSize * input.Byte(),
                         {}};
  record.ciphertext = ToBytes(input.Rest().first(input.Rest().size() / 16 * 16));
  const Bytes encoded = *EncodeReencryptRecord(record, ExampleKeys());
  const auto again = DecodeReencryptRecord(encoded, ExampleKeys());
  FUZZ_EXPECT(again.ok() && *EncodeReencryptRecord(*again, ExampleKeys()) == encoded);

  MemoryFile disk;
  const SecretBytes key = DeriveHeaderKey((*ExampleKeys().Active())->bytes, header);
  disk.contents() = EncodeHeader(header, key);
  FUZZ_EXPECT(*RedoReencryption(disk, *again, ExampleKeys()));
  FUZZ_EXPECT(!*RedoReencryption(disk, *again, ExampleKeys()) || record.ciphertext.empty());
  FUZZ_EXPECT(EncryptedFile::Open(std::make_unique<BorrowedFile>(disk), ExampleKeys()).ok());
  return 0;
}
