#include "datapath/header_rewrite.h"

#include "base/hash.h"
#include "datapath/meter.h"
#include "net/protocol.h"
#include "packet/rewrite.h"

namespace sluice::datapath {

using dp_action::SetHeader;
using flow::FlowKey;
using packet::Packet;
using wire::Layout;
using wire::MutableFrame;

namespace {

template <typename T>
bool any(const T& mask) {
  return !(mask == T{});
}

net::Mac merge(const net::Mac& old, const net::Mac& value, const net::Mac& mask) {
  return net::Mac::from_value((old.value() & ~mask.value()) | (value.value() & mask.value()));
}
template <typename T>
T merge(T old, T value, T mask) {
  return (old & ~mask) | (value & mask);
}
std::uint8_t merge(std::uint8_t old, std::uint8_t value, std::uint8_t mask) {
  return static_cast<std::uint8_t>((old & ~mask) | (value & mask));
}

net::Mac mac_at(const std::uint8_t* p) {
  net::Mac mac;
  std::memcpy(mac.bytes.data(), p, mac.bytes.size());
  return mac;
}
be128 be128_at(const std::uint8_t* p) {
  return {be64::load(p), be64::load(p + 8)};
}

/// What to write and where: the header's first byte, and the masked values.
struct Write {
  MutableFrame frame;
  const std::uint8_t* header;
  const FlowKey& value;
  const FlowKey& mask;
};

void ethernet(const Write& w) {
  if (any(w.mask.eth_dst)) set_eth_dst(w.frame, merge(mac_at(w.header), w.value.eth_dst, w.mask.eth_dst));
  if (any(w.mask.eth_src)) set_eth_src(w.frame, merge(mac_at(w.header + 6), w.value.eth_src, w.mask.eth_src));
}

void mpls(const Write& w) {
  for (unsigned i = 0; i < flow::kMaxMplsLabels && i < w.frame.layout.mpls_labels; ++i)
    if (any(w.mask.mpls[i]))
      set_mpls_lse(w.frame, merge(be32::load(w.header + 4 * i), w.value.mpls[i], w.mask.mpls[i]), i);
}

void ipv4(const Write& w) {
  if (any(w.mask.nw_src))
    set_ipv4_src(w.frame, merge(be32::load(w.header + 12), w.value.nw_src, w.mask.nw_src));
  if (any(w.mask.nw_dst))
    set_ipv4_dst(w.frame, merge(be32::load(w.header + 16), w.value.nw_dst, w.mask.nw_dst));
  if (w.mask.nw_tos != 0) set_ipv4_tos(w.frame, merge(w.header[1], w.value.nw_tos, w.mask.nw_tos));
  if (w.mask.nw_ttl != 0) set_ipv4_ttl(w.frame, merge(w.header[8], w.value.nw_ttl, w.mask.nw_ttl));
}

void ipv6(const Write& w) {
  const be32 first = be32::load(w.header);
  if (any(w.mask.ipv6_src))
    set_ipv6_src(w.frame, merge(be128_at(w.header + 8), w.value.ipv6_src, w.mask.ipv6_src));
  if (any(w.mask.ipv6_dst))
    set_ipv6_dst(w.frame, merge(be128_at(w.header + 24), w.value.ipv6_dst, w.mask.ipv6_dst));
  if (any(w.mask.ipv6_label))
    set_ipv6_label(w.frame, merge(first & be32{0xfffff}, w.value.ipv6_label, w.mask.ipv6_label));
  if (w.mask.nw_tos != 0) {
    const auto old = static_cast<std::uint8_t>(first.host() >> 20);
    set_ipv6_traffic_class(w.frame, merge(old, w.value.nw_tos, w.mask.nw_tos));
  }
  if (w.mask.nw_ttl != 0) set_ipv6_hop_limit(w.frame, merge(w.header[7], w.value.nw_ttl, w.mask.nw_ttl));
}

void ports(const Write& w) {
  if (any(w.mask.tp_src)) set_src_port(w.frame, merge(be16::load(w.header), w.value.tp_src, w.mask.tp_src));
  if (any(w.mask.tp_dst))
    set_dst_port(w.frame, merge(be16::load(w.header + 2), w.value.tp_dst, w.mask.tp_dst));
}

std::uint8_t low(be16 v) {
  return static_cast<std::uint8_t>(v.host());
}

void icmp(const Write& w) {
  if (any(w.mask.tp_src)) set_icmp_type(w.frame, merge(w.header[0], low(w.value.tp_src), low(w.mask.tp_src)));
  if (any(w.mask.tp_dst)) set_icmp_code(w.frame, merge(w.header[1], low(w.value.tp_dst), low(w.mask.tp_dst)));
}

void arp(const Write& w) {
  if (w.mask.nw_proto != 0) {
    // The key holds the low byte of the operation.
    const be16 op{merge(w.header[7], w.value.nw_proto, w.mask.nw_proto)};
    set_arp_op(w.frame, op);
  }
  if (any(w.mask.arp_sha)) set_arp_sha(w.frame, merge(mac_at(w.header + 8), w.value.arp_sha, w.mask.arp_sha));
  if (any(w.mask.nw_src))
    set_arp_spa(w.frame, merge(be32::load(w.header + 14), w.value.nw_src, w.mask.nw_src));
  if (any(w.mask.arp_tha))
    set_arp_tha(w.frame, merge(mac_at(w.header + 18), w.value.arp_tha, w.mask.arp_tha));
  if (any(w.mask.nw_dst))
    set_arp_tpa(w.frame, merge(be32::load(w.header + 24), w.value.nw_dst, w.mask.nw_dst));
}

/// The options of a neighbour message are rewritten whole: a partial mask of a link-layer address takes the
/// value's bits only, as the datapath of Open vSwitch does.
void neighbour(const Write& w) {
  if (any(w.mask.nd_reserved))
    set_nd_reserved(w.frame, merge(be32::load(w.header + 4), w.value.nd_reserved, w.mask.nd_reserved));
  if (any(w.mask.nd_target))
    set_nd_target(w.frame, merge(be128_at(w.header + 8), w.value.nd_target, w.mask.nd_target));
  if (w.mask.nd_options_type != 0) set_nd_options_type(w.frame, w.value.nd_options_type);
  if (any(w.mask.arp_sha)) set_nd_sll(w.frame, w.value.arp_sha);
  if (any(w.mask.arp_tha)) set_nd_tll(w.frame, w.value.arp_tha);
}

/// Where the headers of a packet begin, and which rewrite they take.
struct Row {
  SetHeader::Header header;
  void (*write)(const Write&);
  std::uint16_t Layout::* at;  // null: the first byte
  std::uint16_t min_bytes;     // that the rewrite reads
  bool (*present)(const Layout&);
};

constexpr bool is_ip(const Layout& layout, std::uint16_t type, std::uint8_t proto) {
  return layout.eth_type.host() == type && layout.ip_proto == proto;
}
bool has_proto(const Layout& layout, std::uint8_t proto) {
  return layout.ip_proto == proto && (layout.fragment & Layout::kLaterFragment) == 0;
}

constexpr Row kRows[] = {
    {SetHeader::Header::Ethernet, ethernet, nullptr, 14, [](const Layout&) { return true; }},
    {SetHeader::Header::Mpls, mpls, &Layout::l2_5, 4, [](const Layout& l) { return l.mpls_labels > 0; }},
    {SetHeader::Header::Ipv4, ipv4, &Layout::l3, 20,
     [](const Layout& l) { return l.eth_type.host() == net::ethertype::kIpv4; }},
    {SetHeader::Header::Ipv6, ipv6, &Layout::l3, 40,
     [](const Layout& l) { return l.eth_type.host() == net::ethertype::kIpv6; }},
    {SetHeader::Header::Tcp, ports, &Layout::l4, 4,
     [](const Layout& l) { return has_proto(l, net::ip_proto::kTcp); }},
    {SetHeader::Header::Udp, ports, &Layout::l4, 4,
     [](const Layout& l) {
       return has_proto(l, net::ip_proto::kUdp) || has_proto(l, net::ip_proto::kUdpLite);
     }},
    {SetHeader::Header::Sctp, ports, &Layout::l4, 4,
     [](const Layout& l) { return has_proto(l, net::ip_proto::kSctp); }},
    {SetHeader::Header::Icmp, icmp, &Layout::l4, 2,
     [](const Layout& l) {
       return is_ip(l, net::ethertype::kIpv4, net::ip_proto::kIcmp) && has_proto(l, l.ip_proto);
     }},
    {SetHeader::Header::Icmpv6, icmp, &Layout::l4, 2,
     [](const Layout& l) {
       return is_ip(l, net::ethertype::kIpv6, net::ip_proto::kIcmpv6) && has_proto(l, l.ip_proto);
     }},
    {SetHeader::Header::Arp, arp, &Layout::l3, 28,
     [](const Layout& l) {
       return l.eth_type.host() == net::ethertype::kArp || l.eth_type.host() == net::ethertype::kRarp;
     }},
    {SetHeader::Header::Nd, neighbour, &Layout::l4, 24,
     [](const Layout& l) {
       return is_ip(l, net::ethertype::kIpv6, net::ip_proto::kIcmpv6) && has_proto(l, l.ip_proto);
     }},
};

}  // namespace

bool set_header(Packet& packet, const SetHeader& action) {
  const FlowKey& value = action.values->value;
  const FlowKey& mask = action.values->mask.bits;
  switch (action.header) {
    case SetHeader::Header::PktMark:
      packet.meta.pkt_mark = merge(be32{packet.meta.pkt_mark}, value.pkt_mark, mask.pkt_mark).host();
      return true;
    case SetHeader::Header::SkbPriority:
      packet.meta.skb_priority =
          merge(be32{packet.meta.skb_priority}, value.skb_priority, mask.skb_priority).host();
      return true;
    case SetHeader::Header::Tunnel:
      return true;  // an outer header is made from it when a tunnel port sends
    default:
      break;
  }
  for (const Row& row : kRows) {
    if (row.header != action.header) continue;
    // The transport header went with the first fragment: nothing to do for the later ones.
    if (row.at == &Layout::l4 && (packet.layout.fragment & Layout::kLaterFragment) != 0) return true;
    const std::uint32_t at = row.at == nullptr ? 0 : packet.layout.*row.at;
    if (!row.present(packet.layout) || at == Layout::kNone || at + row.min_bytes > packet.size())
      return false;
    row.write({packet::frame_of(packet), packet.data() + at, value, mask});
    return true;
  }
  return false;
}

bool push_vlan(Packet& packet, const dp_action::PushVlan& action) {
  // In flows the bit says that there is a tag; on the wire it would be DEI.
  return packet::push_vlan(packet, action.tpid,
                           action.tci & be16{static_cast<std::uint16_t>(~flow::kVlanPresent)});
}
bool pop_vlan(Packet& packet) {
  return packet::pop_vlan(packet);
}
bool push_mpls(Packet& packet, const dp_action::PushMpls& action) {
  return packet::push_mpls(packet, action.eth_type, action.lse);
}
bool pop_mpls(Packet& packet, const dp_action::PopMpls& action) {
  return packet::pop_mpls(packet, action.eth_type);
}

bool pop_eth(Packet& packet) {
  return packet::pop_eth(packet);
}
bool push_eth(Packet& packet, const dp_action::PushEth& action) {
  return packet::push_eth(packet, action.src, action.dst);
}

bool raise_drop_precedence(Packet& packet, std::uint8_t levels) {
  const MutableFrame frame{packet.data(), packet.size(), packet.layout};
  if (packet.layout.l3 == Layout::kNone) return true;
  const std::uint8_t* header = packet.data() + packet.layout.l3;
  const auto raised = [levels](std::uint8_t tos) {
    return static_cast<std::uint8_t>(raised_dscp(tos >> 2, levels) << 2 | (tos & 3));
  };
  switch (packet.layout.eth_type.host()) {
    case net::ethertype::kIpv4:
      set_ipv4_tos(frame, raised(header[1]));
      break;
    case net::ethertype::kIpv6:
      set_ipv6_traffic_class(frame, raised(static_cast<std::uint8_t>(be32::load(header).host() >> 20)));
      break;
    default:
      break;
  }
  return true;
}

std::uint32_t hash_l4(const FlowKey& key, const dp_action::Hash& action) {
  // What differs between the fragments of a packet, or an ICMP packet and its answer, would part them.
  const bool ports = !(key.nw_frag & flow::kFragAny) &&
                     (key.nw_proto == net::ip_proto::kTcp || key.nw_proto == net::ip_proto::kUdp ||
                      key.nw_proto == net::ip_proto::kSctp);
  const std::uint32_t sport = ports ? key.tp_src.host() : 0, dport = ports ? key.tp_dst.host() : 0;
  std::uint64_t hash = hash_mix(action.basis, key.nw_proto);
  if (action.symmetric) {
    hash = hash_mix(hash, key.nw_src.host() ^ key.nw_dst.host());
    const be128 both = key.ipv6_src ^ key.ipv6_dst;
    hash = hash_mix(hash_mix(hash, both.hi.host()), both.lo.host());
    hash = hash_mix(hash, sport ^ dport);
  } else {
    hash = hash_mix(hash, std::uint64_t{key.nw_src.host()} << 32 | key.nw_dst.host());
    for (const be128& address : {key.ipv6_src, key.ipv6_dst})
      hash = hash_mix(hash_mix(hash, address.hi.host()), address.lo.host());
    hash = hash_mix(hash, sport << 16 | dport);
  }
  const auto folded = static_cast<std::uint32_t>(hash >> 32);
  return folded != 0 ? folded : 1;  // 0 is a packet without a hash
}

}  // namespace sluice::datapath
