// ICMP (RFC 792) and ICMPv6 (RFC 4443) queries: a connection is the two addresses, the id and the type of
// query. Errors are no connections: classify.cc finds the packet that they quote.
#pragma once

#include "conntrack/entry.h"
#include "conntrack/proto/outcome.h"

namespace sluice::conntrack::icmp {

/// What an ICMP message is to the tracker.
enum class Kind : std::uint8_t { Query, Answer, Error, NeighborDiscovery, Unsupported };
Kind kind_of(std::uint8_t type, bool is_ipv6);

inline Timeout timeout_of(SimpleState state) {
  return state == SimpleState::Multiple ? Timeout::IcmpReply : Timeout::IcmpFirst;
}

}  // namespace sluice::conntrack::icmp
