#include "kms/service/jwt.h"

#include <boost/json.hpp>

#include "kms/service/json_service.h"

namespace freehold {
namespace {

namespace json = boost::json;

constexpr std::size_t kLongest = 64 << 10;

Error NoToken() { return Error(ErrorCode::kInvalidArgument, "this is no JSON Web Token"); }

Result<json::object> DecodePart(std::string_view part) {
  const Bytes bytes = TRY(Base64UrlDecode(part));
  boost::system::error_code failure;
  auto value = json::parse({AsText(bytes).data(), bytes.size()}, failure);
  if (failure || !value.is_object()) return NoToken();
  return std::move(value.get_object());
}

std::string EncodePart(const json::object& part) {
  return Base64UrlEncode(AsBytes(json::serialize(part)));
}

}  // namespace

Result<std::string> SignJwt(const RsaKey& key, json::object header, const json::object& claims) {
  header["alg"] = "RS256";
  header["typ"] = "JWT";
  std::string token = EncodePart(header) + "." + EncodePart(claims);
  const Bytes signature = TRY(key.SignSha256(AsBytes(token)));
  return token + "." + Base64UrlEncode(signature);
}

Result<Jwt> ReadJwtUnverified(std::string_view token) {
  const auto first = token.find('.');
  const auto last = token.rfind('.');
  if (token.size() > kLongest || first == std::string_view::npos || first == last) return NoToken();
  json::object header = TRY(DecodePart(token.substr(0, first)));
  json::object claims = TRY(DecodePart(token.substr(first + 1, last - first - 1)));
  return Jwt{std::move(header), std::move(claims)};
}

Status VerifyJwt(std::string_view token, const RsaKey& key) {
  const Jwt jwt = TRY(ReadJwtUnverified(token));
  if (TextOf(jwt.header, "alg") != "RS256") return NoToken();
  const auto last = token.rfind('.');
  const Bytes signature = TRY(Base64UrlDecode(token.substr(last + 1)));
  return key.VerifySha256(AsBytes(token.substr(0, last)), signature);
}

}  // namespace freehold
