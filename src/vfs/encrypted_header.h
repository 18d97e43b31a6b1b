// The header of one encrypted file, read with and made for a volume's keys.
//
// Errors: kFileCorrupt names what is wrong in one sentence (foreign volume, unknown DEK, MAC), so
// that `verify` and the log can repeat it. Pure but for randomness. Spec: docs/format/file.md.
#pragma once

#include "format/file_header.h"
#include "keyring/volume_keys.h"
#include "vfs/body_cipher.h"

namespace freehold {

struct OpenedHeader {
  FileHeader header;
  int newest_slot = 0;                  // where `header` stands
  bool slot_valid[2] = {false, false};  // one is enough; verify reports the other
  bool slots_agree = false;             // both valid, and of one generation
};

// `bytes` are the file's first 4096. kNotFound when they are all zeros (never synced before a
// crash).
//
// While a file is half way through a re-encryption both slots must be valid, kFileCorrupt
// otherwise: the older of the two has an older watermark, under which bytes would be read with a
// wrong key. Only a redo, whose record tells which watermark is right, takes one slot for enough.
enum class HalfWay { kNeedsBothSlots, kIsToBeRedone };
Result<OpenedHeader> OpenHeader(ByteView bytes, const VolumeKeys& keys,
                                HalfWay half_way = HalfWay::kNeedsBothSlots);

struct NewHeader {
  FileHeader header;
  Bytes bytes;  // 4096
};
Result<NewHeader> MakeHeader(const VolumeKeys& keys);

Result<BodyCipher> NewBodyCipher(const FileHeader& header, const VolumeKeys& keys);

// One slot of a header, to be written at kSlotOffset[index].
Result<Bytes> SlotBytes(const FileHeader& header, int index, const VolumeKeys& keys);

}  // namespace freehold
