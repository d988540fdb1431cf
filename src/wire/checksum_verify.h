// Checksums of whole packets: verified, computed from nothing, and completed where a sender left that to
// hardware. Rewrites do not come here: they mend checksums incrementally (wire/rewrite.h).
//
// Sources: RFC 1071; pseudo headers RFC 9293 section 3.1 and RFC 8200 section 8.1 (with a routing header the
// final destination counts); UDP-Lite RFC 3828; SCTP RFC 9260 appendix A.
#pragma once

#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "net/checksum.h"
#include "wire/layout.h"

namespace sluice::wire {

/// True if the IPv4 header's checksum is right, or there is no IPv4 header.
bool ipv4_checksum_ok(Bytes frame, const Layout& layout);

/// True if the checksum of the transport header is right. Also true where there is none to verify: fragments,
/// an absent transport header, UDP over IPv4 without checksum, protocols other than TCP, UDP, UDP-Lite, SCTP,
/// ICMP, ICMPv6 and IGMP, and an IPv6 routing header whose final destination cannot be told.
bool l4_checksum_ok(Bytes frame, const Layout& layout);

/// Writes the IPv4 header checksum and the transport checksum from nothing, where there are such.
void fill_checksums(std::span<std::uint8_t> frame, const Layout& layout);
void fill_ipv4_checksum(std::uint8_t* ipv4_header);

/// Completes a partial checksum: the field at start + offset holds the folded pseudo-header sum; afterwards
/// it holds the checksum over [start, end). A UDP checksum that comes out as 0 is stored as 0xffff. Nothing
/// happens if the field is not inside the frame.
void finish_checksum(std::span<std::uint8_t> frame, std::uint32_t start, std::uint32_t offset,
                     std::uint32_t end, bool is_udp);

/// The pseudo-header's part of a transport checksum. False if it cannot be told (see l4_checksum_ok).
bool add_pseudo_header(net::ChecksumSum& sum, Bytes frame, const Layout& layout, std::uint32_t l4_bytes);

/// Whether the destination in the IPv6 header is the one that transport checksums cover: not while a routing
/// header has segments left.
bool ipv6_dst_is_final(Bytes frame, const Layout& layout);

}  // namespace sluice::wire
