// A datapath flow's match as odp text, groups in the order of ovs-appctl dpctl/dump-flows.
#include <string>

#include "dp_action/odp_fields.h"
#include "dp_action/program.h"
#include "net/protocol.h"

namespace sluice::dp_action {
namespace {

/// Everything from the EtherType inwards.
void payload(OdpWriter& out, const flow::FlowKey& value, const flow::FlowKey& mask) {
  namespace types = net::ethertype;
  out.eth_type();
  const std::uint16_t type = value.eth_type.host();
  if (mask.eth_type.raw() == 0) return;
  if (type == types::kMpls || type == types::kMplsMulticast) return out.mpls();
  if (type == types::kArp || type == types::kRarp) return out.arp();
  if (type != types::kIpv4 && type != types::kIpv6) return;

  const bool ipv6 = type == types::kIpv6;
  ipv6 ? out.ipv6(true) : out.ipv4(true);
  if (mask.nw_proto == 0) return;
  switch (value.nw_proto) {
    case net::ip_proto::kTcp:
      out.tcp();
      return out.tcp_flags();
    case net::ip_proto::kUdp:
      return out.udp();
    case net::ip_proto::kSctp:
      return out.sctp();
    case net::ip_proto::kIcmp:
      if (!ipv6) out.icmp("icmp");
      return;
    case net::ip_proto::kIcmpv6:
      if (!ipv6) return;
      out.icmp("icmpv6");
      return out.nd();
    default:
      return;
  }
}

}  // namespace

std::string format_odp_match(const flow::Match& match, const field::NameResolver* names) {
  const flow::FlowKey& value = match.value;
  const flow::FlowKey& mask = match.mask.bits;
  std::string text;
  OdpWriter out(value, mask, text);
  out.skb_priority();
  out.tunnel();
  out.skb_mark();
  out.ct_state();
  out.ct_zone();
  out.ct_mark();
  out.ct_label();
  out.ct_tuple();
  if (mask.recirc_id.raw() != 0) {
    char id[16];
    std::snprintf(id, sizeof id, "%#x", value.recirc_id.host());
    out.word(std::string("recirc_id(") + id + ")");
  }
  out.dp_hash();
  if (mask.in_port.raw() != 0) {
    const std::uint32_t port = value.in_port.host();
    const auto name = names != nullptr ? names->port_name(port) : std::nullopt;
    out.word("in_port(" + (name ? *name : std::to_string(port)) + ")");
  }
  const std::uint32_t type = value.packet_type.host();
  if (type == 0) {
    out.word("packet_type(ns=0,id=0)");
    out.ethernet();
  } else {
    char text_of_type[40];
    std::snprintf(text_of_type, sizeof text_of_type, "packet_type(ns=%u,id=%#x)", type >> 16, type & 0xffff);
    out.word(text_of_type);
  }

  unsigned tags = 0;
  for (; tags < flow::kMaxVlans && (value.vlan[tags].tci.host() & flow::kVlanPresent) != 0; ++tags) {
    out.vlan(tags);
    out.word("encap(");
  }
  // The commas inside encap(…) start anew.
  payload(out, value, mask);
  text.append(tags, ')');
  return text;
}

}  // namespace sluice::dp_action
