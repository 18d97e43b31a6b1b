#include "node/verify.h"

#include <fcntl.h>

#include <optional>
#include <sstream>

#include "base/posix_file.h"
#include "fmt/format.h"
#include "format/sizes.h"
#include "node/tree_walk.h"
#include "vfs/encrypted_header.h"
#include "vfs/posix_file.h"

namespace freehold {
namespace {

// Nothing when the file is in order.
Result<std::optional<VerifyFault>> FaultOf(File& file, std::uint64_t size,
                                           const HeaderOpener& open_header) {
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
  for (int index : {0, 1}) {
    if (!opened->slot_valid[index]) {
      return readable(fmt::format("header slot {} is damaged; the other one serves", index));
    }
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
  auto list = ReadFile(paths.recovered());
  if (!list.ok()) return faults;
  std::istringstream lines{std::string(AsText(*list))};
  for (std::string line; std::getline(lines, line);) {
    faults.push_back(
        {line, "was never synced before an unclean stop and read as zeros then", true});
  }
  return faults;
}

}  // namespace

Result<VerifyReport> VerifyVolume(const VolumePaths& paths, const HeaderOpener& open_header) {
  VerifyReport report;
  report.faults = RecoveredFiles(paths);
  TRY(WalkRegularFiles(paths.data(), [&](const FoundFile& found) -> Status {
    auto fd = found.Open(O_RDONLY);
    if (!fd.ok() && fd.error().code() == ErrorCode::kNotFound) return {};  // gone meanwhile
    if (!fd.ok()) return fd.error();
    PosixFile file(std::move(*fd));
    std::uint64_t size = TRY(file.Size());
    auto fault = TRY(FaultOf(file, size, open_header));
    // What was written while we looked is no fault: look again at what it has become.
    for (std::uint64_t now = TRY(file.Size()); fault.has_value() && now != size;
         now = TRY(file.Size())) {
      size = now;
      fault = TRY(FaultOf(file, size, open_header));
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
