#include "kms/embedded/session.h"

#include <vector>

namespace freehold::embedded {
namespace {

constexpr char kSeparator = '\n';  // in none of the fields

std::string LabelOf(std::string_view access_key_id) {
  return fmt::format("session {}", access_key_id);
}

std::vector<std::string_view> Lines(std::string_view text) {
  std::vector<std::string_view> lines;
  for (;;) {
    const auto end = text.find(kSeparator);
    lines.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return lines;
    text.remove_prefix(end + 1);
  }
}

WallTime TimeOf(std::string_view nanoseconds) {
  return {Duration(std::strtoll(std::string(nanoseconds).c_str(), nullptr, 10))};
}

}  // namespace

Result<std::string> SealSession(const KeyStore& store, const Session& session,
                                std::string_view access_key_id) {
  const std::string fields = fmt::format(
      "{}\n{}\n{}\n{}\n{}\n{}\n", session.account, session.role, session.role_id, session.name,
      session.issued.since_epoch.count(), session.expires.since_epoch.count());
  SecretBytes plain(fields.size() + session.secret.size());
  const MutableByteView into = plain.ExposeSecretForWriting();
  std::copy(fields.begin(), fields.end(), into.begin());
  const ByteView secret = session.secret.ExposeSecret();
  std::copy(secret.begin(), secret.end(), into.begin() + static_cast<long>(fields.size()));
  return Base64Encode(TRY(store.Seal(plain, LabelOf(access_key_id))));
}

Result<Session> OpenSession(const KeyStore& store, std::string_view token,
                            std::string_view access_key_id) {
  const Error invalid(ErrorCode::kOurCredentials, "not a session token of this KMS");
  const auto sealed = Base64Decode(token);
  if (!sealed.ok()) return invalid;
  const auto plain = store.Unseal(*sealed, LabelOf(access_key_id));
  if (!plain.ok()) return invalid;
  const auto lines = Lines(AsText(plain->ExposeSecret()));
  if (lines.size() != 7) return invalid;
  return Session{std::string(lines[0]),
                 std::string(lines[1]),
                 std::string(lines[2]),
                 std::string(lines[3]),
                 SecretBytes::CopyOf(AsBytes(lines[6])),
                 TimeOf(lines[4]),
                 TimeOf(lines[5])};
}

}  // namespace freehold::embedded
