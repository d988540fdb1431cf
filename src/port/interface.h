// A network interface of the process's network namespace by its name: what the kernel says of it, and
// settings that may change while a port uses it. For the control plane: each call is a few system calls.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/result.h"
#include "net/address.h"

namespace sluice::port {

struct InterfaceFacts {
  int index = 0;
  bool admin_up = false, link_up = false;
  net::Mac mac;
  std::uint32_t mtu = 0;
  std::optional<std::uint64_t> bits_per_second;  ///< of the link
  std::optional<bool> full_duplex;
  std::string driver_name, driver_version, firmware_version;
};

/// Nothing if there is no interface of this name.
std::optional<InterfaceFacts> interface_facts(const std::string& name);

/// What devices have counted beside packets, bytes, errors and drops.
struct DeviceCounters {
  std::uint64_t rx_multicast = 0, collisions = 0, rx_over_errors = 0, rx_crc_errors = 0, rx_frame_errors = 0,
                rx_missed_errors = 0;
};
/// Of all interfaces at once, by name.
std::map<std::string, DeviceCounters> device_counters();

Status set_interface_mac(const std::string& name, const net::Mac& mac);
Status set_interface_mtu(const std::string& name, std::uint32_t mtu);

}  // namespace sluice::port
