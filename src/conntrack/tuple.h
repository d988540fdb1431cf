#pragma once
#include <cstdint>
#include "net/endian.h"

namespace sluice::conntrack {

enum class Direction : std::uint8_t { Original = 0, Reply = 1 };

/// One direction of a connection. IPv4 addresses are v4-mapped. ICMP: id in both ports, type and code beside it.
struct Tuple {
  be128 src, dst;
  be16 src_port, dst_port;
  std::uint8_t proto = 0;
  std::uint8_t icmp_type = 0, icmp_code = 0;
  bool is_ipv6 = false;

  bool operator==(const Tuple&) const = default;
};

}  // namespace sluice::conntrack
