#include "kms/embedded/azure/routes.h"

#include <array>

namespace freehold::embedded::azure {
namespace {

struct Row {
  std::string_view method;
  std::string_view path;  // {n}: the key, {v}: its version, which may be empty
  VaultOperation operation;
};

constexpr std::string_view kRead = "keys/read";

// Fixed words before what stands for anything.
constexpr std::array kRows = {
    Row{"GET", "keys", {"KeyList", kRead, true, ListKeys}},
    Row{"POST", "keys/{n}/create", {"KeyCreate", "keys/create/action", false, CreateKey}},
    Row{"POST", "keys/{n}/rotate", {"KeyRotate", "keys/rotate/action", false, RotateKey}},
    Row{"GET", "keys/{n}/versions", {"KeyListVersions", kRead, true, ListVersions}},
    Row{"GET",
        "keys/{n}/rotationpolicy",
        {"KeyRotationPolicyGet", "keyrotationpolicies/read", true, GetRotationPolicy}},
    Row{"PUT",
        "keys/{n}/rotationpolicy",
        {"KeyRotationPolicySet", "keyrotationpolicies/write", false, SetRotationPolicy}},
    Row{"PUT", "keys/{n}", {"KeyImport", "keys/import/action", false, ImportKey}},
    Row{"DELETE", "keys/{n}", {"KeyDelete", "keys/delete", false, DeleteKey}},
    Row{"GET", "keys/{n}", {"KeyGet", kRead, true, GetKey}},
    Row{"GET", "keys/{n}/{v}", {"KeyGet", kRead, true, GetKey}},
    Row{"PATCH", "keys/{n}", {"KeyUpdate", "keys/update/action", false, UpdateKey}},
    Row{"PATCH", "keys/{n}/{v}", {"KeyUpdate", "keys/update/action", false, UpdateKey}},
    Row{"POST", "keys/{n}/{v}/wrapkey", {"KeyWrap", "keys/wrap/action", true, WrapKey}},
    Row{"POST", "keys/{n}/{v}/unwrapkey", {"KeyUnwrap", "keys/unwrap/action", true, UnwrapKey}},
    Row{"POST", "keys/{n}/{v}/encrypt", {"KeyEncrypt", "keys/encrypt/action", true, Encrypt}},
    Row{"POST", "keys/{n}/{v}/decrypt", {"KeyDecrypt", "keys/decrypt/action", true, Decrypt}},
    Row{"POST", "keys/{n}/wrapkey", {"KeyWrap", "keys/wrap/action", true, WrapKey}},
    Row{"POST", "keys/{n}/unwrapkey", {"KeyUnwrap", "keys/unwrap/action", true, UnwrapKey}},
    Row{"POST", "keys/{n}/encrypt", {"KeyEncrypt", "keys/encrypt/action", true, Encrypt}},
    Row{"POST", "keys/{n}/decrypt", {"KeyDecrypt", "keys/decrypt/action", true, Decrypt}},
    Row{"GET", "deletedkeys", {"KeyListDeleted", kRead, true, ListDeletedKeys}},
    Row{"GET", "deletedkeys/{n}", {"KeyGetDeleted", kRead, true, GetDeletedKey}},
    Row{"DELETE", "deletedkeys/{n}", {"KeyPurge", "keys/purge/action", false, PurgeKey}},
    Row{"POST",
        "deletedkeys/{n}/recover",
        {"KeyRecover", "keys/recover/action", false, RecoverKey}},
};

std::vector<std::string_view> Segments(std::string_view path) {
  std::vector<std::string_view> segments;
  for (;;) {
    const auto slash = path.find('/');
    segments.push_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return segments;
    path.remove_prefix(slash + 1);
  }
}

bool Fits(const Row& row, std::string_view method, const std::vector<std::string_view>& path,
          Route& route) {
  const auto pattern = Segments(row.path);
  if (row.method != method || pattern.size() != path.size()) return false;
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (pattern[i] == "{n}") {
      route.key = path[i];
    } else if (pattern[i] == "{v}") {
      route.version = path[i];
    } else if (LowerCase(path[i]) != pattern[i]) {
      return false;
    }
  }
  route.operation = &row.operation;
  return true;
}

}  // namespace

std::optional<Route> RouteOf(const HttpRequest& request) {
  std::string_view path = std::string_view(request.target).substr(0, request.target.find('?'));
  if (!path.starts_with('/')) return std::nullopt;
  path.remove_prefix(1);
  const auto segments = Segments(path);
  Route route;
  const auto ends_with = [&](std::string_view rest) {
    return path.size() > rest.size() + 1 && path.ends_with(rest) &&
           path.find('/') == path.size() - rest.size();
  };
  route.tenant = segments[0];
  if (request.method == "GET" && LowerCase(path) == "common/discovery/instance") {
    route.entra = "InstanceDiscovery";
  } else if (request.method == "POST" && ends_with("/oauth2/v2.0/token")) {
    route.entra = "GetToken";
  } else if (request.method == "GET" && ends_with("/v2.0/.well-known/openid-configuration")) {
    route.entra = "OpenIdConfiguration";
  } else if (request.method == "GET" && ends_with("/discovery/v2.0/keys")) {
    route.entra = "TokenSigningKeys";
  }
  if (!route.entra.empty()) return route;
  const std::string first = LowerCase(segments[0]);
  if (first != "keys" && first != "deletedkeys") return std::nullopt;
  for (const Row& row : kRows) {
    Route fitting;
    if (Fits(row, request.method, segments, fitting)) return fitting;
  }
  return Route();
}

}  // namespace freehold::embedded::azure
