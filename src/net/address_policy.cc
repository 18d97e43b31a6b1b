#include "net/address_policy.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>

#include "base/bytes.h"
#include "fmt/format.h"

namespace freehold {
namespace {

using Address = std::array<std::uint8_t, 16>;
using Network = AddressPolicy::Network;

constexpr int kMappedBits = 96;  // of an IPv4 address within ::ffff:0:0/96

std::optional<Address> ParseAddress(const std::string& text, bool& is_v4) {
  Address address{};
  is_v4 = inet_pton(AF_INET, text.c_str(), address.data() + 12) == 1;
  if (is_v4) {
    address[10] = address[11] = 0xff;
    return address;
  }
  if (inet_pton(AF_INET6, text.c_str(), address.data()) == 1) return address;
  return std::nullopt;
}

std::optional<Network> ParseNetwork(const std::string& text) {
  const auto slash = text.find('/');
  bool is_v4 = false;
  const auto address = ParseAddress(text.substr(0, slash), is_v4);
  if (!address.has_value()) return std::nullopt;
  const int all = is_v4 ? 32 : 128;
  int bits = all;
  if (slash != std::string::npos) {
    const char* end = text.data() + text.size();
    const auto [stopped, failure] = std::from_chars(text.data() + slash + 1, end, bits);
    if (failure != std::errc() || stopped != end || bits < 0 || bits > all) return std::nullopt;
  }
  return Network{*address, is_v4 ? kMappedBits + bits : bits};
}

bool Contains(const Network& network, const Address& address) {
  const std::size_t whole = static_cast<std::size_t>(network.bits) / 8;
  if (!std::equal(address.begin(), address.begin() + whole, network.address.begin())) return false;
  const int rest = network.bits % 8;
  if (rest == 0) return true;
  const int mask = 0xff << (8 - rest) & 0xff;
  return ((network.address[whole] ^ address[whole]) & mask) == 0;
}

bool AnyContains(const std::vector<Network>& networks, const Address& address) {
  return std::any_of(networks.begin(), networks.end(),
                     [&](const Network& network) { return Contains(network, address); });
}

std::vector<Network> Networks(std::initializer_list<const char*> texts) {
  std::vector<Network> networks;
  for (const char* text : texts) networks.push_back(ParseNetwork(text).value());
  return networks;
}

// Where clouds hand out credentials, and what reaches no further than a wire.
const std::vector<Network>& NeverAllowed() {
  static const auto networks =
      Networks({"169.254.0.0/16", "fe80::/10", "fd00:ec2::/32", "fd20:ce::254",
                "fd00:c1::a9fe:a9fe", "fd00:42::42", "168.63.129.16", "100.100.100.200",
                "192.0.0.192", "0.0.0.0", "::", "224.0.0.0/4", "255.255.255.255", "ff00::/8"});
  return networks;
}

const std::vector<Network>& NotPublic() {
  static const auto networks = Networks(
      {"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.0.0.0/24",
       "192.168.0.0/16", "198.18.0.0/15", "240.0.0.0/4", "::/96", "fc00::/7", "fec0::/10",
       "64:ff9b:1::/48", "::ffff:0:0:0/96", "2001::/23", "100::/64"});
  return networks;
}

// The IPv4 address that a translator or a tunnel would send it on to.
std::optional<Address> Embedded(const Address& address) {
  static const Network nat64 = ParseNetwork("64:ff9b::/96").value();
  static const Network six_to_four = ParseNetwork("2002::/16").value();
  const std::uint8_t* from = nullptr;
  if (Contains(nat64, address)) from = address.data() + 12;
  if (Contains(six_to_four, address)) from = address.data() + 2;
  if (from == nullptr) return std::nullopt;
  Address inner{};
  inner[10] = inner[11] = 0xff;
  std::copy_n(from, 4, inner.begin() + 12);
  return inner;
}

}  // namespace

Result<AddressPolicy> AddressPolicy::Allowing(const std::vector<std::string>& networks) {
  AddressPolicy policy;
  for (const std::string& text : networks) {
    const auto network = ParseNetwork(text);
    if (!network.has_value()) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("'{}' is not a network, such as 10.1.0.0/16", Printable(text)));
    }
    const auto holds_all_of_it = [&](const Network& never) {
      return never.bits <= network->bits && Contains(never, network->address);
    };
    if (std::any_of(NeverAllowed().begin(), NeverAllowed().end(), holds_all_of_it)) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("{} cannot be allowed: link-local addresses and those of metadata "
                               "services never are",
                               text));
    }
    policy.allowed_.push_back(*network);
  }
  return policy;
}

bool AddressPolicy::AllowsAddress(const Address& address) const {
  if (AnyContains(NeverAllowed(), address)) return false;
  if (const auto inner = Embedded(address); inner.has_value()) return AllowsAddress(*inner);
  return AnyContains(allowed_, address) || !AnyContains(NotPublic(), address);
}

bool AddressPolicy::Allows(const sockaddr* address) const {
  Address bytes{};
  if (address->sa_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, address, sizeof v6);
    std::memcpy(bytes.data(), &v6.sin6_addr, bytes.size());
  } else if (address->sa_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, address, sizeof v4);
    bytes[10] = bytes[11] = 0xff;
    std::memcpy(bytes.data() + 12, &v4.sin_addr, 4);
  } else {
    return false;
  }
  return AllowsAddress(bytes);
}

bool AddressPolicy::AllowsHost(const std::string& host) const {
  const bool is_bracketed = host.starts_with("[") && host.ends_with("]");
  bool is_v4 = false;
  const auto address = ParseAddress(is_bracketed ? host.substr(1, host.size() - 2) : host, is_v4);
  return !address.has_value() || AllowsAddress(*address);
}

}  // namespace freehold
