#include "conntrack/reassembly/fragment.h"

#include "net/address.h"
#include "net/protocol.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"

namespace sluice::conntrack {
namespace {

namespace ip_proto = net::ip_proto;
using packet::DropReason;
using packet::Packet;
using wire::Layout;

constexpr std::uint8_t kEcnMask = 3;
/// Up to the flags: what a filter looks at (RFC 3128).
constexpr std::uint32_t kTcpHeaderThatMatters = 16;

void read_ipv4(const Packet& packet, Fragment& fragment) {
  const Layout& layout = packet.layout;
  const wire::Ipv4Header ip(packet.data() + layout.l3);
  fragment.key.src = net::v4_mapped(ip.src());
  fragment.key.dst = net::v4_mapped(ip.dst());
  fragment.key.id = be32{ip.id().host()};
  fragment.key.proto = ip.proto();
  fragment.key.version = IpVersion::V4;
  fragment.headers = layout.l3 + ip.header_bytes();
  fragment.ip_headers = ip.header_bytes();
  fragment.data = packet.data() + fragment.headers;
  fragment.bytes = layout.l3_end - fragment.headers;
  fragment.offset = ip.fragment_offset();
  fragment.more = ip.more_fragments();
  fragment.dont_fragment = (ip.flags_offset().host() & wire::Ipv4Header<std::uint8_t>::kDontFragment) != 0;
  fragment.ecn = ip.tos() & kEcnMask;
}

/// False if another Fragment header lies before or behind the one found: fragments of fragments.
bool read_ipv6(const Packet& packet, Fragment& fragment) {
  const Layout& layout = packet.layout;
  const std::uint8_t* const data = packet.data();
  const wire::Ipv6Header ip(data + layout.l3);
  const wire::Ipv6FragmentHeader header(data + layout.ipv6_fragment);
  const std::uint32_t after = layout.ipv6_fragment + static_cast<std::uint32_t>(header.kBytes);
  fragment.key.src = ip.src();
  fragment.key.dst = ip.dst();
  fragment.key.id = header.id();
  fragment.key.proto = 0;
  fragment.key.version = IpVersion::V6;
  fragment.headers = layout.ipv6_fragment;
  fragment.ip_headers = layout.ipv6_fragment - layout.l3;
  fragment.data = data + after;
  fragment.bytes = layout.l3_end - after;
  fragment.offset = header.fragment_offset();
  fragment.more = header.more_fragments();
  fragment.dont_fragment = false;
  fragment.ecn = ip.traffic_class() & kEcnMask;
  fragment.next_header = header.next_header();

  fragment.next_header_at = layout.l3 + 6;
  std::uint32_t at = layout.l3 + static_cast<std::uint32_t>(ip.kBytes);
  while (at != layout.ipv6_fragment) {  // walked before: every header on the way fits
    const std::uint8_t kind = data[fragment.next_header_at];
    if (kind == ip_proto::kFragment) return false;
    fragment.next_header_at = at;
    at += wire::ipv6_extension::header_bytes(kind, data[at + 1]);
  }
  return fragment.more || fragment.offset != 0;
}

/// Whether what a filter must see lies in the fragment that it belongs to.
bool cuts_headers(const Packet& packet, const Fragment& fragment) {
  const bool is_ipv6 = fragment.key.version == IpVersion::V6;
  const std::uint8_t first_header = is_ipv6 ? fragment.next_header : fragment.key.proto;
  if (first_header == ip_proto::kTcp) {
    if (fragment.offset == 0 && fragment.bytes < kTcpHeaderThatMatters) return true;
    if (fragment.offset == 8) return true;
  }
  const Layout& layout = packet.layout;
  return is_ipv6 && fragment.offset == 0 && (layout.fault != wire::ParseFault::None || !layout.has_l4());
}

}  // namespace

std::optional<DropReason> read_fragment(const Packet& packet, std::uint16_t zone, Fragment& fragment) {
  const Layout& layout = packet.layout;
  fragment.key.zone = zone;
  const bool is_ipv6 = layout.eth_type == be16{net::ethertype::kIpv6};
  fragment.ip_bytes = layout.l3_end - layout.l3;
  if (!is_ipv6)
    read_ipv4(packet, fragment);
  else if (!read_ipv6(packet, fragment))
    return DropReason::FragmentMalformed;

  if (fragment.bytes == 0 || fragment.headers > kMaxFragmentHeaders) return DropReason::FragmentMalformed;
  if (fragment.more && fragment.bytes % 8 != 0) return DropReason::FragmentMalformed;
  const std::uint32_t counted =
      is_ipv6 ? fragment.ip_headers - static_cast<std::uint32_t>(wire::Ipv6Header<std::uint8_t>::kBytes)
              : fragment.ip_headers;
  if (counted + fragment.end() > kMaxDatagram) return DropReason::FragmentTooLong;
  if (cuts_headers(packet, fragment)) return DropReason::FragmentTooSmall;
  return std::nullopt;
}

}  // namespace sluice::conntrack
