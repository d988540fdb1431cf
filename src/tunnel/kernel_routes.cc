#include "tunnel/kernel_routes.h"

#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "net/address.h"

namespace sluice::tunnel {

namespace {

constexpr std::size_t kBufferBytes = 32'768;  // more than a message of a dump (rtnetlink(7))

tl::unexpected<Error> failure(const char* what) {
  return fail(std::string("rtnetlink: ") + what + ": " + std::strerror(errno));
}

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
  if (::getifaddrs(&first) != 0) return failure("addresses");
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
  const int socket = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (socket < 0) return failure("no socket");
  struct Closer {
    int socket;
    ~Closer() { ::close(socket); }
  } const closer{socket};
  struct {
    nlmsghdr header;
    rtmsg info;
  } request{};
  request.header.nlmsg_len = NLMSG_LENGTH(sizeof request.info);
  request.header.nlmsg_type = RTM_GETROUTE;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request.info.rtm_family = AF_UNSPEC;
  if (::send(socket, &request, request.header.nlmsg_len, 0) < 0) return failure("send");

  std::vector<Route> routes;
  alignas(nlmsghdr) std::array<std::uint8_t, kBufferBytes> buffer;
  while (true) {
    const ssize_t got = ::recv(socket, buffer.data(), buffer.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failure("receive");
    auto left = static_cast<std::uint32_t>(got);
    for (const auto* header = reinterpret_cast<const nlmsghdr*>(buffer.data()); NLMSG_OK(header, left);
         header = NLMSG_NEXT(header, left)) {
      if (header->nlmsg_type == NLMSG_DONE) return routes;
      if (header->nlmsg_type == NLMSG_ERROR) return fail("rtnetlink: the kernel refuses to list its routes");
      if (header->nlmsg_type != RTM_NEWROUTE) continue;
      if (auto route = read_route(*header, addresses)) routes.push_back(std::move(*route));
    }
  }
}

}  // namespace sluice::tunnel
