#include "flow/extract.h"

#include "net/protocol.h"
#include "wire/arp.h"
#include "wire/ethernet.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/mpls.h"
#include "wire/nd.h"
#include "wire/tcp.h"

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

template <std::size_t kBytes>
[[gnu::always_inline]] inline void copy(void* to, const void* from) {
  std::memcpy(to, from, kBytes);
}

/// Zeroes the datapath part with plain vector stores: quicker than `rep stos` and a call at this size.
[[gnu::always_inline]] inline void clear_datapath_part(FlowKey& key) {
  typedef std::uint64_t Pair __attribute__((vector_size(16), aligned(8), may_alias));
  auto* const pairs = reinterpret_cast<Pair*>(&key);
#pragma GCC unroll 32
  for (std::size_t i = 0; i < kDatapathWords / 2; ++i) {
    pairs[i] = Pair{};
    asm volatile("" ::: "memory");  // keeps the compiler from making a memset of it
  }
  if constexpr (kDatapathWords % 2 != 0) set_word(key, kDatapathWords - 1, 0);
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
    case ip_proto::kTcp:
      copy<4>(&key.tp_src, at);
      key.tcp_flags = wire::TcpHeader(at).flags();
      return;
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

[[gnu::always_inline]] inline std::uint8_t fragment_bits(const Layout& layout) {
  static_assert(Layout::kFragment == kFragAny && Layout::kLaterFragment == kFragLater);
  return layout.fragment;
}

}  // namespace

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

void extract(const packet::Packet& packet, FlowKey& key) {
  const Layout& layout = packet.layout;
  const packet::Metadata& meta = packet.meta;
  const std::uint8_t* const data = packet.data();

  clear_datapath_part(key);
  key.in_port = be32{meta.in_port};
  key.recirc_id = be32{meta.recirc_id};
  key.dp_hash = be32{meta.dp_hash};
  key.pkt_mark = be32{meta.pkt_mark};
  key.skb_priority = be32{meta.skb_priority};
  if (meta.ct.state != 0) patch_ct(key, meta.ct);

  if (packet.size() < wire::EthernetHeader<const std::uint8_t>::kBytes) [[unlikely]]
    return;
  copy<12>(&key.eth_dst, data);
  key.eth_type = layout.eth_type;
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
    key.nw_proto = layout.ip_proto;
    key.nw_tos = ip.tos();
    key.nw_ttl = ip.ttl();
    key.nw_frag = fragment_bits(layout);
    extract_transport(data, layout, key);
  } else if (layout.eth_type == be16{net::ethertype::kIpv6}) {
    const wire::Ipv6Header ip(l3);
    copy<32>(&key.ipv6_src, l3 + 8);
    if (layout.fault == wire::ParseFault::Ipv6BadExtension) return;
    key.ipv6_label = ip.label();
    key.nw_proto = layout.ip_proto;
    key.nw_tos = ip.traffic_class();
    key.nw_ttl = ip.hop_limit();
    key.nw_frag = fragment_bits(layout);
    extract_transport(data, layout, key);
  } else {
    extract_arp(l3, key);
  }
}

}  // namespace sluice::flow
