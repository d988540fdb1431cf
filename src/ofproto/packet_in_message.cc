#include "ofproto/packet_in_message.h"

#include <cstring>

#include "net/protocol.h"
#include "openflow/packet_in_reason.h"
#include "pipeline/frozen_state.h"

namespace sluice::ofproto {

namespace {

using flow::FlowKey;
using flow::Match;
using openflow::PacketInReason;

/// Adds fields to a match that are not zero.
class Demand {
 public:
  Demand(const FlowKey& key, Match& match) : key_(key), match_(match) {}

  template <typename... T>
  void exactly(T FlowKey::*... members) {
    (exact(members), ...);
  }
  template <typename... T>
  void unless_zero(T FlowKey::*... members) {
    (exact_unless_zero(members), ...);
  }

 private:
  template <typename T>
  void exact(T FlowKey::* member) {
    match_.value.*member = key_.*member;
    std::memset(static_cast<void*>(&(match_.mask.bits.*member)), 0xff, sizeof(T));
  }
  template <typename T>
  void exact_unless_zero(T FlowKey::* member) {
    if (!(key_.*member == T{})) exact(member);
  }

  const FlowKey& key_;
  Match& match_;
};

/// What is known of a packet beside its bytes (OpenFlow 1.3.1 section 7.4.1).
Match metadata_of(const FlowKey& key) {
  Match match;
  Demand demand(key, match);
  demand.exactly(&FlowKey::in_port);
  demand.unless_zero(&FlowKey::packet_type, &FlowKey::pkt_mark, &FlowKey::metadata, &FlowKey::tun_id,
                     &FlowKey::tun_src, &FlowKey::tun_dst, &FlowKey::tun_ipv6_src, &FlowKey::tun_ipv6_dst,
                     &FlowKey::tun_gbp_id, &FlowKey::tun_gbp_flags);
  for (std::size_t i = 0; i < flow::kRegisters; ++i) {
    if (key.regs[i] == be32{}) continue;
    match.value.regs[i] = key.regs[i];
    match.mask.bits.regs[i] = be32{0xffffffff};
  }
  if (key.ct_state == be32{}) return match;
  demand.exactly(&FlowKey::ct_state);
  demand.unless_zero(&FlowKey::ct_zone, &FlowKey::ct_mark, &FlowKey::ct_label);
  if (key.ct_nw_proto == 0) return match;
  // The original tuple is read under the Ethernet type.
  demand.exactly(&FlowKey::eth_type, &FlowKey::ct_nw_proto, &FlowKey::ct_tp_src, &FlowKey::ct_tp_dst);
  if (key.eth_type == be16{net::ethertype::kIpv4})
    demand.exactly(&FlowKey::ct_nw_src, &FlowKey::ct_nw_dst);
  else
    demand.exactly(&FlowKey::ct_ipv6_src, &FlowKey::ct_ipv6_dst);
  return match;
}

}  // namespace

static_assert(pipeline::kReasonExplicitMiss == static_cast<std::uint8_t>(openflow::kExplicitMiss));

PacketInMessage packet_in_message(const PacketIn& packet, const pipeline::FrozenData* state) {
  PacketInMessage message;
  openflow::PacketIn& body = message.body;
  message.controller_id = packet.action.controller_id;
  body.reason = static_cast<PacketInReason>(packet.action.reason);
  body.total_length = static_cast<std::uint32_t>(packet.bytes.size());
  body.packet = packet.bytes;

  FlowKey key = packet.key;
  if (state) {
    key.in_port = be32{state->in_port};
    key.metadata = state->metadata;
    key.regs = state->regs;
    body.table = state->rule_table;
    if (state->from_rule) body.cookie = state->rule_cookie;
    message.implicit_miss = !state->from_rule && body.reason == PacketInReason::NoMatch;
    if (message.implicit_miss) body.cookie = 0;  // as Open vSwitch, whose misses are a flow's
    body.userdata = state->userdata;
  } else {
    body.cookie = packet.action.rule_cookie;
  }
  body.metadata = metadata_of(key);
  return message;
}

}  // namespace sluice::ofproto
