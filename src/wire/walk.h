// Finds all headers of a frame in one pass.
//
// walk() checks every length before it reads and never looks at a byte twice to find a header; what it leaves
// in the Layout is what everything above relies on without checking again: a header whose offset is set lies
// within the packet with its fixed part (and IPv4 and TCP options). Parsing stops at the first fault and
// keeps what was found, as OpenFlow matches it: a frame with a bad IPv4 header still has an EtherType.
//
// Sources: the headers' files; for how far malformed packets are matched, the behaviour of ovs-vswitchd
// (observed with ovs-ofctl parse-pcap), except that an IP version that contradicts the EtherType is a fault
// here.
#pragma once

#include "base/bytes.h"
#include "wire/layout.h"

namespace sluice::wire {

/// Writes the layout in place: what a worker calls.
void walk(Bytes frame, Layout& layout);
inline Layout walk(Bytes frame) {
  Layout layout;
  walk(frame, layout);
  return layout;
}
/// The same result without the short cut for common packets. For tests.
Layout walk_general(Bytes frame);

/// The same for a frame whose first byte is an IPv4 or IPv6 header (what an ICMP error quotes); eth_type says
/// which. Offsets count from that header. With `quoted`, lengths beyond the bytes at hand are no fault: an
/// ICMP error quotes only the beginning of a packet. A quoted transport header of which at least eight bytes
/// are present counts as present, with payload at the end of the bytes (RFC 792).
Layout walk_ip(Bytes datagram, be16 eth_type, bool quoted);

}  // namespace sluice::wire
