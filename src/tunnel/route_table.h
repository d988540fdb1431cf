// Routes by which packets of tunnels would leave the host: the kernel's and those that ovs/route/add made.
//
// IPv4 networks are kept as IPv4-mapped IPv6 ones (prefix length + 96), so that there is one table. Which
// route wins: the host's own addresses before the user's routes before the kernel's, each with its prefix
// length on top (what ovs/route/lookup of ovs-vswitchd answers). Main thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/endian.h"

namespace sluice::tunnel {

/// What a prefix length of IPv4 lacks to one of the mapped form.
inline constexpr unsigned kIpv4Offset = 96;

/// An address range; host bits are zero.
struct Network {
  be128 address;
  unsigned prefix_length = 128;  ///< of the mapped form: an IPv4 network has at least 96

  bool operator==(const Network&) const = default;
  bool contains(const be128& other) const;
};

/// "10.0.0.0/8", "10.0.0.0/255.0.0.0", "10.0.0.1", "fd00::/64"; host bits are cleared.
std::optional<Network> parse_network(std::string_view text);
/// An address without a prefix length, IPv4 as mapped.
std::optional<be128> parse_address(std::string_view text);
/// An IPv4-mapped one as IPv4.
std::string format_address(const be128& address);
std::string format_network(const Network& network);

/// An address of a device and the network that it is in.
struct DeviceAddress {
  std::string device;
  be128 address;
  Network network;
};

struct Route {
  enum class Origin : std::uint8_t { Kernel, KernelLocal, User };

  Network network;
  std::uint32_t mark = 0;  ///< of the packets that it is for
  std::string device;
  std::optional<be128> gateway;
  be128 source;  ///< address of the device that packets would leave with
  Origin origin = Origin::User;
};

/// Which of the device's addresses reaches the target directly.
std::optional<be128> find_source(const std::vector<DeviceAddress>& addresses, std::string_view device,
                                 const be128& target);

class RouteTable {
 public:
  /// Replaces all routes that are not the user's.
  void set_kernel_routes(std::vector<Route> routes);
  /// Replaces the user's route for the same network and mark.
  void add(Route route);
  /// Of the user's routes; false if there is none.
  bool remove(const Network& network, std::uint32_t mark);
  const Route* lookup(const be128& destination, std::uint32_t mark) const;
  /// The one that wins first.
  const std::vector<Route>& routes() const { return routes_; }

 private:
  void sort();
  std::vector<Route> routes_;
};

}  // namespace sluice::tunnel
