// AddressPolicy: to which addresses a request may go that a stranger has asked for.
//
// Without further word only those of the public Internet: whoever names a host must not reach what
// only this machine can, its own services, its networks, or where a cloud hands out credentials.
// It judges the address that is connected to, after a name was resolved, so that a name which
// changes is no way around. Networks can be allowed beside; link-local ones and those of metadata
// services never. IPv4 within IPv6 counts as what it is. Threads: a value.
// Source: IANA's registries of special-purpose addresses (RFC 6890), RFC 6052, RFC 3056.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

struct sockaddr;

namespace freehold {

class AddressPolicy {
 public:
  AddressPolicy() = default;  // the public Internet alone
  // And these networks: "10.1.0.0/16", "fd12::/48", or one address. kInvalidArgument.
  static Result<AddressPolicy> Allowing(const std::vector<std::string>& networks);

  bool Allows(const sockaddr* address) const;
  // A URL's host: false for an address that is not allowed; a name is judged when it is resolved.
  bool AllowsHost(const std::string& host) const;

  struct Network {
    std::array<std::uint8_t, 16> address{};  // IPv4 as ::ffff:a.b.c.d
    int bits = 0;
  };

 private:
  bool AllowsAddress(const std::array<std::uint8_t, 16>& address) const;

  std::vector<Network> allowed_;
};

}  // namespace freehold
