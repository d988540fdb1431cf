#include "field/key_text.h"

#include <fmt/core.h>

#include <cstring>

#include "field/match_text.h"
#include "net/protocol.h"

namespace sluice::field {

namespace {

using flow::FlowKey;
namespace eth = net::ethertype;
namespace proto = net::ip_proto;

/// Marks all of a member if the packet has something there.
template <typename T>
void if_set(const T& value, T& mask) {
  if (!(value == T{})) std::memset(static_cast<void*>(&mask), 0xff, sizeof mask);
}
template <typename T>
void all(T& mask) {
  std::memset(static_cast<void*>(&mask), 0xff, sizeof mask);
}

/// A mask over what a packet like this has.
flow::Mask mask_of_packet(const FlowKey& key) {
  flow::Mask mask{};
  FlowKey& m = mask.bits;
  if_set(key.recirc_id, m.recirc_id);
  if_set(key.dp_hash, m.dp_hash);
  if_set(key.pkt_mark, m.pkt_mark);
  if_set(key.skb_priority, m.skb_priority);
  if_set(key.tun_id, m.tun_id);
  if_set(key.tun_src, m.tun_src);
  if_set(key.tun_dst, m.tun_dst);
  if_set(key.tun_ipv6_src, m.tun_ipv6_src);
  if_set(key.tun_ipv6_dst, m.tun_ipv6_dst);
  if_set(key.ct_state, m.ct_state);
  if_set(key.ct_zone, m.ct_zone);
  if_set(key.ct_mark, m.ct_mark);
  if_set(key.ct_label, m.ct_label);
  if_set(key.ct_nw_proto, m.ct_nw_proto);
  if_set(key.ct_nw_src, m.ct_nw_src);
  if_set(key.ct_nw_dst, m.ct_nw_dst);
  if_set(key.ct_ipv6_src, m.ct_ipv6_src);
  if_set(key.ct_ipv6_dst, m.ct_ipv6_dst);
  if_set(key.ct_tp_src, m.ct_tp_src);
  if_set(key.ct_tp_dst, m.ct_tp_dst);
  if_set(key.metadata, m.metadata);
  for (unsigned i = 0; i < flow::kRegisters; ++i) if_set(key.regs[i], m.regs[i]);
  if_set(key.in_port, m.in_port);
  if (key.packet_type.raw() != 0) {
    all(m.packet_type);
  } else {
    all(m.eth_src);
    all(m.eth_dst);
    all(m.eth_type);
    m.vlan[0].tci = be16{0xffff};
  }
  switch (key.eth_type.host()) {
    case eth::kIpv4:
      all(m.nw_src);
      all(m.nw_dst);
      break;
    case eth::kIpv6:
      all(m.ipv6_src);
      all(m.ipv6_dst);
      all(m.ipv6_label);
      break;
    case eth::kArp:
    case eth::kRarp:
      all(m.nw_src);
      all(m.nw_dst);
      all(m.nw_proto);
      all(m.arp_sha);
      all(m.arp_tha);
      return mask;
    case eth::kMpls:
    case eth::kMplsMulticast:
      all(m.mpls[0]);
      return mask;
    default:
      return mask;
  }
  all(m.nw_proto);
  all(m.nw_tos);
  all(m.nw_ttl);
  m.nw_frag = flow::kFragAny | flow::kFragLater;
  const bool icmpv6 = key.eth_type.host() == eth::kIpv6 && key.nw_proto == proto::kIcmpv6;
  const bool icmp = key.eth_type.host() == eth::kIpv4 && key.nw_proto == proto::kIcmp;
  const bool has_ports =
      key.nw_proto == proto::kTcp || key.nw_proto == proto::kUdp || key.nw_proto == proto::kSctp;
  if (icmp || icmpv6 || has_ports) {
    all(m.tp_src);
    all(m.tp_dst);
  }
  if (key.nw_proto == proto::kTcp) m.tcp_flags = be16{0x0fff};
  const std::uint16_t type = key.tp_src.host();
  if (icmpv6 && (type == net::icmpv6::kNeighborSolicit || type == net::icmpv6::kNeighborAdvert) &&
      key.tp_dst.raw() == 0) {
    all(m.nd_target);
    if (type == net::icmpv6::kNeighborSolicit)
      all(m.arp_sha);
    else
      all(m.arp_tha);
  }
  return mask;
}

}  // namespace

std::string format_key(const FlowKey& key, const NameResolver* names) {
  const flow::Mask mask = mask_of_packet(key);
  std::string text = format_match({flow::masked(key, mask), mask}, names);
  if (key.vlan[0].tci.host() & flow::kVlanPresent) {
    // The printer knows the outer tag only.
    const std::size_t at = text.find(",dl_src=");
    if (at != std::string::npos) {
      const std::uint16_t inner = key.vlan[1].tci.host();
      text.insert(at, inner & flow::kVlanPresent ? fmt::format(",dl_vlan1={},dl_vlan_pcp1={}",
                                                               inner & flow::kVlanVidMask, inner >> 13)
                                                 : ",vlan_tci1=0x0000");
    }
  }
  return text;
}

}  // namespace sluice::field
