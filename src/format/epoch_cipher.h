// EpochCipher: the body of an AES-256-CTR file, whose keystream begins anew with each epoch.
//
// An epoch is a random counter block and the offset from which it holds, up to where the next one
// begins. Every opening that adds to a file begins one, and the table of them is in the header
// before the first byte is in the body: so no block of keystream meets two plaintexts.
//
// An epoch that begins in the file's partial last block encrypts that block again. Which of the two
// is on the disk after a crash is told by `carried`, the block's ciphertext before the epoch.
// Pure. Threads: as UnitCipher. Spec: docs/format/file.md, "AES-256-CTR".
#pragma once

#include <memory>
#include <vector>

#include "crypto/counter_cipher.h"
#include "crypto/unit_cipher.h"

namespace freehold {

struct Epoch {
  std::uint64_t start = 0;  // logical offset, a multiple of 16
  CounterBlock counter{};   // of the block at offset 0, if the epoch reached that far
  CounterBlock carried{};   // zeros: nothing was there
  bool operator==(const Epoch&) const = default;
};

// By start; the first one starts at 0. Empty: the file's cipher is another.
using EpochTable = std::vector<Epoch>;

// The table of a new file.
EpochTable FirstEpoch();

// The table with one more epoch at `start`, under a random counter block. What began behind `start`
// is gone, since the file ended there. `on_disk` is the block of ciphertext at `start`, synced.
EpochTable WithEpochAt(const EpochTable& table, std::uint64_t start, ByteView on_disk);

// `key` is 32 bytes, the table not empty; else kInternal.
Result<std::unique_ptr<UnitCipher>> NewEpochCipher(const SecretBytes& key, const EpochTable& table);

}  // namespace freehold
