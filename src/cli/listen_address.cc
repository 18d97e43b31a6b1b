#include "cli/listen_address.h"

#include <charconv>

#include "fmt/format.h"

namespace freehold::cli {

Status ParseListen(std::string_view flag, std::string_view text, HttpServerOptions& options) {
  const auto colon = text.rfind(':');
  std::string_view address = text.substr(0, colon);
  if (address.starts_with('[') && address.ends_with(']')) {
    address = address.substr(1, address.size() - 2);
  }
  const std::string_view port = colon == std::string_view::npos ? "" : text.substr(colon + 1);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), options.port);
  if (port.empty() || error != std::errc() || end != port.data() + port.size()) {
    return Error(ErrorCode::kInvalidArgument, fmt::format("{} {} is not ADDRESS:PORT", flag, text));
  }
  options.address = address;
  return {};
}

}  // namespace freehold::cli
