#include "conntrack/entry.h"

#include <array>

#include "conntrack/proto/icmp.h"
#include "conntrack/proto/other.h"
#include "conntrack/proto/sctp.h"
#include "conntrack/proto/tcp.h"
#include "conntrack/proto/udp.h"

namespace sluice::conntrack {
namespace {

/// Indexed by Entry::states: TCP asks for its timeout twice a packet.
constexpr std::array<Timeout, 256> tcp_timeouts() {
  std::array<Timeout, 256> table{};
  for (unsigned pair = 0; pair < 256; ++pair)
    table[pair] = tcp::timeout_of(static_cast<TcpState>(pair & 0xf), static_cast<TcpState>(pair >> 4));
  return table;
}
constexpr std::array<Timeout, 256> kTcpTimeouts = tcp_timeouts();

}  // namespace

Timeout timeout_class(const Entry& entry) {
  switch (entry.proto) {
    case net::ip_proto::kTcp:
      return kTcpTimeouts[entry.states];
    case net::ip_proto::kUdp:
      return udp::timeout_of(entry.simple_state());
    case net::ip_proto::kSctp:
      return sctp::timeout_of(entry.simple_state());
    case net::ip_proto::kIcmp:
      if (!entry.has(Entry::kIpv6)) return icmp::timeout_of(entry.simple_state());
      break;
    case net::ip_proto::kIcmpv6:
      if (entry.has(Entry::kIpv6)) return icmp::timeout_of(entry.simple_state());
      break;
    default:
      break;
  }
  return other::timeout_of(entry.simple_state());
}

}  // namespace sluice::conntrack
