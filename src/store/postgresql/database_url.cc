#include "store/postgresql/database_url.h"

#include <libpq-fe.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <vector>

#include "fmt/format.h"

namespace freehold::store {
namespace {

Error Wrong(std::string_view why) {
  return Error(ErrorCode::kInvalidArgument, fmt::format("the store's URL {}", why));
}

// Where a password has an @ or a / of its own, libpq would take its rest for a host, and name it.
Status CheckShape(std::string_view url) {
  constexpr std::array<std::string_view, 2> kSchemes = {"postgresql://", "postgres://"};
  const auto scheme = std::find_if(kSchemes.begin(), kSchemes.end(),
                                   [&](std::string_view one) { return url.starts_with(one); });
  if (scheme == kSchemes.end()) return Wrong("must begin with postgresql://");
  url.remove_prefix(scheme->size());
  const auto at = url.find('@');
  if (at == std::string_view::npos) return {};
  if (url.find('@', at + 1) == std::string_view::npos && url.find_first_of("/?#") > at) return {};
  return Wrong("has an @, / or ? in its user or password; write them as %40, %2F and %3F");
}

std::vector<std::string> SplitAtCommas(const std::string& text) {
  std::vector<std::string> parts;
  std::size_t from = 0;
  for (auto comma = text.find(','); comma != std::string::npos; comma = text.find(',', from)) {
    parts.push_back(text.substr(from, comma - from));
    from = comma + 1;
  }
  parts.push_back(text.substr(from));
  return parts;
}

using Options = std::map<std::string, std::string, std::less<>>;

Result<Options> OptionsIn(const std::string& url) {
  char* words = nullptr;
  const std::unique_ptr<PQconninfoOption, void (*)(PQconninfoOption*)> parsed(
      PQconninfoParse(url.c_str(), &words), PQconninfoFree);
  PQfreemem(words);  // they quote the URL
  if (parsed == nullptr) return Wrong("is not one that PostgreSQL's libpq understands");
  Options options;
  for (const PQconninfoOption* one = parsed.get(); one->keyword != nullptr; ++one) {
    if (one->val != nullptr) options[one->keyword] = one->val;
  }
  return options;
}

std::string PlaceOf(Options& options, const std::vector<std::string>& hosts) {
  const auto ports = SplitAtCommas(options["port"]);
  std::string place;
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    const std::string& port = ports.size() == hosts.size() ? ports[i] : ports.front();
    place += fmt::format("{}{}{}{}", i == 0 ? "" : ",", hosts[i], port.empty() ? "" : ":", port);
  }
  return fmt::format("{}/{}", place, options["dbname"]);
}

}  // namespace

bool IsThisMachine(std::string_view host) {
  return host.empty() || host.starts_with('/') || host.starts_with('@') || host == "localhost" ||
         host == "::1" ||
         (host.starts_with("127.") &&
          host.find_first_not_of("0123456789.") == std::string_view::npos);
}

Result<DatabaseUrl> DatabaseUrl::Parse(const std::string& url, std::string_view usual_sslmode) {
  TRY(CheckShape(url));
  Options options = TRY(OptionsIn(url));
  const bool by_address = !options["hostaddr"].empty();  // then `host` is a name to verify
  const auto hosts = SplitAtCommas(by_address ? options["hostaddr"] : options["host"]);
  const std::string sslmode =
      options["sslmode"].empty() ? std::string(usual_sslmode) : options["sslmode"];
  const bool has_tls = sslmode == "require" || sslmode == "verify-ca" || sslmode == "verify-full";
  if (!has_tls && !std::all_of(hosts.begin(), hosts.end(), IsThisMachine)) {
    return Wrong(
        "leads to another machine; it must have sslmode=verify-full, or at least verify-ca or "
        "require");
  }
  return DatabaseUrl(url, PlaceOf(options, hosts));
}

}  // namespace freehold::store
