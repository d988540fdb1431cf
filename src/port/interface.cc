#include "port/interface.h"

#include <ifaddrs.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "port/netdev.h"

namespace sluice::port {

namespace {

/// Any socket will do to ask about interfaces.
class AskingSocket {
 public:
  AskingSocket() : fd_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {}
  ~AskingSocket() {
    if (fd_ >= 0) ::close(fd_);
  }
  AskingSocket(const AskingSocket&) = delete;
  AskingSocket& operator=(const AskingSocket&) = delete;

  int get() const { return fd_; }
  /// An ethtool command about the interface; false if its driver does not know it.
  template <typename Command>
  bool ethtool(const std::string& name, Command& command) const {
    ifreq request{};
    name.copy(request.ifr_name, IFNAMSIZ - 1);
    request.ifr_data = reinterpret_cast<char*>(&command);
    return ::ioctl(fd_, SIOCETHTOOL, &request) == 0;
  }

 private:
  int fd_;
};

template <std::size_t N>
std::string text_of(const char (&field)[N]) {
  return {field, ::strnlen(field, N)};
}

void ask_link(const AskingSocket& socket, const std::string& name, InterfaceFacts& facts) {
  ethtool_cmd command{};
  command.cmd = ETHTOOL_GSET;
  if (!socket.ethtool(name, command)) return;
  const std::uint32_t megabits = ethtool_cmd_speed(&command);
  if (megabits != 0 && megabits != static_cast<std::uint32_t>(SPEED_UNKNOWN))
    facts.bits_per_second = std::uint64_t{megabits} * 1'000'000;
  if (command.duplex == DUPLEX_FULL || command.duplex == DUPLEX_HALF)
    facts.full_duplex = command.duplex == DUPLEX_FULL;
}

void ask_driver(const AskingSocket& socket, const std::string& name, InterfaceFacts& facts) {
  ethtool_drvinfo command{};
  command.cmd = ETHTOOL_GDRVINFO;
  if (!socket.ethtool(name, command)) return;
  facts.driver_name = text_of(command.driver);
  facts.driver_version = text_of(command.version);
  facts.firmware_version = text_of(command.fw_version);
}

}  // namespace

std::optional<InterfaceFacts> interface_facts(const std::string& name) {
  const AskingSocket socket;
  const Netdev netdev(socket.get(), name);
  const auto index = netdev.index();
  if (!index) return std::nullopt;
  InterfaceFacts facts;
  facts.index = *index;
  const unsigned flags = netdev.flags();
  facts.admin_up = (flags & IFF_UP) != 0;
  facts.link_up = (flags & IFF_RUNNING) != 0;
  facts.mac = netdev.mac();
  facts.mtu = netdev.mtu();
  ask_link(socket, name, facts);
  ask_driver(socket, name, facts);
  return facts;
}

std::map<std::string, DeviceCounters> device_counters() {
  std::map<std::string, DeviceCounters> counters;
  ifaddrs* first = nullptr;
  if (::getifaddrs(&first) != 0) return counters;
  for (const ifaddrs* at = first; at; at = at->ifa_next) {
    if (!at->ifa_addr || at->ifa_addr->sa_family != AF_PACKET || !at->ifa_data) continue;
    const auto& stats = *static_cast<const rtnl_link_stats*>(at->ifa_data);
    counters[at->ifa_name] = {.rx_multicast = stats.multicast,
                              .collisions = stats.collisions,
                              .rx_over_errors = stats.rx_over_errors,
                              .rx_crc_errors = stats.rx_crc_errors,
                              .rx_frame_errors = stats.rx_frame_errors,
                              .rx_missed_errors = stats.rx_missed_errors};
  }
  ::freeifaddrs(first);
  return counters;
}

Status set_interface_mac(const std::string& name, const net::Mac& mac) {
  const AskingSocket socket;
  return Netdev(socket.get(), name).set_mac(mac);
}

Status set_interface_mtu(const std::string& name, std::uint32_t mtu) {
  const AskingSocket socket;
  return Netdev(socket.get(), name).set_mtu(mtu);
}

}  // namespace sluice::port
