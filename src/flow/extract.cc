#include "flow/extract.h"

#include <bit>

#include "net/protocol.h"
#include "wire/arp.h"
#include "wire/ethernet.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/mpls.h"
#include "wire/nd.h"
#include "wire/tcp.h"
#include "wire/walk.h"

namespace sluice::flow {
namespace {

namespace ip_proto = net::ip_proto;
using wire::Layout;

constexpr std::uint32_t kCtTracked = 0x20, kCtInvalid = 0x10;

// Neighbours in the header are neighbours in the key: one copy moves them.
static_assert(offsetof(FlowKey, eth_src) == offsetof(FlowKey, eth_dst) + 6);
static_assert(offsetof(FlowKey, nw_dst) == offsetof(FlowKey, nw_src) + 4);
static_assert(offsetof(FlowKey, ipv6_dst) == offsetof(FlowKey, ipv6_src) + 16);
static_assert(offsetof(FlowKey, tp_dst) == offsetof(FlowKey, tp_src) + 2);
static_assert(offsetof(FlowKey, tcp_flags) == offsetof(FlowKey, tp_src) + 4 &&
              offsetof(FlowKey, tp_src) % 8 == 0);
static_assert(offsetof(FlowKey, eth_type) == offsetof(FlowKey, eth_src) + 6 &&
              offsetof(FlowKey, eth_dst) % 8 == 0);
static_assert(offsetof(FlowKey, packet_type) == offsetof(FlowKey, skb_priority) + 4 &&
              offsetof(FlowKey, skb_priority) % 8 == 0);
static_assert(offsetof(FlowKey, recirc_id) == 4 &&
              offsetof(FlowKey, pkt_mark) == offsetof(FlowKey, dp_hash) + 4);

template <std::size_t kBytes>
[[gnu::always_inline]] inline void copy(void* to, const void* from) {
  std::memcpy(to, from, kBytes);
}

/// Zeroes the datapath part with plain vector stores: quicker than `rep stos` or a call at this size.
[[gnu::always_inline]] inline void clear_datapath_part(FlowKey& key) {
  constexpr std::size_t kStep = 16;
  const std::uint64_t zero[2] = {};
  auto* const bytes = reinterpret_cast<unsigned char*>(&key);
#pragma GCC unroll 32
  for (std::size_t i = 0; i + kStep <= kDatapathBytes; i += kStep) {
    copy<kStep>(bytes + i, zero);
    asm volatile("" ::: "memory");  // keeps the compiler from making a memset of it
  }
  if constexpr (kDatapathWords % 2 != 0) set_word(key, kDatapathWords - 1, 0);
}

// Words that hold several members are composed and stored whole: who hashes the key next reads words.
[[gnu::always_inline]] inline void set_pair(void* at, std::uint32_t first, std::uint32_t second) {
  const std::uint64_t word = first | static_cast<std::uint64_t>(second) << 32;
  static_assert(std::endian::native == std::endian::little);
  std::memcpy(at, &word, 8);
}

/// ipv6_label, nw_proto, nw_tos, nw_ttl, nw_frag.
[[gnu::always_inline]] inline void set_network_word(FlowKey& key, be32 label, std::uint8_t tos,
                                                    std::uint8_t ttl, const Layout& layout) {
  static_assert(Layout::kFragment == kFragAny && Layout::kLaterFragment == kFragLater);
  static_assert(offsetof(FlowKey, nw_proto) == offsetof(FlowKey, ipv6_label) + 4);
  static_assert(offsetof(FlowKey, nw_frag) == offsetof(FlowKey, ipv6_label) + 7);
  set_pair(&key.ipv6_label, label.raw(),
           layout.ip_proto | static_cast<std::uint32_t>(tos) << 8 | static_cast<std::uint32_t>(ttl) << 16 |
               static_cast<std::uint32_t>(layout.fragment) << 24);
}

void extract_arp(const std::uint8_t* at, FlowKey& key) {
  const wire::ArpHeader arp(at);
  if (!arp.is_ethernet_ipv4()) return;
  key.nw_src = arp.spa();
  key.nw_dst = arp.tpa();
  const std::uint16_t operation = arp.operation().host();
  key.nw_proto = operation < 256 ? static_cast<std::uint8_t>(operation) : std::uint8_t{0};
  key.arp_sha = arp.sha();
  key.arp_tha = arp.tha();
}

void extract_mpls(const std::uint8_t* data, const Layout& layout, FlowKey& key) {
  const unsigned labels = layout.mpls_labels < kMaxMplsLabels ? layout.mpls_labels : kMaxMplsLabels;
  for (unsigned i = 0; i < labels; ++i) key.mpls[i] = wire::MplsHeader(data + layout.l2_5 + i * 4).lse();
}

void extract_nd(const std::uint8_t* at, std::size_t room, FlowKey& key) {
  constexpr std::size_t kBytes = wire::NdHeader<const std::uint8_t>::kBytes;
  if (room < kBytes) return;
  const wire::NdHeader nd(at);
  Mac source, target;
  bool twice = false;
  std::uint8_t options_type = 0;
  const Bytes options{at + kBytes, room - kBytes};
  wire::nd_option::for_each(options, [&](std::uint8_t type, std::size_t offset, std::size_t bytes) {
    if (bytes != wire::nd_option::kLinkAddressBytes) return;
    if (type != wire::nd_option::kSourceLinkAddress && type != wire::nd_option::kTargetLinkAddress) return;
    Mac& mac = type == wire::nd_option::kSourceLinkAddress ? source : target;
    twice = twice || !mac.is_zero();
    copy<6>(&mac, options.data() + offset + 2);
    options_type = type;
  });
  key.nd_reserved = nd.reserved();
  if (twice) return;
  key.nd_target = nd.target();
  key.arp_sha = source;
  key.arp_tha = target;
  key.nd_options_type = options_type;
}

[[gnu::always_inline]] inline void extract_transport(const std::uint8_t* data, const Layout& layout,
                                                     FlowKey& key) {
  if (layout.l4 == Layout::kNone) [[unlikely]]
    return;
  const std::uint8_t* const at = data + layout.l4;
  switch (layout.ip_proto) {
    case ip_proto::kTcp: {
      std::uint32_t ports;
      copy<4>(&ports, at);
      set_pair(&key.tp_src, ports, wire::TcpHeader(at).flags().raw());
      return;
    }
    case ip_proto::kUdp:
    case ip_proto::kSctp:
      copy<4>(&key.tp_src, at);
      return;
    case ip_proto::kIcmp:
    case ip_proto::kIgmp:
      if (key.eth_type != be16{net::ethertype::kIpv4}) return;
      key.tp_src = be16{wire::IcmpHeader(at).type()};
      key.tp_dst = be16{wire::IcmpHeader(at).code()};
      return;
    case ip_proto::kIcmpv6: {
      if (key.eth_type != be16{net::ethertype::kIpv6}) return;
      const wire::IcmpHeader icmp(at);
      key.tp_src = be16{icmp.type()};
      key.tp_dst = be16{icmp.code()};
      if (wire::is_nd(icmp.type(), icmp.code())) extract_nd(at, layout.l3_end - layout.l4, key);
      return;
    }
    default:
      return;
  }
}

}  // namespace

bool extract_frame(Bytes frame, packet::PacketPool& pool, FlowKey& key) {
  key = {};
  packet::Packet* const packet = pool.take(static_cast<std::uint32_t>(frame.size()));
  if (packet == nullptr) return false;
  const bool fits = packet->assign(frame);
  if (fits) {
    wire::walk(packet->bytes(), packet->layout);
    if (packet->layout.fault != wire::ParseFault::EthernetTruncated) extract(*packet, key);
  }
  pool.give(packet);
  return fits;
}

void patch_ct(FlowKey& key, const packet::CtMetadata& ct) {
  constexpr std::size_t kFrom = offsetof(FlowKey, ct_state), kTo = offsetof(FlowKey, eth_dst);
  std::memset(reinterpret_cast<unsigned char*>(&key) + kFrom, 0, kTo - kFrom);
  key.ct_state = be32{ct.state};
  key.ct_mark = be32{ct.mark};
  key.ct_label = ct.label;
  key.ct_zone = be16{ct.zone};
  if ((ct.state & (kCtTracked | kCtInvalid)) != kCtTracked) return;
  key.ct_nw_proto = ct.original.proto;
  key.ct_tp_src = ct.original.src_port;
  key.ct_tp_dst = ct.original.dst_port;
  if (ct.original.is_ipv6) {
    key.ct_ipv6_src = ct.original.src;
    key.ct_ipv6_dst = ct.original.dst;
  } else {
    key.ct_nw_src = net::v4_of(ct.original.src);
    key.ct_nw_dst = net::v4_of(ct.original.dst);
  }
}

void patch_addresses(FlowKey& key, const packet::Packet& packet) {
  const Layout& layout = packet.layout;
  if (!layout.has_l3()) return;
  const std::uint8_t* const l3 = packet.data() + layout.l3;
  if (layout.eth_type == be16{net::ethertype::kIpv4})
    copy<8>(&key.nw_src, l3 + 12);
  else if (layout.eth_type == be16{net::ethertype::kIpv6})
    copy<32>(&key.ipv6_src, l3 + 8);
  else
    return;
  namespace p = net::ip_proto;
  const std::uint8_t proto = layout.ip_proto;
  if (layout.has_l4() && (proto == p::kTcp || proto == p::kUdp || proto == p::kSctp))
    copy<4>(&key.tp_src, packet.data() + layout.l4);
}

void extract(const packet::Packet& packet, FlowKey& key) {
  const Layout& layout = packet.layout;
  const packet::Metadata& meta = packet.meta;
  const std::uint8_t* const data = packet.data();

  clear_datapath_part(key);
  set_pair(&key.in_port, be32{meta.in_port}.raw(), be32{meta.recirc_id}.raw());
  set_pair(&key.dp_hash, be32{meta.dp_hash}.raw(), be32{meta.pkt_mark}.raw());
  set_pair(&key.skb_priority, be32{meta.skb_priority}.raw(),
           meta.bare ? be32{kBarePacketType | layout.eth_type.host()}.raw() : 0);
  if (meta.ct.state != 0) patch_ct(key, meta.ct);

  if (packet.size() < wire::EthernetHeader<const std::uint8_t>::kBytes) [[unlikely]]
    return;
  std::uint32_t src_end;
  copy<8>(&key.eth_dst, data);
  copy<4>(&src_end, data + 8);
  set_pair(reinterpret_cast<unsigned char*>(&key) + offsetof(FlowKey, eth_src) + 2, src_end,
           layout.eth_type.raw());
  for (unsigned i = 0; i < layout.vlans; ++i) {
    copy<4>(&key.vlan[i], data + 12 + i * 4);
    key.vlan[i].tci = key.vlan[i].tci | be16{kVlanPresent};
  }
  if (layout.l3 == Layout::kNone) [[unlikely]] {
    if (layout.l2_5 != Layout::kNone) extract_mpls(data, layout, key);
    return;
  }

  const std::uint8_t* const l3 = data + layout.l3;
  if (layout.eth_type == be16{net::ethertype::kIpv4}) [[likely]] {
    const wire::Ipv4Header ip(l3);
    copy<8>(&key.nw_src, l3 + 12);
    set_network_word(key, be32{}, ip.tos(), ip.ttl(), layout);
    extract_transport(data, layout, key);
  } else if (layout.eth_type == be16{net::ethertype::kIpv6}) {
    const wire::Ipv6Header ip(l3);
    copy<32>(&key.ipv6_src, l3 + 8);
    if (layout.fault == wire::ParseFault::Ipv6BadExtension) return;
    set_network_word(key, ip.label(), ip.traffic_class(), ip.hop_limit(), layout);
    extract_transport(data, layout, key);
  } else {
    extract_arp(l3, key);
  }
}

}  // namespace sluice::flow
