#include "format/epoch_cipher.h"

#include <algorithm>

#include "crypto/crypto.h"
#include "format/sizes.h"

namespace freehold {
namespace {

// The one that encrypts at `offset`.
std::size_t EpochAt(const EpochTable& epochs, std::uint64_t offset) {
  const auto next =
      std::upper_bound(epochs.begin(), epochs.end(), offset,
                       [](std::uint64_t at, const Epoch& epoch) { return at < epoch.start; });
  return static_cast<std::size_t>(next - epochs.begin()) - 1;
}

// The one under which the block `on_disk` at `offset` was encrypted.
std::size_t HolderOf(const EpochTable& epochs, std::uint64_t offset, ByteView on_disk) {
  std::size_t holder = EpochAt(epochs, offset);
  while (holder > 0 && epochs[holder].start == offset &&
         std::ranges::equal(on_disk, epochs[holder].carried)) {
    --holder;
  }
  return holder;
}

class EpochCipher : public UnitCipher {
 public:
  EpochCipher(std::unique_ptr<CounterCipher> cipher, EpochTable table)
      : cipher_(std::move(cipher)), table_(std::move(table)) {}

  Status Encrypt(std::uint64_t first_unit, ByteView in, MutableByteView out) override {
    return Run(first_unit * kUnitSize, in, out);
  }

  Status Decrypt(std::uint64_t first_unit, ByteView in, MutableByteView out) override {
    const std::uint64_t offset = first_unit * kUnitSize;
    const std::vector<OldBlock> old_blocks = OldBlocks(offset, in);
    TRY(Run(offset, in, out));
    for (const OldBlock& old : old_blocks) {
      TRY(cipher_->Apply(table_[old.holder].counter, old.offset / kBlockSize, old.ciphertext,
                         out.subspan(old.offset - offset, kBlockSize)));
    }
    return {};
  }

 private:
  // A block where an epoch begins that has not come to the disk under it.
  struct OldBlock {
    std::uint64_t offset;
    std::size_t holder;
    CounterBlock ciphertext;
  };

  std::vector<OldBlock> OldBlocks(std::uint64_t offset, ByteView in) const {
    std::vector<OldBlock> found;
    for (std::size_t i = 1; i < table_.size(); ++i) {
      const std::uint64_t start = table_[i].start;
      if (start < offset || start - offset >= in.size()) continue;
      const ByteView block = in.subspan(start - offset, kBlockSize);
      const std::size_t holder = HolderOf(table_, start, block);
      if (holder == EpochAt(table_, start)) continue;
      found.push_back({start, holder, {}});
      std::copy(block.begin(), block.end(), found.back().ciphertext.begin());
    }
    return found;
  }

  Status Run(std::uint64_t offset, ByteView in, MutableByteView out) const {
    for (std::size_t at = 0; at < in.size();) {
      const std::size_t epoch = EpochAt(table_, offset + at);
      std::uint64_t size = in.size() - at;
      if (epoch + 1 < table_.size()) {
        size = std::min(size, table_[epoch + 1].start - offset - at);
      }
      TRY(cipher_->Apply(table_[epoch].counter, (offset + at) / kBlockSize, in.subspan(at, size),
                         out.subspan(at, size)));
      at += size;
    }
    return {};
  }

  const std::unique_ptr<CounterCipher> cipher_;
  const EpochTable table_;
};

}  // namespace

EpochTable FirstEpoch() {
  EpochTable table(1);
  RandomFill(table.back().counter);
  return table;
}

EpochTable WithEpochAt(const EpochTable& table, std::uint64_t start, ByteView on_disk) {
  EpochTable next;
  std::ranges::copy_if(table, std::back_inserter(next),
                       [&](const Epoch& epoch) { return epoch.start < start; });
  // Of those that began here, only the one counts under which the block is now.
  const Epoch& holder = table[HolderOf(table, start, on_disk)];
  if (holder.start == start && !AllZero(on_disk)) next.push_back(holder);
  Epoch& added = next.emplace_back();
  added.start = start;
  RandomFill(added.counter);
  std::copy(on_disk.begin(), on_disk.end(), added.carried.begin());
  return next;
}

Result<std::unique_ptr<UnitCipher>> NewEpochCipher(const SecretBytes& key,
                                                   const EpochTable& table) {
  if (table.empty()) return Error(ErrorCode::kInternal, "a file without an epoch");
  return std::unique_ptr<UnitCipher>(
      std::make_unique<EpochCipher>(TRY(NewCounterCipher(key)), table));
}

}  // namespace freehold
