#include "tunnel/route_table.h"

#include <algorithm>
#include <charconv>

#include "net/address.h"

namespace sluice::tunnel {

namespace {

be128 masked(const be128& address, unsigned prefix_length) {
  return address & net::ipv6_prefix_mask(prefix_length);
}

unsigned preference(const Route& route) {
  const unsigned base = route.origin == Route::Origin::KernelLocal ? 64
                        : route.origin == Route::Origin::User      ? 32
                                                                   : 0;
  return base + route.network.prefix_length;
}

/// Behind the slash: a number of bits, or for IPv4 a mask.
std::optional<unsigned> parse_prefix_length(std::string_view text, bool is_ipv4) {
  if (is_ipv4 && text.find('.') != std::string_view::npos) {
    const auto mask = net::parse_ipv4(text);
    return mask ? net::ipv4_prefix_length(*mask) : std::nullopt;
  }
  unsigned length = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
  const bool whole = error == std::errc{} && end == text.data() + text.size();
  return whole && length <= (is_ipv4 ? 32u : 128u) ? std::optional(length) : std::nullopt;
}

}  // namespace

bool Network::contains(const be128& other) const {
  return masked(other, prefix_length) == address;
}

std::optional<be128> parse_address(std::string_view text) {
  if (const auto v4 = net::parse_ipv4(text)) return net::v4_mapped(*v4);
  return net::parse_ipv6(text);
}

std::optional<Network> parse_network(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto address = parse_address(text.substr(0, slash));
  if (!address) return std::nullopt;
  Network network;
  if (slash != std::string_view::npos) {
    const bool is_ipv4 = net::is_v4_mapped(*address);
    const auto length = parse_prefix_length(text.substr(slash + 1), is_ipv4);
    if (!length) return std::nullopt;
    network.prefix_length = *length + (is_ipv4 ? kIpv4Offset : 0);
  }
  network.address = masked(*address, network.prefix_length);
  return network;
}

std::string format_address(const be128& address) {
  return net::is_v4_mapped(address) ? net::format_ipv4(net::v4_of(address)) : net::format_ipv6(address);
}

std::string format_network(const Network& network) {
  const unsigned offset = net::is_v4_mapped(network.address) ? kIpv4Offset : 0;
  return format_address(network.address) + "/" + std::to_string(network.prefix_length - offset);
}

std::optional<be128> find_source(const std::vector<DeviceAddress>& addresses, std::string_view device,
                                 const be128& target) {
  const DeviceAddress* best = nullptr;
  for (const DeviceAddress& candidate : addresses) {
    if (candidate.device != device || !candidate.network.contains(target)) continue;
    if (!best || candidate.network.prefix_length > best->network.prefix_length) best = &candidate;
  }
  return best ? std::optional(best->address) : std::nullopt;
}

void RouteTable::set_kernel_routes(std::vector<Route> routes) {
  std::erase_if(routes_, [](const Route& route) { return route.origin != Route::Origin::User; });
  std::move(routes.begin(), routes.end(), std::back_inserter(routes_));
  sort();
}

void RouteTable::add(Route route) {
  remove(route.network, route.mark);
  routes_.push_back(std::move(route));
  sort();
}

bool RouteTable::remove(const Network& network, std::uint32_t mark) {
  return std::erase_if(routes_, [&](const Route& route) {
           return route.origin == Route::Origin::User && route.network == network && route.mark == mark;
         }) > 0;
}

const Route* RouteTable::lookup(const be128& destination, std::uint32_t mark) const {
  const auto found = std::find_if(routes_.begin(), routes_.end(), [&](const Route& route) {
    return route.mark == mark && route.network.contains(destination);
  });
  return found == routes_.end() ? nullptr : &*found;
}

void RouteTable::sort() {
  std::stable_sort(routes_.begin(), routes_.end(),
                   [](const Route& a, const Route& b) { return preference(a) > preference(b); });
}

}  // namespace sluice::tunnel
