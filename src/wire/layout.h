// Where the headers of a packet are: what walk() finds in one pass, kept beside the packet and mended by
// rewrites.
#pragma once

#include <cstdint>
#include <string_view>

#include "net/endian.h"

namespace sluice::wire {

/// How far a packet could be parsed. What follows the fault is treated as absent, as OpenFlow expects; a
/// fault in the Ethernet header itself drops the packet.
enum class ParseFault : std::uint8_t {
  None,
  EthernetTruncated,  ///< shorter than 14 bytes, or ends inside a VLAN tag or before the EtherType behind it
  MplsTruncated,
  ArpTruncated,
  Ipv4Truncated,
  Ipv4BadVersion,
  Ipv4BadHeaderLength,  ///< IHL below 5 or beyond the packet
  Ipv4BadTotalLength,   ///< total length below the header's or beyond the packet
  Ipv6Truncated,
  Ipv6BadVersion,
  Ipv6BadPayloadLength,
  Ipv6BadExtension,  ///< an extension header that does not fit, or too many of them
  TcpTruncated,
  TcpBadDataOffset,
  UdpTruncated,
  UdpBadLength,
  SctpTruncated,
  IcmpTruncated,
  Icmpv6Truncated,
  DccpTruncated,
  IgmpTruncated,
  UdpLiteTruncated,
};
inline constexpr unsigned kParseFaultCount = static_cast<unsigned>(ParseFault::UdpLiteTruncated) + 1;
std::string_view fault_name(ParseFault fault);  ///< "ipv4_bad_total_length"
std::string_view fault_text(ParseFault fault);  ///< one sentence

/// Offsets count from the first byte of the Ethernet header; kNone where the header is absent or does not
/// fit.
struct Layout {
  static constexpr std::uint16_t kNone = 0xffff;
  static constexpr std::uint8_t kFragment = 1;       ///< any fragment (MF set or offset not 0)
  static constexpr std::uint8_t kLaterFragment = 2;  ///< offset not 0: no transport header

  std::uint16_t l2_5 = kNone;  ///< first MPLS label stack entry
  std::uint16_t l3 = kNone;    ///< IPv4, IPv6 or ARP/RARP header
  /// TCP, UDP, UDP-Lite, SCTP, DCCP, ICMP, ICMPv6, IGMP; the bytes after IP for others. A transport header
  /// that does not fit (truncated, bad TCP data offset) is absent; one with a bad UDP length is present.
  std::uint16_t l4 = kNone;
  /// First byte after the transport header (TCP options belong to the header); of a later fragment, its first
  /// byte.
  std::uint16_t payload = kNone;
  /// End of the IP datagram by its own length: Ethernet padding lies behind it. May pass 65535, as a datagram
  /// may be that long and the Ethernet header counts.
  std::uint32_t l3_end = 0;
  std::uint16_t ipv6_fragment = kNone;  ///< IPv6 Fragment extension header
  be16 eth_type;                        ///< after VLAN tags; ethertype::kNone for 802.3 without SNAP
  /// Of the last header: after IPv6 extension headers. Of a later IPv6 fragment ip_proto::kFragment, as its
  /// first header cannot be known (this is what nw_proto matches).
  std::uint8_t ip_proto = 0;
  std::uint8_t fragment = 0;  ///< kFragment, kLaterFragment
  std::uint8_t vlans = 0;     ///< VLAN tags found, at most kMaxVlans
  std::uint8_t mpls_labels = 0;
  ParseFault fault = ParseFault::None;

  static constexpr unsigned kMaxVlans = 2;

  bool has_l3() const { return l3 != kNone; }
  bool has_l4() const { return l4 != kNone; }
};

}  // namespace sluice::wire
