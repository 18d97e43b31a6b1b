// freehold volume import, export: a plain directory into a volume and back, by rsync.
//
// Both can be repeated: what is there already is not copied again. Without --running the whole is
// put on the disk, read once more from there and compared, contents, owners, modes, times and links
// alike.
#include "cli/transfer_commands.h"

#include <fcntl.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cerrno>
#include <csignal>

#include "base/posix_file.h"
#include "cli/mounted_volume.h"
#include "cli/output.h"
#include "cli/rsync.h"
#include "cli/transfer_marks.h"
#include "cli/transfer_places.h"
#include "cli/volume_access.h"
#include "cli/volume_flags.h"
#include "fmt/format.h"
#include "fmt/ranges.h"

namespace freehold::cli {
namespace {

namespace json = boost::json;

std::string Named(const Words& names) {
  constexpr std::size_t kNamed = 5;
  const auto end = names.begin() + static_cast<std::ptrdiff_t>(std::min(names.size(), kNamed));
  return fmt::format("{}{}", fmt::join(names.begin(), end, ", "),
                     names.size() > kNamed ? ", ..." : "");
}

// Trees that lie over each other, the outermost first: what is written to one goes on to the next.
class WrittenTrees {
 public:
  // Before anything is written: what fails from now on is told by Settle.
  static Result<WrittenTrees> Watch(const Words& paths) {
    WrittenTrees trees;
    for (const std::string& path : paths) {
      UniqueFd fd = TRY(OpenFile(path, O_RDONLY | O_DIRECTORY));
      trees.trees_.push_back({path, std::move(fd)});
    }
    return trees;
  }
  // On the disk, and read from there the next time. Of a mount: rsync has closed each file, with
  // which the kernel has handed its pages over.
  Status Settle() const {
    for (const Tree& tree : trees_) {
      if (syncfs(tree.fd.get()) != 0) return ErrnoError(errno, "sync of " + tree.path);
    }
    for (const Tree& tree : trees_) TRY(DropCached(tree.path));
    return {};
  }

 private:
  struct Tree {
    std::string path;
    UniqueFd fd;
  };
  std::vector<Tree> trees_;
};

// The names that differed although size and time were the same, and are the same now.
Result<Words> CopyAll(const Rsync& rsync, const WrittenTrees& written) {
  TRY(rsync.Copy(Tell::kBySizeAndTime, false));
  TRY(written.Settle());
  Words differing = TRY(rsync.Compare());
  if (differing.empty()) return differing;
  TRY(rsync.Copy(Tell::kByContents, false));
  TRY(written.Settle());
  const Words still = TRY(rsync.Compare());
  if (still.empty()) return differing;
  return Error(ErrorCode::kVerifyFailed,
               fmt::format("{} names differ ({}): is the source still in use? Stop it and run this "
                           "again",
                           still.size(), Named(still)));
}

Result<json::object> Carry(const Rsync& rsync, const Words& written, const Transfer& transfer,
                           const TransferMarks& marks, bool running) {
  TRY(marks.Begin(transfer));
  if (running) {
    TRY(rsync.Copy(Tell::kBySizeAndTime, true));
    return json::object{{"verified", false}};
  }
  const WrittenTrees trees = TRY(WrittenTrees::Watch(written));
  const Words again = TRY(CopyAll(rsync, trees));
  TRY(marks.End(transfer));
  return json::object{{"verified", true},
                      {"copied_again", json::array(again.begin(), again.end())}};
}

std::string Below(const std::string& root, const std::string& place) {
  return place.empty() ? root : root + "/" + place;
}

constexpr char kItsDirectory[] = "the volume's directory";
constexpr char kItsMount[] = "the volume's mount";

Result<json::object> Import(const TransferOptions& options) {
  TRY(CheckReserve(options.reserve));
  TRY(CheckDirectory(options.plain));
  const std::string place = TRY(PlaceBelow(options.below));
  const std::string source = TRY(AbsolutePath(options.plain));
  const VolumePaths paths(TRY(AbsolutePath(options.volume.directory)));
  const Keyring keyring = TRY(ReadKeyring(paths));
  TRY(CheckApart("the source", source, kItsDirectory, paths.directory));
  auto volume = TRY(MountedVolume::Open(options.volume, options.reserve));
  TRY(CheckApart("the source", source, kItsMount, volume->mount_point()));
  const Transfer transfer{
      Transfer::Way::kImport,         keyring.volume_id, source, place, paths.data(),
      "the volume " + paths.directory};
  const TransferMarks marks(PinStoreOf(options.volume).directory());
  TRY(marks.CheckPlace(transfer));
  const Trees trees{TRY(OpenPlace(volume->mount_point(), place, true)), source, "."};
  const Rsync rsync(trees,
                    keyring.cipher == Cipher::kAes256Ctr ? Update::kReplace : Update::kInPlace);
  const Words written = {Below(volume->mount_point(), place), Below(paths.data(), place)};
  auto outcome = TRY(Carry(rsync, written, transfer, marks, options.running));
  TRY(volume->Close());
  return outcome;
}

Result<json::object> Export(const TransferOptions& options) {
  const std::string place = TRY(PlaceBelow(options.below));
  const VolumePaths paths(TRY(AbsolutePath(options.volume.directory)));
  const Keyring keyring = TRY(ReadKeyring(paths));
  const std::string target = TRY(FuturePath(options.plain));
  TRY(CheckOutsideVolumes("the destination", target));
  TRY(CheckApart("the destination", target, kItsDirectory, paths.data()));
  auto volume = TRY(MountedVolume::Open(options.volume, std::nullopt));
  TRY(CheckApart("the destination", target, kItsMount, volume->mount_point()));
  UniqueFd from = TRY(OpenPlace(volume->mount_point(), place, false));
  const Transfer transfer{Transfer::Way::kExport,
                          keyring.volume_id,
                          paths.directory + ":" + place,
                          target.substr(1),
                          "",
                          ""};
  const TransferMarks marks(PinStoreOf(options.volume).directory());
  TRY(marks.CheckPlace(transfer));
  TRY(MakeDirectories(target, 0700));
  TRY(CheckDirectory(target));
  const Trees trees{std::move(from), ".", target};
  const Rsync rsync(trees, Update::kInPlace);
  auto outcome = TRY(Carry(rsync, {target}, transfer, marks, options.running));
  TRY(volume->Close());
  return outcome;
}

std::string OutcomeText(const char* verb, const json::object& outcome) {
  if (!outcome.at("verified").as_bool()) {
    return fmt::format("{}: first pass done; stop the database and run it again without --running",
                       verb);
  }
  Words again;
  for (const json::value& name : outcome.at("copied_again").as_array()) {
    again.emplace_back(name.as_string());
  }
  std::string text = fmt::format("{}: complete, read back and compared", verb);
  if (again.empty()) return text;
  return text + fmt::format(
                    "; copied once more, as it differed though size and time were the same: "
                    "{} ({})",
                    again.size(), Named(again));
}

int Run(const TransferOptions& options, const char* verb,
        Result<json::object> (*transfer)(const TransferOptions&)) {
  HardenProcess();
  if (geteuid() != 0) {
    return Fail(Error(ErrorCode::kPermissionDenied, "mounting and keeping owners need root"),
                options.volume.json);
  }
  signal(SIGINT, SIG_IGN);  // rsync hears it and ends; what was begun is taken down in order
  return Show(transfer(options), options.volume.json,
              [&](const json::object& outcome) { return OutcomeText(verb, outcome); });
}

}  // namespace

int RunVolumeImport(const TransferOptions& options) { return Run(options, "import", Import); }
int RunVolumeExport(const TransferOptions& options) { return Run(options, "export", Export); }

}  // namespace freehold::cli
