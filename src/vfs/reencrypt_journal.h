// ReencryptRecord: one chunk of a re-encryption, so that a crash while it is written in place loses
// nothing. Encoded and decoded here; kept by whoever implements ReencryptJournal.
//
// Ciphertext under the new key only. Errors: kFileCorrupt for bytes that are no finished record.
// Spec: docs/format/file.md, "Re-encryption".
#pragma once

#include "format/file_header.h"
#include "keyring/volume_keys.h"
#include "vfs/file.h"

namespace freehold {

struct ReencryptRecord {
  Id file_id{};
  Id dek_id{};  // the new pair
  Salt salt{};
  std::uint64_t watermark = 0;  // of the header before this chunk
  std::uint64_t offset = 0;     // of the chunk; a hole before it was skipped
  Bytes ciphertext;             // a multiple of 16

  std::uint64_t end() const { return offset + ciphertext.size(); }
};

class ReencryptJournal {
 public:
  virtual ~ReencryptJournal() = default;
  // Durable when it returns; takes the place of the record before it.
  virtual Status Record(ByteView encoded) = 0;
};

Result<Bytes> EncodeReencryptRecord(const ReencryptRecord& record, const VolumeKeys& keys);
// kFileCorrupt: never finished, to be ignored. kKeyringRefused: under a DEK that is not there.
Result<ReencryptRecord> DecodeReencryptRecord(ByteView bytes, const VolumeKeys& keys);

Result<bool> IsWhereTheRecordFoundIt(File& backing, const ReencryptRecord& record,
                                     const VolumeKeys& keys);
// Does a record once more if its file, freshly opened after a crash, is still where the record
// found it; true if it was. `backing` is open for writing.
Result<bool> RedoReencryption(File& backing, const ReencryptRecord& record, const VolumeKeys& keys);

}  // namespace freehold
