#include "conntrack/entry.h"

#include <array>

#include "conntrack/proto/icmp.h"
#include "conntrack/proto/other.h"
#include "conntrack/proto/sctp.h"
#include "conntrack/proto/tcp.h"
#include "conntrack/proto/udp.h"

namespace sluice::conntrack {
namespace {

constexpr std::array<Timeout, 256> tcp_timeouts() {
  std::array<Timeout, 256> table{};
  for (unsigned pair = 0; pair < 256; ++pair)
    table[pair] = tcp::timeout_of(static_cast<TcpState>(pair & 0xf), static_cast<TcpState>(pair >> 4));
  return table;
}

}  // namespace

constinit const std::array<Timeout, 256> kTcpTimeouts = tcp_timeouts();

Timeout timeout_class_of_other(const Entry& entry) {
  switch (entry.proto) {
    case net::ip_proto::kUdp:
      return udp::timeout_of(entry.simple_state());
    case net::ip_proto::kSctp:
      return sctp::timeout_of(entry.sctp_state());
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

bool is_assured(const Entry& entry) {
  switch (timeout_class(entry)) {
    case Timeout::TcpEstablished:
    case Timeout::TcpFinWait:
    case Timeout::UdpMultiple:
    case Timeout::SctpEstablished:
      return true;
    default:
      return false;
  }
}

}  // namespace sluice::conntrack
