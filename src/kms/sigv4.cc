#include "kms/sigv4.h"

#include <algorithm>
#include <map>

#include "base/locked_arena.h"
#include "crypto/crypto.h"
#include "fmt/format.h"

namespace freehold {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
constexpr std::string_view kTerminator = "aws4_request";

bool IsUnreserved(unsigned char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_' || c == '.' || c == '~';
}

// RFC 3986 with upper-case hex; `kept` passes through as it is.
std::string PercentEncode(std::string_view text, std::string_view kept = "") {
  std::string out;
  for (const char c : text) {
    if (IsUnreserved(static_cast<unsigned char>(c)) || kept.find(c) != std::string_view::npos) {
      out.push_back(c);
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

// A '%' that starts no valid escape stands for itself.
std::string PercentDecode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      if (auto byte = HexDecode(text.substr(i + 1, 2)); byte.ok()) {
        out.push_back(static_cast<char>((*byte)[0]));
        i += 2;
        continue;
      }
    }
    out.push_back(text[i]);
  }
  return out;
}

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const auto end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

// Dot segments and empty segments go; what is left of the wire's path is encoded once more.
std::string CanonicalPath(std::string_view path) {
  std::vector<std::string_view> kept;
  for (const std::string_view segment : Split(path, '/')) {
    if (segment.empty() || segment == ".") continue;
    if (segment != "..") {
      kept.push_back(segment);
    } else if (!kept.empty()) {
      kept.pop_back();
    }
  }
  std::string out;
  for (const std::string_view segment : kept) out += "/" + PercentEncode(segment);
  const bool directory = path.ends_with('/') || path.ends_with("/.") || path.ends_with("/..");
  if (out.empty() || directory) out += '/';
  return out;
}

std::string CanonicalQuery(std::string_view query) {
  if (query.empty()) return "";
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const std::string_view part : Split(query, '&')) {
    const auto equals = part.find('=');
    const auto value = equals == std::string_view::npos ? "" : part.substr(equals + 1);
    pairs.emplace_back(PercentEncode(PercentDecode(part.substr(0, equals))),
                       PercentEncode(PercentDecode(value)));
  }
  std::sort(pairs.begin(), pairs.end());
  std::string out;
  for (const auto& [name, value] : pairs) {
    if (!out.empty()) out += '&';
    out += name + "=" + value;
  }
  return out;
}

// Without outer blanks, inner runs of blanks made one.
std::string Trimmed(std::string_view value) {
  std::string out;
  for (const char c : value) {
    const bool blank = c == ' ' || c == '\t';
    if (!blank) {
      out.push_back(c);
    } else if (!out.empty() && out.back() != ' ') {
      out.push_back(' ');
    }
  }
  if (out.ends_with(' ')) out.pop_back();
  return out;
}

struct CanonicalHeaders {
  std::string lines;
  std::string names;  // "host;x-amz-date"
};

// Repeated headers are joined by commas in their order of arrival.
CanonicalHeaders Canonicalize(const SigV4Request& request, const std::vector<std::string>* only) {
  std::map<std::string, std::string> values;
  for (const auto& [name, value] : request.headers) {
    if (only != nullptr && std::find(only->begin(), only->end(), name) == only->end()) continue;
    auto [slot, added] = values.try_emplace(name, Trimmed(value));
    if (!added) slot->second += "," + Trimmed(value);
  }
  CanonicalHeaders canonical;
  for (const auto& [name, value] : values) {
    canonical.lines += name + ":" + value + "\n";
    canonical.names += (canonical.names.empty() ? "" : ";") + name;
  }
  return canonical;
}

std::string HexSha256(std::string_view text) { return HexEncode(Sha256(AsBytes(text))); }

std::string CanonicalRequest(const SigV4Request& request, const CanonicalHeaders& headers) {
  const std::string_view target = request.target;
  const auto mark = target.find('?');
  const auto query = mark == std::string_view::npos ? "" : target.substr(mark + 1);
  return fmt::format("{}\n{}\n{}\n{}\n{}\n{}", request.method,
                     CanonicalPath(target.substr(0, mark)), CanonicalQuery(query), headers.lines,
                     headers.names, HexSha256(request.body));
}

SecretBytes NextKey(const SecretBytes& key, std::string_view text) {
  Digest256 digest = HmacSha256(key.ExposeSecret(), AsBytes(text));
  SecretBytes next = SecretBytes::CopyOf(digest);
  WipeMemory(digest.data(), digest.size());
  return next;
}

SecretBytes SigningKey(const SecretBytes& secret, std::string_view date, const SigV4Scope& scope) {
  constexpr std::string_view kPrefix = "AWS4";
  SecretBytes start(kPrefix.size() + secret.size());
  const MutableByteView into = start.ExposeSecretForWriting();
  std::copy(kPrefix.begin(), kPrefix.end(), into.begin());
  const ByteView tail = secret.ExposeSecret();
  std::copy(tail.begin(), tail.end(), into.begin() + kPrefix.size());
  const SecretBytes dated = NextKey(start, date);
  const SecretBytes regional = NextKey(dated, scope.region);
  return NextKey(NextKey(regional, scope.service), kTerminator);
}

std::string ScopeText(std::string_view date, const SigV4Scope& scope) {
  return fmt::format("{}/{}/{}/{}", date, scope.region, scope.service, kTerminator);
}

std::string Signature(const SigV4Request& request, const CanonicalHeaders& headers,
                      std::string_view date, std::string_view amz_date, const SigV4Scope& scope,
                      const SecretBytes& secret) {
  const std::string to_sign =
      fmt::format("{}\n{}\n{}\n{}", kAlgorithm, amz_date, ScopeText(date, scope),
                  HexSha256(CanonicalRequest(request, headers)));
  const SecretBytes key = SigningKey(secret, date, scope);
  return HexEncode(HmacSha256(key.ExposeSecret(), AsBytes(to_sign)));
}

Error NotSigV4(std::string_view why) {
  return Error(ErrorCode::kInvalidArgument, fmt::format("Authorization header: {}", why));
}

}  // namespace

std::string SigV4Date(WallTime time) {
  std::string text = FormatTime(time);
  std::erase_if(text, [](char c) { return c == '-' || c == ':'; });
  return text;
}

std::string SigV4Authorization(const SigV4Request& request, const SigV4Scope& scope,
                               std::string_view access_key_id, const SecretBytes& secret,
                               WallTime time) {
  const std::string amz_date = SigV4Date(time);
  const std::string date = amz_date.substr(0, 8);
  const CanonicalHeaders headers = Canonicalize(request, nullptr);
  return fmt::format("{} Credential={}/{}, SignedHeaders={}, Signature={}", kAlgorithm,
                     access_key_id, ScopeText(date, scope), headers.names,
                     Signature(request, headers, date, amz_date, scope, secret));
}

Result<SigV4Presented> ParseSigV4Authorization(std::string_view header) {
  if (!header.starts_with(kAlgorithm) || header.substr(kAlgorithm.size(), 1) != " ") {
    return NotSigV4("is not AWS4-HMAC-SHA256");
  }
  std::map<std::string_view, std::string_view> fields;
  for (std::string_view part : Split(header.substr(kAlgorithm.size() + 1), ',')) {
    while (part.starts_with(' ')) part.remove_prefix(1);
    const auto equals = part.find('=');
    if (equals == std::string_view::npos) return NotSigV4("has a part without '='");
    if (!fields.emplace(part.substr(0, equals), part.substr(equals + 1)).second) {
      return NotSigV4("names a part twice");
    }
  }
  if (fields.size() != 3 || !fields.contains("Credential") || !fields.contains("SignedHeaders") ||
      !fields.contains("Signature")) {
    return NotSigV4("needs Credential, SignedHeaders and Signature");
  }
  const auto scope = Split(fields["Credential"], '/');
  if (scope.size() != 5 || scope[1].size() != 8 || scope[4] != kTerminator) {
    return NotSigV4("has a credential that is not KEY/DATE/REGION/SERVICE/aws4_request");
  }
  SigV4Presented presented{std::string(scope[0]),
                           std::string(scope[1]),
                           {std::string(scope[2]), std::string(scope[3])},
                           {},
                           std::string(fields["Signature"])};
  for (const auto name : Split(fields["SignedHeaders"], ';')) {
    presented.signed_headers.emplace_back(name);
  }
  return presented;
}

std::string SigV4ExpectedSignature(const SigV4Request& request, const SigV4Presented& presented,
                                   std::string_view amz_date, const SecretBytes& secret) {
  const CanonicalHeaders headers = Canonicalize(request, &presented.signed_headers);
  return Signature(request, headers, presented.date, amz_date, presented.scope, secret);
}

}  // namespace freehold
