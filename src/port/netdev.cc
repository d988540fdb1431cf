#include "port/netdev.h"

#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>

namespace sluice::port {
namespace {

ifreq request_for(const std::string& name) {
  ifreq request{};
  name.copy(request.ifr_name, IFNAMSIZ - 1);
  return request;
}

Status set(int socket, unsigned long what, ifreq& request, const char* description) {
  if (ioctl(socket, what, &request) == 0) return {};
  return fail("cannot set the " + std::string(description) + " of interface " + request.ifr_name + ": " +
              std::strerror(errno));
}

}  // namespace

std::optional<int> Netdev::index() const {
  ifreq request = request_for(name_);
  if (ioctl(socket_, SIOCGIFINDEX, &request) != 0) return std::nullopt;
  return request.ifr_ifindex;
}

unsigned Netdev::flags() const {
  ifreq request = request_for(name_);
  return ioctl(socket_, SIOCGIFFLAGS, &request) == 0 ? static_cast<unsigned short>(request.ifr_flags) : 0;
}

bool Netdev::running() const {
  constexpr unsigned kWanted = IFF_UP | IFF_RUNNING;
  return (flags() & kWanted) == kWanted;
}

bool Netdev::up() const {
  return (flags() & IFF_UP) != 0;
}

std::uint32_t Netdev::mtu() const {
  ifreq request = request_for(name_);
  return ioctl(socket_, SIOCGIFMTU, &request) == 0 ? static_cast<std::uint32_t>(request.ifr_mtu) : 0;
}

net::Mac Netdev::mac() const {
  net::Mac mac;
  ifreq request = request_for(name_);
  if (ioctl(socket_, SIOCGIFHWADDR, &request) == 0)
    std::memcpy(mac.bytes.data(), request.ifr_hwaddr.sa_data, 6);
  return mac;
}

Status Netdev::set_up(bool up) const {
  ifreq request = request_for(name_);
  const unsigned now = flags();
  request.ifr_flags = static_cast<short>(up ? now | IFF_UP : now & ~static_cast<unsigned>(IFF_UP));
  return set(socket_, SIOCSIFFLAGS, request, "state");
}

Status Netdev::set_mtu(std::uint32_t mtu) const {
  ifreq request = request_for(name_);
  request.ifr_mtu = static_cast<int>(mtu);
  return set(socket_, SIOCSIFMTU, request, "MTU");
}

Status Netdev::set_mac(const net::Mac& mac) const {
  ifreq request = request_for(name_);
  request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
  std::memcpy(request.ifr_hwaddr.sa_data, mac.bytes.data(), 6);
  return set(socket_, SIOCSIFHWADDR, request, "MAC address");
}

Status Netdev::check_name(const std::string& name) {
  const auto bad = [](unsigned char c) { return c == '/' || c == ':' || std::isspace(c) != 0; };
  if (name.empty() || name.size() >= IFNAMSIZ || name == "." || name == ".." ||
      std::any_of(name.begin(), name.end(), bad))
    return fail("\"" + name +
                "\" is not an interface name: expected 1 to 15 bytes without slash, colon or blank");
  return {};
}

}  // namespace sluice::port
