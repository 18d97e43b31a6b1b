#include "kms/embedded/key_store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>

#include "base/log.h"
#include "crypto/crypto.h"

namespace freehold::embedded {
namespace {

constexpr std::string_view kStoreTag = "freehold-kms-store 1 ";
constexpr std::size_t kStoreLimit = 256 << 20;
constexpr std::string_view kSalt = "freehold embedded kms";

Error Refused(const std::string& path, std::string_view why) {
  return Error(ErrorCode::kFileCorrupt,
               fmt::format("{} {}. Nothing was changed: restore the whole directory from a copy, "
                           "or serve from an empty one",
                           path, why));
}

}  // namespace

Result<std::unique_ptr<KeyStore>> KeyStore::Open(const std::string& directory) {
  std::unique_ptr<KeyStore> store(new KeyStore(directory));
  TRY(MakeDirectories(directory, 0700));
  TRY(store->Lock());
  TRY(store->LoadMasterKey());
  TRY(store->Load());
  return store;
}

Status KeyStore::Lock() {
  lock_ = TRY(OpenFile(directory_ + "/lock", O_RDWR | O_CREAT));
  if (flock(lock_.get(), LOCK_EX | LOCK_NB) == 0) return {};
  if (errno != EWOULDBLOCK) return ErrnoError(errno, directory_ + "/lock");
  return Error(ErrorCode::kBusy, fmt::format("another process serves {}", directory_));
}

Status KeyStore::LoadMasterKey() {
  const std::string path = directory_ + "/master.key";
  SecretBytes master;
  if (!PathExists(path)) {
    if (PathExists(StorePath())) return Refused(path, "is missing, and the store needs it");
    master = RandomSecret(kKeySize);
    TRY(ReplaceFile(path, master.ExposeSecret(), 0600));
  } else {
    UniqueFd fd = TRY(OpenFile(path, O_RDONLY));
    struct stat st {};
    if (fstat(fd.get(), &st) != 0) return ErrnoError(errno, path);
    if (st.st_size != kKeySize) return Refused(path, "is damaged: it must have 32 bytes");
    if ((st.st_mode & 077) != 0) {
      return Error(ErrorCode::kPermissionDenied,
                   fmt::format("{} can be read by others; run chmod 600 on it", path));
    }
    master = SecretBytes(kKeySize);
    TRY(ReadExactly(fd.get(), master.ExposeSecretForWriting()));
  }
  sealing_key_ = DeriveKey(master, AsBytes(kSalt), "seal", kKeySize);
  checking_key_ = DeriveKey(master, AsBytes(kSalt), "check", kKeySize);
  return {};
}

Status KeyStore::Load() {
  if (!PathExists(StorePath())) {
    if (PathExists(directory_ + "/credentials")) return Refused(StorePath(), "is missing");
    is_new_ = true;
    state_ = std::make_shared<const State>();
    return {};
  }
  const Bytes file = TRY(ReadRegularFile(StorePath(), kStoreLimit));
  const std::string_view text = AsText(file);
  const auto newline = text.find('\n');
  if (!text.starts_with(kStoreTag) || newline == std::string_view::npos) {
    return Refused(StorePath(), "is damaged: it does not begin as a store does");
  }
  const std::string_view body = text.substr(newline + 1);
  const auto tag = HexDecode(text.substr(kStoreTag.size(), newline - kStoreTag.size()));
  const Digest256 expected = HmacSha256(checking_key_.ExposeSecret(), AsBytes(body));
  if (!tag.ok() || !ConstantTimeEqual(*tag, expected)) {
    return Refused(StorePath(), "is damaged, or belongs to another master.key");
  }
  auto state = DecodeState(body);
  if (!state.ok()) return state.error().Because(StorePath());
  state_ = std::make_shared<const State>(*std::move(state));
  return {};
}

Status KeyStore::Save(const State& state) const {
  const std::string body = EncodeState(state);
  TRY(DecodeState(body));  // what could not be read back must not replace what can
  const Digest256 tag = HmacSha256(checking_key_.ExposeSecret(), AsBytes(body));
  const std::string file = fmt::format("{}{}\n{}", kStoreTag, HexEncode(tag), body);
  return ReplaceFile(StorePath(), AsBytes(file), 0600);
}

std::shared_ptr<const State> KeyStore::Read() const {
  const std::lock_guard lock(publishing_);
  return state_;
}

AwsStatus KeyStore::Update(const std::function<AwsStatus(State&)>& change) {
  const std::lock_guard writing(writing_);
  auto next = std::make_shared<State>(*Read());
  AWS_TRY(change(*next));
  if (auto saved = Save(*next); !saved.ok()) {
    LogError("kms", saved.error().message());
    return InternalFailure();
  }
  const std::lock_guard lock(publishing_);
  state_ = std::move(next);
  return {};
}

Result<Bytes> KeyStore::Seal(const SecretBytes& secret, std::string_view label) const {
  return GcmEncrypt(sealing_key_, AsBytes(label), secret.ExposeSecret());
}

Result<SecretBytes> KeyStore::Unseal(ByteView sealed, std::string_view label) const {
  return GcmDecrypt(sealing_key_, AsBytes(label), sealed);
}

}  // namespace freehold::embedded
