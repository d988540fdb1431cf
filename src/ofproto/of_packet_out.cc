// Packets that controllers send: packet-outs, and paused packets that they hand back (NXT_RESUME).
//
// A packet-out's actions are translated here and executed by the datapath. A paused packet's state is frozen
// again and the packet goes on as any recirculated packet does.
#include <fmt/core.h>

#include <algorithm>
#include <cstddef>

#include "action/all_actions.h"
#include "datapath/datapath.h"
#include "field/of_error.h"
#include "flow/extract.h"
#include "ofproto/exact_match.h"
#include "ofproto/of_outgoing.h"
#include "ofproto/openflow_agent.h"
#include "ofproto/sessions.h"
#include "ofproto/upcalls.h"
#include "packet/packet_pool.h"

namespace sluice::ofproto {

using field::OfError;

namespace {

/// What is known of a packet beside its bytes lies around them in the key.
constexpr std::size_t kFirstHeaderWord = offsetof(flow::FlowKey, eth_dst) / 8,
                      kFirstPipelineWord = offsetof(flow::FlowKey, metadata) / 8;

bool is_header_word(std::size_t word) {
  return word >= kFirstHeaderWord && word < kFirstPipelineWord;
}

packet::Metadata metadata_of(const flow::FlowKey& key) {
  packet::Metadata meta;
  meta.dp_hash = key.dp_hash.host();
  meta.pkt_mark = key.pkt_mark.host();
  meta.skb_priority = key.skb_priority.host();
  meta.ct.state = key.ct_state.host();
  meta.ct.zone = key.ct_zone.host();
  meta.ct.mark = key.ct_mark.host();
  meta.ct.label = key.ct_label;
  packet::CtTuple& tuple = meta.ct.original;
  tuple.proto = key.ct_nw_proto;
  tuple.src_port = key.ct_tp_src;
  tuple.dst_port = key.ct_tp_dst;
  tuple.is_ipv6 = !key.ct_ipv6_src.is_zero() || !key.ct_ipv6_dst.is_zero();
  tuple.src = tuple.is_ipv6 ? key.ct_ipv6_src : net::v4_mapped(key.ct_nw_src);
  tuple.dst = tuple.is_ipv6 ? key.ct_ipv6_dst : net::v4_mapped(key.ct_nw_dst);
  return meta;
}

/// A packet without an Ethernet header as the datapath has it (packet::Metadata::bare).
std::vector<std::uint8_t> with_ethernet_room(Bytes packet, be32 packet_type) {
  std::vector<std::uint8_t> bytes(packet::Packet::kEthernetBytes);
  be16{static_cast<std::uint16_t>(packet_type.host())}.store(bytes.data() + bytes.size() - 2);
  bytes.insert(bytes.end(), packet.begin(), packet.end());
  return bytes;
}

}  // namespace

tl::unexpected<Error> unknown_buffer(std::uint32_t buffer) {
  return field::fail(fmt::format("buffer {:#x} is unknown (OFPBRC_BUFFER_UNKNOWN)", buffer),
                     OfError::BrcBufferUnknown);
}

Result<OpenFlowAgent::Outgoing> OpenFlowAgent::prepare(const openflow::PacketOut& request,
                                                       openflow::OfVersion version) const {
  if (request.buffer) return unknown_buffer(*request.buffer);
  const flow::Match& given = request.metadata;
  for (std::size_t word = kFirstHeaderWord; word < kFirstPipelineWord; ++word)
    if (flow::word_at(given.mask.bits, word) != 0)
      return field::fail("packet-out with a header field beside the packet (OFPBRC_PIPELINE_FIELDS_ONLY)",
                         OfError::BrcPipelineFieldsOnly);

  // Of 1.5 on: what a tracker has found is nothing that a controller could know better.
  using enum field::FieldId;
  for (const field::FieldId id : {CtState, CtZone, CtMark, CtLabel})
    if (field::is_matched(given, id))
      return field::fail("packet-out with a field of connection tracking (OFPBRC_PIPELINE_FIELDS_ONLY)",
                         OfError::BrcPipelineFieldsOnly);

  Outgoing out;
  out.bytes = request.packet;
  out.actions = &request.actions;
  packet::PacketPool pool(1);
  if (!flow::extract_frame(out.bytes, pool, out.key))
    return field::fail(fmt::format("packet-out of {} bytes (OFPBRC_BAD_LEN)", out.bytes.size()),
                       OfError::BrcBadLen);
  for (std::size_t word = 0; word < flow::kKeyWords; ++word)
    if (!is_header_word(word))
      flow::set_word(out.key, word,
                     (flow::word_at(out.key, word) & ~flow::word_at(given.mask.bits, word)) |
                         flow::word_at(given.value, word));
  out.meta = metadata_of(out.key);
  out.meta.in_port = pipeline().dp_port_of(request.in_port()).value_or(env_.upcalls.nowhere(env_.bridge));
  SLUICE_TRY(action::check(request.actions, exact_match(out.key), {.version = version}));
  SLUICE_TRY(action::check_executable(request.actions));
  return out;
}

void OpenFlowAgent::translate(Outgoing& packet, std::optional<std::uint64_t> version) {
  pipeline().translate_actions(packet.key, *packet.actions, now(), packet.result, version);
}

void OpenFlowAgent::emit(Outgoing& packet) {
  // What is too short to be a packet goes nowhere, and nobody is told, as Open vSwitch has it.
  if (!env_.datapath.inject({.bytes = packet.bytes, .meta = packet.meta, .program = &packet.result.program}))
    return;
  packet.result.credits.credit(1, packet.bytes.size(), now(), packet.key.tcp_flags.host());
}

// --- Paused packets

namespace {

std::array<std::uint8_t, 16> bridge_id(const Ofproto& bridge, std::uint64_t datapath_id) {
  std::array<std::uint8_t, 16> id{};
  for (std::size_t i = 0; i < 8; ++i) id[i] = static_cast<std::uint8_t>(datapath_id >> (56 - 8 * i));
  const std::string& name = bridge.name();
  std::copy_n(name.begin(), std::min<std::size_t>(name.size(), 8), id.begin() + 8);
  return id;
}

std::vector<std::uint8_t> stack_bytes(pipeline::StackItem item) {
  std::vector<std::uint8_t> bytes;
  for (; item != 0; item >>= 8) bytes.insert(bytes.begin(), static_cast<std::uint8_t>(item));
  if (bytes.empty()) bytes.push_back(0);
  return bytes;
}

/// What is left to do, as actions: instructions don't travel. Which go to the action set are done at once, as
/// they come behind all actions that are left of their flow.
action::ActionList without_instructions(const action::ActionList& rest, action::ActionList& action_set) {
  action::ActionList actions;
  for (const action::Action& action : rest) {
    if (const auto* next = action::as<action::GotoTable>(action))
      actions.push_back(action::Resubmit{.table = next->table});
    else if (const auto* metadata = action::as<action::WriteMetadata>(action))
      actions.push_back(action::SetField{.field = field::FieldId::Metadata,
                                         .value = metadata->value & metadata->mask,
                                         .mask = metadata->mask});
    else if (action::as<action::ClearActions>(action))
      action_set = {};
    else if (const auto* write = action::as<action::WriteActions>(action))
      action_set.append(write->actions);
    else
      actions.push_back(action);
  }
  return actions;
}

}  // namespace

openflow::Continuation OpenFlowAgent::continuation_of(const pipeline::FrozenData& state,
                                                      const packet::Metadata& meta) const {
  openflow::Continuation continuation;
  continuation.bridge = bridge_id(env_.bridge, datapath_id_);
  for (auto item = state.stack.rbegin(); item != state.stack.rend(); ++item)
    continuation.stack.push_back(stack_bytes(*item));
  continuation.mirrors = state.mirrored;
  continuation.conntracked = state.conntracked;
  continuation.table = state.rule_table;
  if (state.from_rule) continuation.cookie = state.rule_cookie;
  continuation.action_set = state.action_set;
  continuation.actions = without_instructions(state.remaining, continuation.action_set);
  continuation.largest_fragment = meta.mru;
  continuation.fragment_id = meta.fragment_id;
  return continuation;
}

Status OpenFlowAgent::resume(const openflow::Resume& request) {
  const openflow::PacketIn& packet = request.packet;
  if (!packet.continuation || packet.continuation->bridge != bridge_id(env_.bridge, datapath_id_))
    return field::fail("the packet was not paused by this bridge (NXR_STALE)", OfError::NxrStale);
  const openflow::Continuation& continuation = *packet.continuation;
  SLUICE_TRY(action::check_executable(continuation.actions));
  SLUICE_TRY(action::check_executable(continuation.action_set));
  SLUICE_TRY(pipeline().check_references(continuation.actions));

  const flow::FlowKey& key = packet.metadata.value;
  pipeline::FrozenData state;
  state.in_port = key.in_port.host();
  state.metadata = key.metadata;
  state.regs = key.regs;
  for (auto item = continuation.stack.rbegin(); item != continuation.stack.rend(); ++item) {
    pipeline::StackItem& value = state.stack.emplace_back(0);
    for (const std::uint8_t byte : *item) value = value << 8 | byte;
  }
  state.action_set = continuation.action_set;
  state.remaining = continuation.actions;
  state.mirrored = continuation.mirrors;
  state.conntracked = continuation.conntracked;
  state.rule_table = continuation.table;
  state.from_rule = continuation.cookie.has_value();
  state.rule_cookie = continuation.cookie.value_or(0);
  const pipeline::FrozenRef frozen = pipeline().freeze(std::move(state));
  if (!frozen)
    return field::fail("too many packets are on their way (NXR_NOT_SUPPORTED)", OfError::NxrNotSupported);

  datapath::Injection injection{.bytes = packet.packet, .meta = metadata_of(key)};
  std::vector<std::uint8_t> with_room;
  if (key.packet_type.raw() != 0) {
    with_room = with_ethernet_room(packet.packet, key.packet_type);
    injection.bytes = with_room;
    injection.meta.bare = true;
  }
  injection.meta.in_port =
      pipeline().dp_port_of(key.in_port.host()).value_or(env_.upcalls.nowhere(env_.bridge));
  injection.meta.recirc_id = frozen->id();
  injection.meta.mru = continuation.largest_fragment;
  injection.meta.fragment_id = continuation.fragment_id;
  // One that is too short to be a packet goes nowhere.
  if (const Status sent = env_.datapath.inject(injection); !sent) return {};
  return {};
}

}  // namespace sluice::ofproto
