#include "tunnel/kernel_routes.h"

#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "base/rtnetlink.h"
#include "net/address.h"

namespace sluice::tunnel {

namespace {

/// 4 or 16 bytes.
be128 read_address(const void* bytes, int family) {
  if (family == AF_INET) return net::v4_mapped(be32::load(bytes));
  return {be64::load(bytes), be64::load(static_cast<const std::uint8_t*>(bytes) + 8)};
}

std::optional<be128> address_of(const sockaddr* socket_address) {
  if (!socket_address) return std::nullopt;
  if (socket_address->sa_family == AF_INET)
    return read_address(&reinterpret_cast<const sockaddr_in*>(socket_address)->sin_addr, AF_INET);
  if (socket_address->sa_family == AF_INET6)
    return read_address(&reinterpret_cast<const sockaddr_in6*>(socket_address)->sin6_addr, AF_INET6);
  return std::nullopt;
}

/// The route in a message; nothing if it is none that packets of tunnels could take.
std::optional<Route> read_route(const nlmsghdr& header, const std::vector<DeviceAddress>& addresses) {
  const auto* info = static_cast<const rtmsg*>(NLMSG_DATA(&header));
  const bool local = info->rtm_type == RTN_LOCAL;
  if ((info->rtm_type != RTN_UNICAST && !local) || (info->rtm_flags & RTM_F_CLONED) != 0) return std::nullopt;
  if (info->rtm_family != AF_INET && info->rtm_family != AF_INET6) return std::nullopt;
  const bool is_ipv4 = info->rtm_family == AF_INET;
  Route route;
  route.origin = local ? Route::Origin::KernelLocal : Route::Origin::Kernel;
  route.network.address = is_ipv4 ? net::v4_mapped(be32{0}) : be128{};
  route.network.prefix_length = info->rtm_dst_len + (is_ipv4 ? kIpv4Offset : 0);
  std::uint32_t table = info->rtm_table;
  int left = static_cast<int>(RTM_PAYLOAD(&header));
  for (const rtattr* at = RTM_RTA(info); RTA_OK(at, left); at = RTA_NEXT(at, left)) {
    const void* data = RTA_DATA(at);
    switch (at->rta_type) {
      case RTA_DST:
        route.network.address = read_address(data, info->rtm_family);
        break;
      case RTA_GATEWAY:
        route.gateway = read_address(data, info->rtm_family);
        break;
      case RTA_TABLE:
        std::memcpy(&table, data, sizeof table);
        break;
      case RTA_OIF: {
        std::uint32_t index = 0;
        std::memcpy(&index, data, sizeof index);
        std::array<char, IF_NAMESIZE> name{};
        if (::if_indextoname(index, name.data())) route.device = name.data();
        break;
      }
      default:
        break;
    }
  }
  if (table != RT_TABLE_MAIN && table != RT_TABLE_LOCAL) return std::nullopt;
  const auto source = find_source(addresses, route.device, route.gateway.value_or(route.network.address));
  if (!source) return std::nullopt;
  route.source = *source;
  return route;
}

}  // namespace

Result<std::vector<DeviceAddress>> read_device_addresses() {
  ifaddrs* first = nullptr;
  if (::getifaddrs(&first) != 0) return fail(std::string("addresses of interfaces: ") + std::strerror(errno));
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(first, ::freeifaddrs);
  std::vector<DeviceAddress> addresses;
  for (const ifaddrs* at = first; at; at = at->ifa_next) {
    const auto address = address_of(at->ifa_addr);
    auto mask = address_of(at->ifa_netmask);
    if (!address || !mask) continue;
    if (net::is_v4_mapped(*address)) *mask = *mask | net::ipv6_prefix_mask(tunnel::kIpv4Offset);
    if (const auto length = net::ipv6_prefix_length(*mask))
      addresses.push_back({at->ifa_name, *address, {*address & *mask, *length}});
  }
  return addresses;
}

Result<std::vector<Route>> read_kernel_routes(const std::vector<DeviceAddress>& addresses) {
  SLUICE_ASSIGN(auto socket, rtnetlink::Socket::open());
  rtmsg wanted{};
  wanted.rtm_family = AF_UNSPEC;
  std::vector<Route> routes;
  SLUICE_TRY(socket.list(RTM_GETROUTE, {reinterpret_cast<const std::uint8_t*>(&wanted), sizeof wanted},
                         [&](const nlmsghdr& message) {
                           if (message.nlmsg_type != RTM_NEWROUTE) return;
                           if (auto route = read_route(message, addresses))
                             routes.push_back(*std::move(route));
                         }));
  return routes;
}

}  // namespace sluice::tunnel
