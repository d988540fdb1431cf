// Pending header rewrites become datapath actions here: only members that differ, in the order in which Open
// vSwitch writes them (Ethernet, IP or ARP, transport, MPLS, VLAN, priority, mark).
#include <cstddef>
#include <cstring>

#include "net/protocol.h"
#include "pipeline/translator.h"

namespace sluice::pipeline {
namespace {

using dp_action::SetHeader;
using flow::FlowKey;
using Header = SetHeader::Header;

/// A member of FlowKey.
struct Member {
  std::uint16_t offset, size;
};
#define SLUICE_MEMBER(m)                     \
  Member {                                   \
    offsetof(FlowKey, m), sizeof(FlowKey::m) \
  }
constexpr Member kEthernet[] = {SLUICE_MEMBER(eth_src), SLUICE_MEMBER(eth_dst)};
constexpr Member kIpv4[] = {SLUICE_MEMBER(nw_src), SLUICE_MEMBER(nw_dst), SLUICE_MEMBER(nw_tos),
                            SLUICE_MEMBER(nw_ttl)};
constexpr Member kIpv6[] = {SLUICE_MEMBER(ipv6_src), SLUICE_MEMBER(ipv6_dst), SLUICE_MEMBER(ipv6_label),
                            SLUICE_MEMBER(nw_tos), SLUICE_MEMBER(nw_ttl)};
constexpr Member kArp[] = {SLUICE_MEMBER(nw_src), SLUICE_MEMBER(nw_dst), SLUICE_MEMBER(nw_proto),
                           SLUICE_MEMBER(arp_sha), SLUICE_MEMBER(arp_tha)};
constexpr Member kNd[] = {SLUICE_MEMBER(nd_target), SLUICE_MEMBER(arp_sha), SLUICE_MEMBER(arp_tha)};
constexpr Member kPorts[] = {SLUICE_MEMBER(tp_src), SLUICE_MEMBER(tp_dst)};
constexpr Member kPktMark[] = {SLUICE_MEMBER(pkt_mark)};
constexpr Member kSkbPriority[] = {SLUICE_MEMBER(skb_priority)};
#undef SLUICE_MEMBER

std::span<const Member> members(Header header) {
  switch (header) {
    case Header::Ethernet:
      return kEthernet;
    case Header::Ipv4:
      return kIpv4;
    case Header::Ipv6:
      return kIpv6;
    case Header::Arp:
      return kArp;
    case Header::Nd:
      return kNd;
    case Header::Tcp:
    case Header::Udp:
    case Header::Sctp:
    case Header::Icmp:
    case Header::Icmpv6:
      return kPorts;
    case Header::PktMark:
      return kPktMark;
    case Header::SkbPriority:
      return kSkbPriority;
    case Header::Mpls:
    case Header::Tunnel:
      return {};
  }
  return {};
}

unsigned char* bytes(FlowKey& key) {
  return reinterpret_cast<unsigned char*>(&key);
}

unsigned vlan_count(const FlowKey& key) {
  unsigned n = 0;
  while (n < flow::kMaxVlans && (key.vlan[n].tci.host() & flow::kVlanPresent)) ++n;
  return n;
}

bool is_mpls(be16 eth_type) {
  return eth_type.host() == net::ethertype::kMpls || eth_type.host() == net::ethertype::kMplsMulticast;
}

constexpr std::uint32_t kBottomOfStack = 0x100;

/// Labels that are known: what a pop of the bottom one brought to light as labels is not.
unsigned label_count(const FlowKey& key) {
  if (!is_mpls(key.eth_type)) return 0;
  for (unsigned n = 0; n < flow::kMaxMplsLabels; ++n) {
    if (key.mpls[n].raw() == 0) return n;
    if (key.mpls[n].host() & kBottomOfStack) return n + 1;
  }
  return flow::kMaxMplsLabels;
}

}  // namespace

void Translator::commit_header(Header header) {
  SetHeader set{.header = header, .values = SetHeader::Values{}};
  bool any = false;
  for (const Member& member : members(header)) {
    unsigned char* now = bytes(flow_) + member.offset;
    unsigned char* before = bytes(base_) + member.offset;
    if (std::memcmp(now, before, member.size) == 0) continue;
    any = true;
    unsigned char* looked_at = bytes(mask_.bits) + member.offset;
    for (unsigned i = 0; i < member.size; ++i) {
      looked_at[i] = static_cast<unsigned char>(looked_at[i] | (now[i] ^ before[i]));
      bytes(set.values->mask.bits)[member.offset + i] = looked_at[i];
      bytes(set.values->value)[member.offset + i] = now[i] & looked_at[i];
    }
    std::memcpy(before, now, member.size);
  }
  if (any) emit(std::move(set));
}

void Translator::commit_ethernet() {
  if (flow_.packet_type == base_.packet_type) return commit_header(Header::Ethernet);
  if (flow_.packet_type.raw() != 0)
    emit(dp_action::PopEth{});
  else
    emit(dp_action::PushEth{flow_.eth_src, flow_.eth_dst});
  base_.packet_type = flow_.packet_type;
  base_.eth_src = flow_.eth_src;
  base_.eth_dst = flow_.eth_dst;
}

void Translator::commit() {
  if (std::memcmp(&flow_, &base_, flow::kDatapathBytes) == 0) return;
  commit_ethernet();
  const bool labels_vanish = is_mpls(base_.eth_type) && !is_mpls(flow_.eth_type);
  if (labels_vanish) commit_mpls();
  if (flow_.eth_type == base_.eth_type) {
    const bool first_fragment = !(flow_.nw_frag & flow::kFragLater);
    switch (base_.eth_type.host()) {
      case net::ethertype::kIpv4:
        commit_header(Header::Ipv4);
        break;
      case net::ethertype::kIpv6:
        commit_header(Header::Ipv6);
        break;
      case net::ethertype::kArp:
      case net::ethertype::kRarp:
        commit_header(Header::Arp);
        break;
      default:
        break;
    }
    if (is_ip() && first_fragment) {
      switch (base_.nw_proto) {
        case net::ip_proto::kTcp:
          commit_header(Header::Tcp);
          break;
        case net::ip_proto::kUdp:
          commit_header(Header::Udp);
          break;
        case net::ip_proto::kSctp:
          commit_header(Header::Sctp);
          break;
        case net::ip_proto::kIcmp:
          if (is_ipv4()) commit_header(Header::Icmp);
          break;
        case net::ip_proto::kIcmpv6:
          if (!is_ipv4()) {
            commit_header(Header::Icmpv6);
            commit_header(Header::Nd);
          }
          break;
        default:
          break;
      }
    }
  }
  if (!labels_vanish) commit_mpls();
  commit_vlans();
  commit_header(Header::SkbPriority);
  commit_header(Header::PktMark);
}

void Translator::commit_mpls() {
  unsigned base_count = label_count(base_);
  const unsigned flow_count = label_count(flow_);
  if (base_count == 0 && flow_count == 0) return;
  // Labels equal from the bottom up stay.
  unsigned common = 0;
  while (common < base_count && common < flow_count &&
         base_.mpls[base_count - 1 - common] == flow_.mpls[flow_count - 1 - common])
    ++common;
  if (common == base_count && common == flow_count && base_.eth_type == flow_.eth_type) return;
  for (unsigned i = 0; i < label_count(original_); ++i) mask_.bits.mpls[i] = be32{0xffffffff};

  while (base_count > common) {
    if (base_count - 1 == common && flow_count > common) {
      // The same depth: only the entry's contents change.
      SetHeader set{.header = Header::Mpls, .values = SetHeader::Values{}};
      set.values->value.mpls[0] = flow_.mpls[flow_count - base_count];
      set.values->mask.bits.mpls[0] = be32{0xffffffff};
      emit(std::move(set));
      base_.mpls[0] = flow_.mpls[flow_count - base_count];
      ++common;
      continue;
    }
    const be16 below = base_count == 1 ? flow_.eth_type : base_.eth_type;
    emit(dp_action::PopMpls{below});
    for (unsigned i = 0; i + 1 < flow::kMaxMplsLabels; ++i) base_.mpls[i] = base_.mpls[i + 1];
    base_.mpls[flow::kMaxMplsLabels - 1] = {};
    base_.eth_type = below;
    --base_count;
  }
  while (base_count < flow_count) {
    const be32 entry = flow_.mpls[flow_count - base_count - 1];
    emit(dp_action::PushMpls{entry, flow_.eth_type});
    for (unsigned i = flow::kMaxMplsLabels - 1; i > 0; --i) base_.mpls[i] = base_.mpls[i - 1];
    base_.mpls[0] = entry;
    ++base_count;
  }
  base_.eth_type = flow_.eth_type;
}

void Translator::commit_vlans() {
  if (flow_.vlan == base_.vlan) return;
  for (unsigned i = 0; i < vlan_count(original_); ++i) mask_.bits.vlan[i] = {be16{0xffff}, be16{0xffff}};
  unsigned base_left = vlan_count(base_), flow_left = vlan_count(flow_);
  while (base_left > 0 && flow_left > 0 && base_.vlan[base_left - 1] == flow_.vlan[flow_left - 1]) {
    --base_left;
    --flow_left;
  }
  for (; base_left > 0; --base_left) emit(dp_action::PopVlan{});
  for (; flow_left > 0; --flow_left)
    emit(dp_action::PushVlan{flow_.vlan[flow_left - 1].tpid, flow_.vlan[flow_left - 1].tci});
  base_.vlan = flow_.vlan;
}

}  // namespace sluice::pipeline
