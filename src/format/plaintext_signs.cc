#include "format/plaintext_signs.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "crypto/unit_cipher.h"
#include "format/sizes.h"

namespace freehold {
namespace {

constexpr double kEnoughBits = 64;
constexpr std::size_t kPieceSize = 512;
// 98 of 256 values are text: 56 in a row are less than once in 2^77, from 4096 places 2^65.
constexpr std::size_t kLongRun = 56;

class Histogram {
 public:
  void Add(ByteView bytes) {
    for (std::size_t at = 0; at < bytes.size(); at += kBlockSize) {
      const ByteView block =
          bytes.subspan(at, std::min<std::size_t>(kBlockSize, bytes.size() - at));
      if (AllZero(block)) continue;
      for (const std::uint8_t byte : block) ++counts_[byte];
      total_ += block.size();
    }
  }

  void Add(const Histogram& other) {
    for (std::size_t value = 0; value < counts_.size(); ++value) {
      counts_[value] += other.counts_[value];
    }
    total_ += other.total_;
  }

  // Chernoff: n bytes have a given value k times or more with a probability of at most
  // exp(-n D(k/n, 1/256)); and there are 256 values.
  double Bits() const {
    if (total_ == 0) return 0;
    const double n = total_;
    const double k = *std::max_element(counts_.begin(), counts_.end());
    const double part = k / n;
    if (part <= 1.0 / 256) return 0;
    double divergence = part * std::log2(part * 256);
    if (part < 1) divergence += (1 - part) * std::log2((1 - part) / (255.0 / 256));
    return n * divergence - 8;
  }

 private:
  std::array<unsigned, 256> counts_{};
  std::size_t total_ = 0;
};

bool IsText(std::uint8_t byte) {
  return (byte >= 0x20 && byte < 0x7f) || byte == '\n' || byte == '\r' || byte == '\t';
}

// From the end of each place where a run could be: the first byte that is no text rules out all
// places up to itself.
std::optional<std::size_t> FindRun(ByteView bytes) {
  std::size_t start = 0;
  while (start + kLongRun <= bytes.size()) {
    std::size_t left = kLongRun;
    while (left > 0 && IsText(bytes[start + left - 1])) --left;
    if (left == 0) return start;
    start += left;
  }
  return std::nullopt;
}

std::optional<std::size_t> FindInUnit(ByteView unit) {
  if (auto run = FindRun(unit)) return run;
  Histogram whole;
  for (std::size_t at = 0; at < unit.size(); at += kPieceSize) {
    Histogram piece;
    piece.Add(unit.subspan(at, std::min(kPieceSize, unit.size() - at)));
    if (piece.Bits() >= kEnoughBits) return at;
    whole.Add(piece);
  }
  if (whole.Bits() >= kEnoughBits) return std::size_t{0};
  return std::nullopt;
}

}  // namespace

double BitsAgainstCiphertext(ByteView bytes) {
  Histogram histogram;
  histogram.Add(bytes);
  return histogram.Bits();
}

std::optional<std::size_t> FindPlaintext(ByteView ciphertext) {
  for (std::size_t at = 0; at < ciphertext.size(); at += kUnitSize) {
    const std::size_t size = std::min<std::size_t>(kUnitSize, ciphertext.size() - at);
    if (auto found = FindInUnit(ciphertext.subspan(at, size))) return at + *found;
  }
  return std::nullopt;
}

}  // namespace freehold
