// Routes and neighbours of tunnels: ovs/route/…, tnl/…, ofproto/list-tunnels. Formats and errors: what
// ovs-vswitchd prints. Kernel routes are asked for when a command needs them.
#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>

#include "daemon/commands.h"
#include "daemon/tunnel_state.h"
#include "port/dummy/dummy_port.h"
#include "tunnel/kernel_routes.h"

namespace sluice::daemon {

namespace {

using tunnel::Route;
using unixctl::Args;

/// The number that a text begins with, as ovs-vswitchd reads numbers here; 0 if there is none.
long leading_number(const std::string& text) {
  return std::strtol(text.c_str(), nullptr, 10);
}

/// "pkt_mark=NUMBER"
std::optional<std::uint32_t> parse_mark(const std::string& text) {
  constexpr std::string_view kKey = "pkt_mark=";
  if (!text.starts_with(kKey)) return std::nullopt;
  const char* begin = text.c_str() + kKey.size();
  char* end = nullptr;
  const auto mark = static_cast<std::uint32_t>(std::strtoul(begin, &end, 0));
  return end == begin ? std::nullopt : std::optional(mark);
}

/// The kernel's addresses, and those that netdev-dummy/ip4addr gave to dummies.
Result<std::vector<tunnel::DeviceAddress>> read_addresses(bridge::Switch& device) {
  SLUICE_ASSIGN(auto addresses, tunnel::read_device_addresses());
  auto& datapath = device.datapath();
  for (const auto& info : datapath.ports())
    if (auto* dummy = dynamic_cast<port::DummyPort*>(datapath.device(info.number)))
      for (const auto& [address, length] : dummy->addresses())
        addresses.push_back({info.name, address, {address & net::ipv6_prefix_mask(length), length}});
  return addresses;
}

/// The routes as of now.
Result<tunnel::RouteTable*> current_routes(TunnelState& state) {
  if (!state.has_kernel_routes) return &state.routes;
  SLUICE_ASSIGN(const auto addresses, tunnel::read_device_addresses());
  SLUICE_ASSIGN(auto routes, tunnel::read_kernel_routes(addresses));
  state.routes.set_kernel_routes(std::move(routes));
  return &state.routes;
}

Result<std::string> show_routes(TunnelState& state) {
  SLUICE_ASSIGN(const auto* routes, current_routes(state));
  std::string text = "Route Table:\n";
  for (const Route& route : routes->routes()) {
    text += route.origin == Route::Origin::User ? "User: " : "Cached: ";
    text += tunnel::format_network(route.network);
    if (route.mark != 0) text += fmt::format(" MARK {}", route.mark);
    text += " dev " + route.device;
    if (route.gateway) text += " GW " + tunnel::format_address(*route.gateway);
    text += " SRC " + tunnel::format_address(route.source);
    if (route.origin == Route::Origin::KernelLocal) text += " local";
    text += "\n";
  }
  return text;
}

Result<std::string> add_route(bridge::Switch& device, TunnelState& state, Args args) {
  const auto network = tunnel::parse_network(args[0]);
  if (!network) return fail("Invalid parameters");
  const bool is_ipv4 = net::is_v4_mapped(network->address);
  Route route{.network = *network, .device = args[1], .gateway = {}, .source = {}};
  if (args.size() > 2) {
    const auto gateway = tunnel::parse_address(args[2]);
    const auto mark = parse_mark(args[2]);
    if (gateway && net::is_v4_mapped(*gateway) == is_ipv4)
      route.gateway = gateway;
    else if (mark && args.size() == 3)
      route.mark = *mark;
    else
      return fail(fmt::format("Invalid pkt_mark or {}gateway", is_ipv4 ? "" : "IPv6 "));
  }
  if (args.size() > 3) {
    const auto mark = parse_mark(args[3]);
    if (!mark) return fail("Invalid pkt_mark");
    route.mark = *mark;
  }
  SLUICE_ASSIGN(const auto addresses, read_addresses(device));
  const auto source = tunnel::find_source(addresses, route.device, route.gateway.value_or(network->address));
  if (!source) return fail("Error while inserting route.");
  route.source = *source;
  state.routes.add(std::move(route));
  return "OK";
}

Result<std::string> remove_route(TunnelState& state, Args args) {
  const auto network = tunnel::parse_network(args[0]);
  if (!network) return fail("Invalid parameters");
  const auto mark = args.size() > 1 ? parse_mark(args[1]) : std::optional<std::uint32_t>(0);
  if (!mark) return fail("Invalid pkt_mark");
  if (!state.routes.remove(*network, *mark)) return fail("Not found");
  return "OK";
}

Result<std::string> look_up_route(TunnelState& state, Args args) {
  const auto destination = tunnel::parse_network(args[0]);
  if (!destination || destination->prefix_length != 128) return fail("Invalid parameters");
  const auto mark = args.size() > 1 ? parse_mark(args[1]) : std::optional<std::uint32_t>(0);
  if (!mark) return fail("Invalid pkt_mark");
  SLUICE_ASSIGN(const auto* routes, current_routes(state));
  const Route* route = routes->lookup(destination->address, *mark);
  if (!route) return fail("Not found");
  return fmt::format("src {}\ngateway {}\ndev {}\n", tunnel::format_address(route->source),
                     tunnel::format_address(route->gateway.value_or(be128{})), route->device);
}

std::string show_neighbours(TunnelState& state, Instant now) {
  std::string text = fmt::format("{:<46}{:<20}Bridge\n{:=<74}\n", "IP", "MAC", "");
  for (const auto& neighbour : state.neighbours.at(now))
    text += fmt::format("{:<46}{:<20}{}\n", tunnel::format_address(neighbour.address),
                        net::format_mac(neighbour.mac), neighbour.bridge);
  return text;
}

Result<std::string> set_neighbour(TunnelState& state, Instant now, Args args) {
  const auto address = tunnel::parse_address(args[1]);
  if (!address) return fail("bad IP address");
  const auto mac = net::parse_mac(args[2]);
  if (!mac) return fail("bad MAC address");
  state.neighbours.set(args[0], *address, *mac, now);
  return "OK";
}

Result<std::string> age_neighbours(TunnelState& state, Args args) {
  auto& neighbours = state.neighbours;
  if (args.empty()) return std::to_string(neighbours.ageing().whole_seconds());
  const auto ageing = Duration::seconds(std::min(leading_number(args[0]), 1'000'000L));
  if (ageing <= Duration{} || ageing > tunnel::NeighbourTable::kMaxAgeing) return fail("bad aging value");
  neighbours.set_ageing(ageing);
  return "OK";
}

/// Wrong numbers are no errors to ovs-vswitchd either.
std::string source_ports(TunnelState& state, Args args) {
  if (args.size() < 2)
    return fmt::format("Tunnel UDP source port range: {}-{}\n", state.min_port, state.max_port);
  const long low = leading_number(args[0]), high = leading_number(args[1]);
  constexpr long kMostPort = 65535;
  if (low <= 0 || low > kMostPort) return "Invalid min.";
  if (high <= 0 || high > kMostPort) return "Invalid max.";
  state.min_port = static_cast<std::uint16_t>(std::min(low, high));
  state.max_port = static_cast<std::uint16_t>(std::max(low, high));
  return "OK";
}

}  // namespace

void add_tunnel_commands(unixctl::CommandRegistry& commands, bridge::Switch& device, TunnelState& state) {
  commands.add("ovs/route/show", "", 0, 0, [&state](Args) { return show_routes(state); });
  commands.add("ovs/route/add", "ip_addr/prefix_len out_br_name [gw] [pkt_mark=mark]", 2, 4,
               [&device, &state](Args args) { return add_route(device, state, args); });
  commands.add("ovs/route/del", "ip_addr/prefix_len [pkt_mark=mark]", 1, 2,
               [&state](Args args) { return remove_route(state, args); });
  commands.add("ovs/route/lookup", "ip_addr [pkt_mark=mark]", 1, 2,
               [&state](Args args) { return look_up_route(state, args); });
  for (const std::string family : {"tnl/arp/", "tnl/neigh/"}) {  // the older name and the newer one
    commands.add(family + "show", "", 0, 0, [&device, &state](Args) -> Result<std::string> {
      return show_neighbours(state, device.now());
    });
    commands.add(family + "set", "BRIDGE IP MAC", 3, 3,
                 [&device, &state](Args args) { return set_neighbour(state, device.now(), args); });
    commands.add(family + "flush", "", 0, 0, [&state](Args) -> Result<std::string> {
      state.neighbours.flush();
      return "OK";
    });
    commands.add(family + "aging", "[SECS]", 0, 1,
                 [&state](Args args) { return age_neighbours(state, args); });
  }
  commands.add("tnl/egress_port_range", "min max", 0, 2,
               [&state](Args args) -> Result<std::string> { return source_ports(state, args); });
  commands.add("tnl/ports/show", "-v", 0, 1,
               [](Args) -> Result<std::string> { return "Listening ports:\n"; });
  commands.add("ofproto/list-tunnels", "", 0, 0, [](Args) -> Result<std::string> { return ""; });
}

}  // namespace sluice::daemon
