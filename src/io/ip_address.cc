#include "io/ip_address.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <netdb.h>

#include <cstring>

namespace sluice::io {

std::optional<IpAddress> IpAddress::parse(const std::string& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) return std::nullopt;
  IpAddress result;
  std::memcpy(&result.address, found->ai_addr, found->ai_addrlen);
  result.length = found->ai_addrlen;
  freeaddrinfo(found);
  return result;
}

std::optional<IpAddress> IpAddress::of_peer(int socket) {
  IpAddress result;
  result.length = sizeof result.address;
  if (getpeername(socket, reinterpret_cast<sockaddr*>(&result.address), &result.length) != 0)
    return std::nullopt;
  return result;
}

std::optional<IpAddress> IpAddress::of_socket(int socket) {
  IpAddress result;
  result.length = sizeof result.address;
  if (getsockname(socket, reinterpret_cast<sockaddr*>(&result.address), &result.length) != 0)
    return std::nullopt;
  return result;
}

std::uint16_t IpAddress::port() const {
  if (family() == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6&>(address).sin6_port);
  return ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

std::string IpAddress::text() const {
  char host[NI_MAXHOST];
  if (getnameinfo(get(), length, host, sizeof host, nullptr, 0, NI_NUMERICHOST) != 0) return "?";
  return family() == AF_INET6 ? fmt::format("[{}]:{}", host, port()) : fmt::format("{}:{}", host, port());
}

}  // namespace sluice::io
