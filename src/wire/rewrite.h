// Header rewrites in place. Each writes one field and mends every checksum that covers it, incrementally (RFC
// 1624), so that a checksum that was wrong stays wrong: corruption is never hidden. Nothing moves: the Layout
// stays right. What changes a packet's length (tags, labels) is in packet/rewrite.h.
//
// Rules: a rewrite of a header that the packet has not is nothing. Later fragments have no transport header
// to mend; the first fragment's is mended. A UDP checksum of 0 (none) stays 0, and none ever becomes 0. While
// the checksum is partial (left to hardware) its field holds the plain pseudo-header sum: addresses change
// it, ports do not. With segments left in an IPv6 routing header the destination is not covered (RFC 8200
// section 8.1). SCTP's CRC32c is brought forward by its difference over the whole datagram; in a first
// fragment it cannot be.
#pragma once

#include <cstdint>

#include "net/address.h"
#include "wire/layout.h"

namespace sluice::wire {

/// A frame to rewrite. `layout` is that of the frame.
struct MutableFrame {
  std::uint8_t* data;
  std::uint32_t size;
  const Layout& layout;
  bool checksum_partial = false;
};

void set_eth_dst(const MutableFrame& frame, const net::Mac& mac);
void set_eth_src(const MutableFrame& frame, const net::Mac& mac);
/// The i-th tag from outside.
void set_vlan_tci(const MutableFrame& frame, be16 tci, unsigned i = 0);
/// The i-th label stack entry from outside.
void set_mpls_lse(const MutableFrame& frame, be32 lse, unsigned i = 0);

void set_arp_op(const MutableFrame& frame, be16 op);
void set_arp_sha(const MutableFrame& frame, const net::Mac& mac);
void set_arp_tha(const MutableFrame& frame, const net::Mac& mac);
void set_arp_spa(const MutableFrame& frame, be32 address);
void set_arp_tpa(const MutableFrame& frame, be32 address);

void set_ipv4_src(const MutableFrame& frame, be32 address);
void set_ipv4_dst(const MutableFrame& frame, be32 address);
void set_ipv4_tos(const MutableFrame& frame, std::uint8_t tos);
void set_ipv4_ttl(const MutableFrame& frame, std::uint8_t ttl);

void set_ipv6_src(const MutableFrame& frame, const be128& address);
void set_ipv6_dst(const MutableFrame& frame, const be128& address);
void set_ipv6_label(const MutableFrame& frame, be32 label);
void set_ipv6_traffic_class(const MutableFrame& frame, std::uint8_t traffic_class);
void set_ipv6_hop_limit(const MutableFrame& frame, std::uint8_t hop_limit);

/// TCP, UDP, UDP-Lite and SCTP.
void set_src_port(const MutableFrame& frame, be16 port);
void set_dst_port(const MutableFrame& frame, be16 port);

/// ICMP and ICMPv6.
void set_icmp_type(const MutableFrame& frame, std::uint8_t type);
void set_icmp_code(const MutableFrame& frame, std::uint8_t code);
void set_icmp_id(const MutableFrame& frame, be16 id);

/// Neighbour solicitations and advertisements; link-layer addresses only where the option is present.
void set_nd_target(const MutableFrame& frame, const be128& target);
void set_nd_sll(const MutableFrame& frame, const net::Mac& mac);
void set_nd_tll(const MutableFrame& frame, const net::Mac& mac);
void set_nd_reserved(const MutableFrame& frame, be32 reserved);
/// Turns the first link-layer address option into the other kind (1 source, 2 target).
void set_nd_options_type(const MutableFrame& frame, std::uint8_t type);

}  // namespace sluice::wire
