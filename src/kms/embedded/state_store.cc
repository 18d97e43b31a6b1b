#include "kms/embedded/state_store.h"

#include "base/posix_file.h"
#include "fmt/format.h"

namespace freehold::embedded {
namespace {

constexpr std::string_view kStoreTag = "freehold-kms-store 1 ";
constexpr std::size_t kStoreLimit = 256 << 20;

}  // namespace

Result<std::string> ReadStore(const std::string& path, const MasterKey& master) {
  if (!PathExists(path)) return Error(ErrorCode::kNotFound, path + " is not there");
  const Bytes file = TRY(ReadRegularFile(path, kStoreLimit));
  const std::string_view text = AsText(file);
  const auto newline = text.find('\n');
  if (!text.starts_with(kStoreTag) || newline == std::string_view::npos) {
    return StoreRefused(path, "is damaged: it does not begin as a store does");
  }
  const std::string_view body = text.substr(newline + 1);
  const auto tag = HexDecode(text.substr(kStoreTag.size(), newline - kStoreTag.size()));
  if (!tag.ok() || !ConstantTimeEqual(*tag, master.Tag(body))) {
    return StoreRefused(path, "is damaged, or belongs to another master.key");
  }
  return std::string(body);
}

Status WriteStore(const std::string& path, const MasterKey& master, std::string_view body) {
  const std::string file = fmt::format("{}{}\n{}", kStoreTag, HexEncode(master.Tag(body)), body);
  return ReplaceFile(path, AsBytes(file), 0600);
}

}  // namespace freehold::embedded
