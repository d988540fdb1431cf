#pragma once
#include <cstdint>

#include "net/endian.h"

namespace sluice::conntrack {

enum class Direction : std::uint8_t { Original = 0, Reply = 1 };
constexpr Direction opposite(Direction d) {
  return d == Direction::Original ? Direction::Reply : Direction::Original;
}

/// One direction of a connection. IPv4 addresses are v4-mapped. ICMP: id in both ports, type and code beside
/// it.
struct Tuple {
  be128 src, dst;
  be16 src_port, dst_port;
  std::uint8_t proto = 0;
  std::uint8_t icmp_type = 0, icmp_code = 0;
  bool is_ipv6 = false;

  bool operator==(const Tuple&) const = default;
};

/// The type that answers an ICMP (or ICMPv6) query or is answered by it: echo 8 <-> 0 and so on; 255 for a
/// type that is neither.
std::uint8_t icmp_counterpart(std::uint8_t type, bool is_ipv6);
bool icmp_is_query(std::uint8_t type, bool is_ipv6);

/// The tuple of the opposite direction when nothing is translated.
Tuple reversed(const Tuple& tuple);

}  // namespace sluice::conntrack
