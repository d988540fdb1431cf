// What the kernel knows of a network interface, asked and set through ioctls on any socket of its namespace
// (netdevice(7)). Each call is a system call: for the control plane.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "net/address.h"

namespace sluice::port {

/// An interface by name, seen from the network namespace of a socket. A view: owns nothing.
class Netdev {
 public:
  Netdev(int socket, std::string name) : socket_(socket), name_(std::move(name)) {}

  std::optional<int> index() const;
  /// IFF_UP, IFF_RUNNING and friends; 0 if there is no such interface.
  unsigned flags() const;
  bool running() const;  ///< up, with carrier
  bool up() const;       ///< IFF_UP
  std::uint32_t mtu() const;
  net::Mac mac() const;

  Status set_up(bool up) const;
  Status set_mtu(std::uint32_t mtu) const;
  Status set_mac(const net::Mac& mac) const;

  /// Names that the kernel takes: 1 to 15 bytes without slash, colon or blank, not "." or "..".
  static Status check_name(const std::string& name);

 private:
  int socket_;
  std::string name_;
};

}  // namespace sluice::port
