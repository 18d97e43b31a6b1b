#include "node/verify.h"

#include <fcntl.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <set>
#include <sstream>

#include "base/posix_file.h"
#include "fmt/format.h"
#include "format/plaintext_signs.h"
#include "format/sizes.h"
#include "format/units.h"
#include "node/tree_walk.h"
#include "vfs/encrypted_header.h"
#include "vfs/posix_file.h"

namespace freehold {
namespace {

constexpr std::size_t kRead = 1 << 20;

// The offset on disk of what is no ciphertext. Holes are not read.
Result<std::optional<std::uint64_t>> PlaintextOnDisk(File& file, std::uint64_t size,
                                                     const MustStop& must_stop) {
  const std::uint64_t end = kHeaderSize + BlockCeil(LogicalSizeOf({size}).bytes);
  Bytes buffer(kRead);
  for (std::uint64_t at = kHeaderSize; at < end; at += kRead) {
    if (must_stop()) return Error(ErrorCode::kSealed, "the volume is sealed: it cannot be read");
    const auto data = file.SeekData(at);
    if (!data.ok() && data.error().code() != ErrorCode::kNotFound) return data.error();
    if (!data.ok()) break;
    at = kHeaderSize + UnitFloor(*data - kHeaderSize);
    if (at >= end) break;
    MutableByteView piece = MutableByteView(buffer).first(std::min<std::uint64_t>(kRead, end - at));
    piece = piece.first(TRY(file.ReadAt(at, piece)));
    if (const auto found = FindPlaintext(piece)) return std::optional<std::uint64_t>(at + *found);
  }
  return std::optional<std::uint64_t>();
}

ByteView BetweenSlots(ByteView header, int slot) {
  const std::uint64_t end = slot == 0 ? kSlotOffset[1] : kHeaderSize;
  return header.subspan(kSlotOffset[slot] + kSlotSize, end - kSlotOffset[slot] - kSlotSize);
}

void AddStrangers(const std::string& directory, const std::string& shown,
                  const std::set<std::string>& known, VerifyReport& report) {
  std::error_code failure;
  for (const auto& entry : std::filesystem::directory_iterator(directory, failure)) {
    const std::string name = entry.path().filename();
    if (known.contains(name) || name == "lost+found") continue;  // fsck's
    report.faults.push_back(
        {shown + name, "is none of the volume's files: look whether it holds plaintext", true});
  }
}

// What lies beside the encrypted tree, where nobody would look for data.
void FindStrangers(const VolumePaths& paths, VerifyReport& report) {
  AddStrangers(paths.directory, "../", {"data", "freehold"}, report);
  std::set<std::string> known;
  for (const std::string& path :
       {paths.keyring(), paths.keyring_old(), paths.keyring_new(), paths.lock(),
        paths.control_socket(), paths.open_marker(), paths.open_marker() + ".new",
        paths.reencrypt_journal(), paths.reencrypt_rate(), paths.reencrypt_rate() + ".new",
        paths.recovered()}) {
    known.insert(path.substr(path.rfind('/') + 1));
  }
  AddStrangers(paths.meta(), "../freehold/", known, report);
}

// Nothing when the file is in order.
Result<std::optional<VerifyFault>> FaultOf(File& file, std::uint64_t size,
                                           const HeaderOpener& open_header,
                                           const MustStop& must_stop) {
  const auto broken = [](std::string what) {
    return std::optional<VerifyFault>(VerifyFault{"", std::move(what), false});
  };
  const auto readable = [](std::string what) {
    return std::optional<VerifyFault>(VerifyFault{"", std::move(what), true});
  };
  if (size == 0) return std::optional<VerifyFault>();
  Bytes header(std::min(size, kHeaderSize));
  TRY(file.ReadAt(0, header));
  auto opened = open_header(header);
  if (!opened.ok() && opened.error().code() == ErrorCode::kSealed) return opened.error();
  if (!opened.ok()) return broken(opened.error().message());
  if (opened->header.cipher != Cipher::kNull) {
    if (auto offset = TRY(PlaintextOnDisk(file, size, must_stop))) {
      return broken(fmt::format("what is on disk at {} is not encrypted", *offset));
    }
  }
  for (int index : {0, 1}) {
    if (!opened->slot_valid[index]) {
      return readable(fmt::format("header slot {} is damaged; the other one serves", index));
    }
  }
  if (!AllZero(BetweenSlots(header, 0)) || !AllZero(BetweenSlots(header, 1))) {
    return readable("the header holds bytes beside its slots, which are none of ours");
  }
  if (!IsPossibleBackingSize({size})) {
    return readable(
        fmt::format("its length on disk, {} bytes, is one that is never written", size));
  }
  const std::uint64_t slack_size = LogicalSizeOf({size}).bytes % kBlockSize;
  Bytes slack(slack_size);
  TRY(file.ReadAt(size - slack_size, slack));
  if (!AllZero(slack)) {
    return readable(
        "the bytes behind its end are not zeros: it was cut short, or a crash left them");
  }
  return std::optional<VerifyFault>();
}

std::vector<VerifyFault> RecoveredFiles(const VolumePaths& paths) {
  std::vector<VerifyFault> faults;
  auto list = ReadRegularFile(paths.recovered());
  if (!list.ok()) return faults;
  std::istringstream lines{std::string(AsText(*list))};
  for (std::string line; std::getline(lines, line);) {
    faults.push_back(
        {line, "was never synced before an unclean stop and read as zeros then", true});
  }
  return faults;
}

}  // namespace

Result<VerifyReport> VerifyVolume(const VolumePaths& paths, const HeaderOpener& open_header,
                                  const MustStop& must_stop) {
  VerifyReport report;
  report.faults = RecoveredFiles(paths);
  FindStrangers(paths, report);
  TRY(WalkRegularFiles(paths.data(), [&](const FoundFile& found) -> Status {
    auto fd = found.Open(O_RDONLY);
    if (!fd.ok() && fd.error().code() == ErrorCode::kNotFound) return {};  // gone meanwhile
    if (!fd.ok()) return fd.error();
    PosixFile file(std::move(*fd));
    std::uint64_t size = TRY(file.Size());
    auto fault = TRY(FaultOf(file, size, open_header, must_stop));
    // What was written while we looked is no fault: look again at what it has become.
    for (std::uint64_t now = TRY(file.Size()); fault.has_value() && now != size;
         now = TRY(file.Size())) {
      size = now;
      fault = TRY(FaultOf(file, size, open_header, must_stop));
    }
    ++report.files;
    report.plaintext_bytes += LogicalSizeOf({size}).bytes;
    if (fault.has_value()) {
      fault->path = found.relative;
      report.faults.push_back(std::move(*fault));
    }
    return {};
  }));
  return report;
}

}  // namespace freehold
