// Private to io: an IPv4 or IPv6 address and port, as sockets have it.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <string>

namespace sluice::io {

struct IpAddress {
  sockaddr_storage address{};
  socklen_t length = 0;

  /// A numeric address: "10.0.0.1", "::1", "fe80::1%eth0". Nothing if it is a name.
  static std::optional<IpAddress> parse(const std::string& host, std::uint16_t port);
  static std::optional<IpAddress> of_peer(int socket);
  static std::optional<IpAddress> of_socket(int socket);

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&address); }
  int family() const { return address.ss_family; }
  std::uint16_t port() const;
  /// "127.0.0.1:6653", "[::1]:6653"
  std::string text() const;
};

}  // namespace sluice::io
