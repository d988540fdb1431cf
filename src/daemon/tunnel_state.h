// What the commands of tunnels keep: routes and neighbours. There are no tunnels yet that would use them.
#pragma once

#include <cstdint>

#include "tunnel/neighbour_table.h"
#include "tunnel/route_table.h"

namespace sluice::daemon {

/// Main thread.
struct TunnelState {
  tunnel::RouteTable routes;
  bool has_kernel_routes = true;  ///< false: --disable-system-route
  tunnel::NeighbourTable neighbours;
  std::uint16_t min_port = 32768, max_port = 61000;  ///< UDP source ports of encapsulated packets
};

}  // namespace sluice::daemon
