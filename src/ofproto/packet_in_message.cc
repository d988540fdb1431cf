#include "ofproto/packet_in_message.h"

#include <cstring>

#include "base/hash.h"
#include "field/of_error.h"
#include "net/protocol.h"
#include "ofproto/ofproto.h"
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

/// Which bridge a continuation is of.
std::array<std::uint8_t, 16> identity(const Ofproto& bridge) {
  std::uint64_t halves[2] = {0x736c7569, 0x63652d62};
  for (auto& half : halves)
    for (const char c : bridge.name()) half = hash_mix(half, static_cast<unsigned char>(c));
  std::array<std::uint8_t, 16> result;
  std::memcpy(result.data(), halves, sizeof halves);
  return result;
}

}  // namespace

PacketInMessage packet_in_message(const PacketIn& packet, const Ofproto& bridge) {
  PacketInMessage message;
  openflow::PacketIn& body = message.body;
  message.controller_id = packet.action.controller_id;
  message.max_len = packet.action.max_len;
  body.reason = static_cast<PacketInReason>(packet.action.reason);
  body.total_length = packet.total_length;
  body.packet = packet.bytes;

  FlowKey key = packet.key;
  if (const auto state = bridge.pipeline().frozen_state(packet.action.recirc_id)) {
    const auto& data = state->data;
    key.in_port = be32{data.in_port};
    key.metadata = data.metadata;
    key.regs = data.regs;
    body.table = data.rule_table;
    if (data.from_rule) body.cookie = data.rule_cookie;
    message.implicit_miss = !data.from_rule && body.reason == PacketInReason::NoMatch;
    body.userdata = data.userdata;
    if (packet.action.continuation) body.continuation = to_continuation(data, bridge);
  } else {
    body.cookie = packet.action.rule_cookie;
  }
  body.metadata = metadata_of(key);
  return message;
}

openflow::Continuation to_continuation(const pipeline::FrozenData& data, const Ofproto& bridge) {
  openflow::Continuation continuation;
  continuation.bridge = identity(bridge);
  // On the wire the top comes first.
  for (auto item = data.stack.rbegin(); item != data.stack.rend(); ++item) {
    auto& bytes = continuation.stack.emplace_back(sizeof *item);
    for (std::size_t i = 0; i < sizeof *item; ++i)
      bytes[i] = static_cast<std::uint8_t>(*item >> (8 * (sizeof *item - 1 - i)));
  }
  continuation.conntracked = data.conntracked;
  continuation.table = data.table;
  if (data.from_rule) continuation.cookie = data.rule_cookie;
  continuation.actions = data.remaining;
  continuation.action_set = data.action_set;
  continuation.datapath_port = bridge.pipeline().dp_port_of(data.in_port).value_or(0);
  return continuation;
}

Result<pipeline::FrozenData> from_continuation(const openflow::Continuation& continuation,
                                               const Ofproto& bridge) {
  if (continuation.bridge != identity(bridge))
    return fail("the continuation is not of this bridge (NXR_STALE)", field::OfError::NxrStale);
  pipeline::FrozenData data;
  for (auto bytes = continuation.stack.rbegin(); bytes != continuation.stack.rend(); ++bytes) {
    pipeline::StackItem item = 0;
    for (const std::uint8_t byte : *bytes) item = item << 8 | byte;
    data.stack.push_back(item);
  }
  data.conntracked = continuation.conntracked;
  data.table = continuation.table;
  data.from_rule = continuation.cookie.has_value();
  data.rule_cookie = continuation.cookie.value_or(0);
  data.remaining = continuation.actions;
  data.action_set = continuation.action_set;
  return data;
}

}  // namespace sluice::ofproto
