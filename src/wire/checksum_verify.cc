#include "wire/checksum_verify.h"

#include <optional>

#include "net/protocol.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/sctp.h"
#include "wire/tcp.h"
#include "wire/udp.h"

namespace sluice::wire {
namespace {

namespace ip_proto = net::ip_proto;

bool is_ipv4(const Layout& layout) {
  return layout.eth_type == be16{net::ethertype::kIpv4} && layout.has_l3();
}
bool is_ipv6(const Layout& layout) {
  return layout.eth_type == be16{net::ethertype::kIpv6} && layout.has_l3();
}

/// The offset of the routing header between the IPv6 header and the transport header, if there is one.
std::optional<std::uint32_t> find_routing_header(Bytes frame, const Layout& layout) {
  std::uint8_t next = Ipv6Header(frame.data() + layout.l3).next_header();
  std::uint32_t at = layout.l3 + 40u;
  const std::uint32_t end = layout.l4 != Layout::kNone        ? layout.l4
                            : layout.payload != Layout::kNone ? layout.payload
                                                              : at;
  while (at + 8 <= end && ipv6_extension::is_extension(next)) {
    if (next == ip_proto::kRouting) return at;
    const std::uint32_t bytes = ipv6_extension::header_bytes(next, frame[at + 1]);
    next = frame[at];
    at += bytes;
  }
  return std::nullopt;
}

/// Where the destination address of the pseudo header lies; nothing if a routing header of unknown type hides
/// it.
std::optional<std::uint32_t> pseudo_destination(Bytes frame, const Layout& layout) {
  constexpr std::uint8_t kSource = 0, kMobile = 2, kSegment = 4;
  const std::uint32_t in_header = layout.l3 + 24u;
  if (Ipv6Header(frame.data() + layout.l3).next_header() == layout.ip_proto) return in_header;
  const auto routing = find_routing_header(frame, layout);
  if (!routing || frame[*routing + 3] == 0) return in_header;
  const std::uint8_t type = frame[*routing + 2], length = frame[*routing + 1];
  if (length < 2) return std::nullopt;
  // The last address of the path: types 0 and 2 list it last (RFC 8200, RFC 6275), segment routing first (RFC
  // 8754).
  if (type == kSource || type == kMobile) return *routing + 8 + (length / 2u - 1) * 16;
  if (type == kSegment) return *routing + 8;
  return std::nullopt;
}

/// Offset of the 16-bit checksum in the transport header; nothing if the protocol has none that we know.
std::optional<std::uint32_t> checksum_at(const Layout& layout) {
  using Byte = const std::uint8_t;
  switch (layout.ip_proto) {
    case ip_proto::kTcp:
      return TcpHeader<Byte>::kChecksumAt;
    case ip_proto::kUdp:
    case ip_proto::kUdpLite:
      return UdpHeader<Byte>::kChecksumAt;
    case ip_proto::kIcmpv6:
      return is_ipv6(layout) ? std::optional<std::uint32_t>(2) : std::nullopt;
    case ip_proto::kIcmp:
    case ip_proto::kIgmp:
      return is_ipv4(layout) ? std::optional<std::uint32_t>(2) : std::nullopt;
    default:
      return std::nullopt;
  }
}

/// The bytes that the checksum of the transport header covers; empty if its own length makes no sense.
Bytes covered(Bytes frame, const Layout& layout) {
  const std::uint32_t room = layout.l3_end - layout.l4;
  std::uint32_t bytes = room;
  if (layout.ip_proto == ip_proto::kUdp || layout.ip_proto == ip_proto::kUdpLite) {
    bytes = UdpHeader(frame.data() + layout.l4).length().host();
    if (bytes == 0 && layout.ip_proto == ip_proto::kUdpLite) bytes = room;
    if (bytes < 8 || bytes > room) return {};
  }
  return frame.subspan(layout.l4, bytes);
}

/// The sum over pseudo header and covered bytes; nothing if there is no such checksum here.
std::optional<net::ChecksumSum> whole_sum(Bytes frame, const Layout& layout) {
  net::ChecksumSum sum;
  const Bytes bytes = covered(frame, layout);
  if (bytes.empty()) return std::nullopt;
  const bool has_pseudo = layout.ip_proto != ip_proto::kIcmp && layout.ip_proto != ip_proto::kIgmp;
  const auto length = layout.ip_proto == ip_proto::kUdpLite ? layout.l3_end - layout.l4
                                                            : static_cast<std::uint32_t>(bytes.size());
  if (has_pseudo && !add_pseudo_header(sum, frame, layout, length)) return std::nullopt;
  sum.add(bytes);
  return sum;
}

}  // namespace

bool add_pseudo_header(net::ChecksumSum& sum, Bytes frame, const Layout& layout, std::uint32_t l4_bytes) {
  if (is_ipv4(layout)) {
    const Ipv4Header ip(frame.data() + layout.l3);
    sum.add32(ip.src());
    sum.add32(ip.dst());
  } else {
    const auto dst = pseudo_destination(frame, layout);
    if (!dst) return false;
    sum.add(frame.subspan(layout.l3 + 8u, 16));
    sum.add(frame.subspan(*dst, 16));
  }
  sum.add32(be32{l4_bytes});
  sum.add16(be16{layout.ip_proto});
  return true;
}

bool ipv6_dst_is_final(Bytes frame, const Layout& layout) {
  if (Ipv6Header(frame.data() + layout.l3).next_header() == layout.ip_proto) return true;
  const auto routing = find_routing_header(frame, layout);
  return !routing || frame[*routing + 3] == 0;
}

bool ipv4_checksum_ok(Bytes frame, const Layout& layout) {
  if (!is_ipv4(layout)) return true;
  const Bytes header = frame.subspan(layout.l3);
  return net::checksum(header.first(Ipv4Header(header.data()).header_bytes())) == be16{};
}

namespace {

/// Whether the TCP or UDP checksum of a whole IPv4 datagram is right; a UDP checksum of 0 is none.
[[gnu::always_inline]] inline bool ipv4_transport_sums_up(Bytes frame, const Layout& layout) {
  const std::uint8_t* const l4 = frame.data() + layout.l4;
  std::uint32_t bytes = layout.l3_end - layout.l4;
  if (layout.ip_proto == ip_proto::kUdp) {
    const UdpHeader udp(l4);
    if (be16::load(l4 + UdpHeader<const std::uint8_t>::kChecksumAt) == be16{}) return true;
    const std::uint32_t own = udp.length().host();
    if (own < 8 || own > bytes) [[unlikely]]
      return layout.fault == ParseFault::None;
    bytes = own;
  }
  net::ChecksumSum sum;
  sum.add(Bytes{l4, bytes});
  const Ipv4Header ip(frame.data() + layout.l3);
  sum.add32(ip.src());
  sum.add32(ip.dst());
  sum.add16(be16{static_cast<std::uint16_t>(bytes)});
  sum.add16(be16{layout.ip_proto});
  return sum.finish() == be16{};
}

bool other_l4_checksum_ok(Bytes frame, const Layout& layout);

}  // namespace

bool l4_checksum_ok(Bytes frame, const Layout& layout) {
  if (!layout.has_l4() || layout.fragment != 0) return true;
  if (layout.eth_type == be16{net::ethertype::kIpv4} &&
      (layout.ip_proto == ip_proto::kTcp || layout.ip_proto == ip_proto::kUdp)) [[likely]]
    return ipv4_transport_sums_up(frame, layout);
  return other_l4_checksum_ok(frame, layout);
}

namespace {

[[gnu::noinline]] bool other_l4_checksum_ok(Bytes frame, const Layout& layout) {
  if (layout.ip_proto == ip_proto::kSctp) {
    // The CRC32c of the packet with a zero in the checksum's place.
    const Bytes packet = frame.subspan(layout.l4, layout.l3_end - layout.l4);
    const std::uint8_t zero[4] = {};
    std::uint32_t crc = net::crc32c(packet.first(8));
    crc = net::crc32c(Bytes{zero, 4}, crc);
    crc = net::crc32c(packet.subspan(12), crc);
    return crc == SctpHeader(packet.data()).crc();
  }
  const auto at = checksum_at(layout);
  if (!at) return true;
  const be16 stored = be16::load(frame.data() + layout.l4 + *at);
  if (stored == be16{} && layout.ip_proto == ip_proto::kUdp) return is_ipv4(layout);
  const auto sum = whole_sum(frame, layout);
  return !sum ? layout.fault == ParseFault::None : sum->finish() == be16{};
}

}  // namespace

void fill_ipv4_checksum(std::uint8_t* ipv4_header) {
  const Ipv4Header ip(ipv4_header);
  ip.set_checksum(be16{});
  ip.set_checksum(net::checksum(Bytes{ipv4_header, ip.header_bytes()}));
}

void fill_checksums(std::span<std::uint8_t> frame, const Layout& layout) {
  if (is_ipv4(layout)) fill_ipv4_checksum(frame.data() + layout.l3);
  if (!layout.has_l4() || layout.fragment != 0) return;
  std::uint8_t* const l4 = frame.data() + layout.l4;
  if (layout.ip_proto == ip_proto::kSctp) {
    const SctpHeader sctp(l4);
    sctp.set_crc(0);
    sctp.set_crc(net::crc32c(Bytes{l4, layout.l3_end - layout.l4}));
    return;
  }
  const auto at = checksum_at(layout);
  if (!at) return;
  be16{}.store(l4 + *at);
  const auto sum = whole_sum(frame, layout);
  if (!sum) return;
  be16 value = sum->finish();
  const bool zero_means_none = layout.ip_proto == ip_proto::kUdp || layout.ip_proto == ip_proto::kUdpLite;
  if (zero_means_none && value == be16{}) value = be16{0xffff};
  value.store(l4 + *at);
}

void finish_checksum(std::span<std::uint8_t> frame, std::uint32_t start, std::uint32_t offset,
                     std::uint32_t end, bool is_udp) {
  if (end > frame.size() || start > end || offset + 2 > end - start) return;
  // The field holds the pseudo header's sum and is summed with the rest.
  be16 value = net::checksum(frame.subspan(start, end - start));
  if (is_udp && value == be16{}) value = be16{0xffff};
  value.store(frame.data() + start + offset);
}

}  // namespace sluice::wire
