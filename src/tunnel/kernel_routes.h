// The routes and addresses of the process's network namespace, asked of the kernel (rtnetlink(7)).
#pragma once

#include <vector>

#include "base/result.h"
#include "tunnel/route_table.h"

namespace sluice::tunnel {

Result<std::vector<DeviceAddress>> read_device_addresses();

/// Unicast routes of the main and local tables whose device has an address that reaches the gateway or the
/// network itself: packets of tunnels need a source.
Result<std::vector<Route>> read_kernel_routes(const std::vector<DeviceAddress>& addresses);

}  // namespace sluice::tunnel
