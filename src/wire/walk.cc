#include "wire/walk.h"

#include <bit>
#include <cstddef>
#include <cstring>

#include "net/protocol.h"
#include "wire/arp.h"
#include "wire/dccp.h"
#include "wire/ethernet.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/mpls.h"
#include "wire/sctp.h"
#include "wire/tcp.h"
#include "wire/udp.h"

namespace sluice::wire {
namespace {

namespace ip_proto = net::ip_proto;
using net::ethertype::kMinimum;

/// Bytes of a transport header that an ICMP error must quote (RFC 792: "64 bits of the original data").
constexpr std::uint32_t kQuotedTransportBytes = 8;

/// The state of one walk. Inlined whole into walk() and walk_ip(): the members live in registers.
struct Walker {
  const std::uint8_t* data;
  std::uint32_t size;
  bool quoted;
  Layout& out;

  [[gnu::always_inline]] void fault(ParseFault why) const { out.fault = why; }

  [[gnu::always_inline]] void ethernet() const {
    if (size < EthernetHeader<const std::uint8_t>::kBytes) [[unlikely]]
      return fault(ParseFault::EthernetTruncated);
    be16 type = EthernetHeader(data).type();
    std::uint32_t at = EthernetHeader<const std::uint8_t>::kBytes;
    if (type == be16{net::ethertype::kIpv4}) [[likely]] {
      out.eth_type = type;
      return ipv4(at);
    }
    while (is_vlan_type(type) && out.vlans < Layout::kMaxVlans) {
      // A tag is the TCI and the EtherType behind it, counted from the TPID's end.
      if (size - at < VlanHeader<const std::uint8_t>::kBytes) [[unlikely]] {
        out.eth_type = type;
        return fault(ParseFault::EthernetTruncated);
      }
      type = be16::load(data + at + 2);
      at += VlanHeader<const std::uint8_t>::kBytes;
      ++out.vlans;
    }
    if (type.host() < kMinimum) [[unlikely]] {
      const auto snap = view_at<SnapHeader>(Bytes{data, size}, at);
      if (!snap || !snap->is_snap() || snap->type().host() < kMinimum) {
        out.eth_type = be16{net::ethertype::kNone};
        return;
      }
      type = snap->type();
      at += SnapHeader<const std::uint8_t>::kBytes;
    }
    out.eth_type = type;
    network(type, at);
  }

  [[gnu::always_inline]] void network(be16 type, std::uint32_t at) const {
    if (type == be16{net::ethertype::kIpv4}) return ipv4(at);
    if (type == be16{net::ethertype::kIpv6}) return ipv6(at);
    if (is_arp_type(type)) return arp(at);
    if (is_mpls_type(type)) return mpls(at);
  }

  void mpls(std::uint32_t at) const {
    bool bottom = false;
    for (std::uint32_t entry = at; !bottom; entry += MplsHeader<const std::uint8_t>::kBytes) {
      if (size - entry < MplsHeader<const std::uint8_t>::kBytes) return fault(ParseFault::MplsTruncated);
      if (out.mpls_labels == 0) out.l2_5 = static_cast<std::uint16_t>(at);
      if (out.mpls_labels < 0xff) ++out.mpls_labels;
      bottom = MplsHeader(data + entry).bottom();
    }
  }

  void arp(std::uint32_t at) const {
    if (size - at < ArpHeader<const std::uint8_t>::kBytes) return fault(ParseFault::ArpTruncated);
    out.l3 = static_cast<std::uint16_t>(at);
    out.l3_end = at + ArpHeader<const std::uint8_t>::kBytes;
  }

  [[gnu::always_inline]] void ipv4(std::uint32_t at) const {
    constexpr auto kBytes = Ipv4Header<const std::uint8_t>::kBytes;
    if (size - at < kBytes) [[unlikely]]
      return fault(ParseFault::Ipv4Truncated);
    const Ipv4Header ip(data + at);
    std::uint32_t header = kBytes;
    if (ip.version_ihl() != 0x45) [[unlikely]] {
      if (ip.version() != 4) return fault(ParseFault::Ipv4BadVersion);
      header = ip.header_bytes();
      if (header < kBytes || header > size - at) return fault(ParseFault::Ipv4BadHeaderLength);
    }
    std::uint32_t total = ip.total_length().host();
    if (total > size - at && quoted) total = size - at;
    if (total < header || total > size - at) [[unlikely]]
      return fault(ParseFault::Ipv4BadTotalLength);
    out.l3 = static_cast<std::uint16_t>(at);
    out.l3_end = at + total;
    out.ip_proto = ip.proto();
    if ((ip.flags_offset() & be16{Ipv4Header<const std::uint8_t>::kMoreFragments |
                                  Ipv4Header<const std::uint8_t>::kOffsetMask}) != be16{}) [[unlikely]] {
      out.fragment = Layout::kFragment;
      if (ip.fragment_offset() != 0) {
        out.fragment |= Layout::kLaterFragment;
        out.payload = static_cast<std::uint16_t>(at + header);
        return;
      }
    }
    transport(at + header, false);
  }

  [[gnu::always_inline]] void ipv6(std::uint32_t at) const {
    constexpr auto kBytes = Ipv6Header<const std::uint8_t>::kBytes;
    if (size - at < kBytes) [[unlikely]]
      return fault(ParseFault::Ipv6Truncated);
    const Ipv6Header ip(data + at);
    if (ip.version() != 6) [[unlikely]]
      return fault(ParseFault::Ipv6BadVersion);
    std::uint32_t payload = ip.payload_length().host();
    if (payload > size - at - kBytes) [[unlikely]] {
      if (!quoted) return fault(ParseFault::Ipv6BadPayloadLength);
      payload = size - at - static_cast<std::uint32_t>(kBytes);
    }
    out.l3 = static_cast<std::uint16_t>(at);
    out.l3_end = at + static_cast<std::uint32_t>(kBytes) + payload;
    out.ip_proto = ip.next_header();
    at += kBytes;
    if (ipv6_extension::is_extension(out.ip_proto)) [[unlikely]]
      return ipv6_extensions(at);
    transport(at, true);
  }

  [[gnu::noinline]] void ipv6_extensions(std::uint32_t at) const {
    std::uint8_t next = out.ip_proto;
    out.ip_proto = 0;
    for (unsigned n = 0; ipv6_extension::is_extension(next); ++n) {
      // Every extension header has eight bytes at least.
      if (n == ipv6_extension::kMaxHeaders || out.l3_end - at < 8) return fault(ParseFault::Ipv6BadExtension);
      const std::uint32_t bytes = ipv6_extension::header_bytes(next, data[at + 1]);
      if (bytes > out.l3_end - at) return fault(ParseFault::Ipv6BadExtension);
      if (next == ip_proto::kFragment) {
        const Ipv6FragmentHeader fragment(data + at);
        out.ipv6_fragment = static_cast<std::uint16_t>(at);
        if (fragment.fragment_offset() != 0) {
          out.fragment = Layout::kFragment | Layout::kLaterFragment;
          out.ip_proto = ip_proto::kFragment;
          out.payload = static_cast<std::uint16_t>(at + bytes);
          return;
        }
        // An atomic fragment (RFC 6946: offset 0, nothing more to come) is a whole datagram.
        if (fragment.offset_flags() != be16{}) out.fragment = Layout::kFragment;
      }
      next = data[at];
      at += bytes;
    }
    out.ip_proto = next;
    transport(at, true);
  }

  /// Sets l4 and payload if `header` bytes fit before the datagram's end.
  [[gnu::always_inline]] bool place(std::uint32_t at, std::uint32_t header, ParseFault truncated) const {
    const std::uint32_t room = out.l3_end - at;
    if (room < header) [[unlikely]] {
      if (!quoted || room < kQuotedTransportBytes) {
        fault(truncated);
        return false;
      }
      header = room;
    }
    out.l4 = static_cast<std::uint16_t>(at);
    out.payload = static_cast<std::uint16_t>(at + header);
    return true;
  }

  [[gnu::always_inline]] void transport(std::uint32_t at, bool is_ipv6) const {
    if (out.ip_proto == ip_proto::kTcp) return tcp(at);
    if (out.ip_proto == ip_proto::kUdp) return udp(at);
    other_transport(at, is_ipv6);
  }

  [[gnu::always_inline]] void tcp(std::uint32_t at) const {
    constexpr std::uint32_t kBytes = TcpHeader<const std::uint8_t>::kBytes;
    if (!place(at, kBytes, ParseFault::TcpTruncated)) return;
    if (out.l3_end - at < kBytes) return;  // quoted in part
    const std::uint32_t header = TcpHeader(data + at).header_bytes();
    if (header < kBytes || header > out.l3_end - at) [[unlikely]] {
      if (quoted && header >= kBytes) {
        out.payload = static_cast<std::uint16_t>(out.l3_end);
        return;
      }
      out.l4 = out.payload = Layout::kNone;
      return fault(ParseFault::TcpBadDataOffset);
    }
    out.payload = static_cast<std::uint16_t>(at + header);
  }

  [[gnu::always_inline]] void udp(std::uint32_t at) const {
    constexpr std::uint32_t kBytes = UdpHeader<const std::uint8_t>::kBytes;
    if (!place(at, kBytes, ParseFault::UdpTruncated)) return;
    const std::uint32_t length = UdpHeader(data + at).length().host();
    // The length of a first fragment counts bytes that are in later ones; a quotation is cut.
    if (length < kBytes || (length > out.l3_end - at && out.fragment == 0 && !quoted)) [[unlikely]]
      fault(ParseFault::UdpBadLength);
  }

  [[gnu::noinline]] void other_transport(std::uint32_t at, bool is_ipv6) const {
    constexpr std::uint32_t kIcmpBytes = IcmpHeader<const std::uint8_t>::kBytes;
    switch (out.ip_proto) {
      case ip_proto::kSctp:
        place(at, SctpHeader<const std::uint8_t>::kBytes, ParseFault::SctpTruncated);
        return;
      case ip_proto::kDccp:
        place(at, DccpHeader<const std::uint8_t>::kBytes, ParseFault::DccpTruncated);
        return;
      case ip_proto::kUdpLite:
        place(at, UdpHeader<const std::uint8_t>::kBytes, ParseFault::UdpLiteTruncated);
        return;
      case ip_proto::kIcmp:
        if (is_ipv6) break;
        place(at, kIcmpBytes, ParseFault::IcmpTruncated);
        return;
      case ip_proto::kIgmp:
        if (is_ipv6) break;
        place(at, kIcmpBytes, ParseFault::IgmpTruncated);
        return;
      case ip_proto::kIcmpv6:
        if (!is_ipv6) break;
        place(at, kIcmpBytes, ParseFault::Icmpv6Truncated);
        return;
      default:
        break;
    }
    out.l4 = out.payload = static_cast<std::uint16_t>(at);
  }
};

struct FaultText {
  std::string_view name, text;
};

constexpr FaultText kFaults[kParseFaultCount] = {
    {"none", "The packet is well-formed."},
    {"ethernet_truncated", "The frame ends inside its Ethernet header or a VLAN tag."},
    {"mpls_truncated", "The frame ends inside its MPLS label stack."},
    {"arp_truncated", "The frame ends inside its ARP message."},
    {"ipv4_truncated", "The frame ends inside its IPv4 header."},
    {"ipv4_bad_version", "The IPv4 header's version is not 4."},
    {"ipv4_bad_header_length", "The IPv4 header's length is below 20 bytes or beyond the frame."},
    {"ipv4_bad_total_length", "The IPv4 total length is below the header's or beyond the frame."},
    {"ipv6_truncated", "The frame ends inside its IPv6 header."},
    {"ipv6_bad_version", "The IPv6 header's version is not 6."},
    {"ipv6_bad_payload_length", "The IPv6 payload length is beyond the frame."},
    {"ipv6_bad_extension",
     "An IPv6 extension header does not fit into the datagram, or there are too many of them."},
    {"tcp_truncated", "The datagram ends inside its TCP header."},
    {"tcp_bad_data_offset", "The TCP data offset is below 20 bytes or beyond the datagram."},
    {"udp_truncated", "The datagram ends inside its UDP header."},
    {"udp_bad_length", "The UDP length is below 8 bytes or beyond the datagram."},
    {"sctp_truncated", "The datagram ends inside its SCTP header."},
    {"icmp_truncated", "The datagram ends inside its ICMP header."},
    {"icmpv6_truncated", "The datagram ends inside its ICMPv6 header."},
    {"dccp_truncated", "The datagram ends inside its DCCP header."},
    {"igmp_truncated", "The datagram ends inside its IGMP header."},
    {"udp_lite_truncated", "The datagram ends inside its UDP-Lite header."},
};

}  // namespace

namespace {

// The short cut for the packets that nearly all are: at most one tag, IPv4 without options or IPv6 without
// extensions, no fragment, sound TCP or UDP. Each returns false, with nothing done, for every other. The
// places of the headers are template arguments, so that each of the four combinations has constant offsets.

/// Stores a Layout as three words composed in registers, so that who reads it next, or copies it, does not
/// wait for a dozen narrow stores.
template <std::uint32_t kL3, std::uint32_t kL4>
[[gnu::always_inline]] inline void store_layout(Layout& out, std::uint32_t payload, std::uint32_t l3_end,
                                                be16 eth_type, std::uint32_t proto) {
  static_assert(sizeof(Layout) == 24 && std::endian::native == std::endian::little);
  static_assert(offsetof(Layout, l3) == 2 && offsetof(Layout, l4) == 4 && offsetof(Layout, payload) == 6);
  static_assert(offsetof(Layout, l3_end) == 8 && offsetof(Layout, ipv6_fragment) == 12 &&
                offsetof(Layout, eth_type) == 14);
  static_assert(offsetof(Layout, ip_proto) == 16 && offsetof(Layout, vlans) == 18 &&
                offsetof(Layout, fault) == 20);
  constexpr std::uint64_t kOffsets = Layout::kNone | std::uint64_t{kL3} << 16 | std::uint64_t{kL4} << 32;
  constexpr std::uint64_t kNoFragmentHeader = std::uint64_t{Layout::kNone} << 32;
  constexpr std::uint64_t kVlans = std::uint64_t{(kL3 - 14) / 4} << 16;
  const std::uint64_t offsets = kOffsets | static_cast<std::uint64_t>(payload) << 48;
  const std::uint64_t ends = l3_end | kNoFragmentHeader | static_cast<std::uint64_t>(eth_type.raw()) << 48;
  const std::uint64_t rest = proto | kVlans;
  auto* const at = reinterpret_cast<std::uint8_t*>(&out);
  std::memcpy(at, &offsets, 8);
  asm volatile("" ::: "memory");  // or the compiler gathers the words in memory first, and waits for them
  std::memcpy(at + 8, &ends, 8);
  std::memcpy(at + 16, &rest, 8);
}

template <std::uint32_t kL3, std::uint32_t kL4>
[[gnu::always_inline]] inline bool walk_transport(const std::uint8_t* data, std::uint32_t end,
                                                  std::uint32_t proto, be16 type, Layout& out) {
  if (proto == ip_proto::kTcp) {
    if (end < kL4 + 20) [[unlikely]]
      return false;
    const std::uint32_t header = TcpHeader(data + kL4).header_bytes();
    if (header < 20 || header > end - kL4) [[unlikely]]
      return false;
    store_layout<kL3, kL4>(out, kL4 + header, end, type, proto);
    return true;
  }
  if (proto == ip_proto::kUdp) {
    if (end < kL4 + 8) [[unlikely]]
      return false;
    const std::uint32_t length = UdpHeader(data + kL4).length().host();
    if (length < 8 || length > end - kL4) [[unlikely]]
      return false;
    store_layout<kL3, kL4>(out, kL4 + 8, end, type, proto);
    return true;
  }
  return false;
}

template <std::uint32_t kL3>
[[gnu::always_inline]] inline bool walk_network(const std::uint8_t* data, std::uint32_t size, be16 type,
                                                Layout& out) {
  if (type == be16{net::ethertype::kIpv4}) [[likely]] {
    const Ipv4Header ip(data + kL3);
    const std::uint32_t total = ip.total_length().host();
    const bool whole = (ip.flags_offset() & be16{0x3fff}) == be16{};
    if (ip.version_ihl() != 0x45 || total > size - kL3 || !whole) [[unlikely]]
      return false;
    return walk_transport<kL3, kL3 + 20>(data, kL3 + total, ip.proto(), type, out);
  }
  if (type == be16{net::ethertype::kIpv6}) {
    if (size < kL3 + 40) [[unlikely]]
      return false;
    const Ipv6Header ip(data + kL3);
    const std::uint32_t payload = ip.payload_length().host();
    if (ip.version() != 6 || payload > size - kL3 - 40) [[unlikely]]
      return false;
    return walk_transport<kL3, kL3 + 40>(data, kL3 + 40 + payload, ip.next_header(), type, out);
  }
  return false;
}

[[gnu::always_inline]] inline bool walk_common(const std::uint8_t* data, std::uint32_t size, Layout& out) {
  constexpr std::uint32_t kUntagged = 14, kTagged = 18;
  if (size < kTagged + 20) [[unlikely]]
    return false;
  const be16 type = be16::load(data + 12);
  if (type != be16{net::ethertype::kVlan}) [[likely]]
    return walk_network<kUntagged>(data, size, type, out);
  return walk_network<kTagged>(data, size, be16::load(data + 16), out);
}

[[gnu::noinline]] void walk_any(const std::uint8_t* data, std::uint32_t size, Layout& out) {
  out = {};
  Walker{data, size, false, out}.ethernet();
}

}  // namespace

void walk(Bytes frame, Layout& layout) {
  const auto size = static_cast<std::uint32_t>(frame.size());
  if (!walk_common(frame.data(), size, layout)) [[unlikely]]
    walk_any(frame.data(), size, layout);
}

Layout walk_general(Bytes frame) {
  Layout layout;
  walk_any(frame.data(), static_cast<std::uint32_t>(frame.size()), layout);
  return layout;
}

Layout walk_ip(Bytes datagram, be16 eth_type, bool quoted) {
  Layout layout;
  layout.eth_type = eth_type;
  Walker{datagram.data(), static_cast<std::uint32_t>(datagram.size()), quoted, layout}.network(eth_type, 0);
  return layout;
}

std::string_view fault_name(ParseFault fault) {
  return kFaults[static_cast<unsigned>(fault)].name;
}
std::string_view fault_text(ParseFault fault) {
  return kFaults[static_cast<unsigned>(fault)].text;
}

}  // namespace sluice::wire
