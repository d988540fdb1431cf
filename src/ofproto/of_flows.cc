// Flow-mods and bundles, and what they bring about: flow-removed messages, flow monitors.
#include <fmt/core.h>

#include <deque>

#include "action/all_actions.h"
#include "datapath/datapath.h"
#include "field/of_error.h"
#include "ofproto/of_actions.h"
#include "ofproto/of_outgoing.h"
#include "ofproto/openflow_agent.h"
#include "ofproto/sessions.h"

namespace sluice::ofproto {

using field::OfError;
using openflow::as;
using pipeline::FlowEvent;

namespace {

constexpr std::uint32_t kNoBuffer = 0xffffffff;

/// What is wrong with a flow-mod before anybody looks at the tables.
Status admit(const action::FlowSpec& flow) {
  const bool deletes = flow.command >= action::FlowCommand::Delete;
  // This switch keeps no packets: no buffer can be known.
  if (!deletes && flow.buffer_id != kNoBuffer)
    return field::fail(fmt::format("buffer {:#x} is unknown (OFPBRC_BUFFER_UNKNOWN)", flow.buffer_id),
                       OfError::BrcBufferUnknown);
  if (flow.table >= kVisibleTables && flow.table != action::kNoTable)
    return field::fail(fmt::format("table {} is the switch's own (OFPBRC_EPERM)", flow.table),
                       OfError::BrcEperm);
  // What recirculation means to the switch is its own, too.
  const bool recirculated =
      !(flow.match.value.recirc_id == be32{}) || !(flow.match.mask.bits.dp_hash == be32{});
  if (flow.command == action::FlowCommand::Add && recirculated)
    return field::fail("a flow that matches dp_hash or a recirc_id (OFPBRC_EPERM)", OfError::BrcEperm);
  return {};
}

openflow::FlowRemoved removed_message(const FlowEvent& event, Instant now) {
  const pipeline::FlowInfo flow = event.rule->info();
  const std::int64_t age_ns = flow.counters(now).duration_ns;
  constexpr std::int64_t kSecond = Duration::seconds(1).ns;
  return {.match = flow.match,
          .priority = flow.priority,
          .cookie = flow.cookie,
          .reason = static_cast<openflow::FlowRemovedReason>(event.reason),
          .table = flow.table,
          .duration_s = static_cast<std::uint32_t>(age_ns / kSecond),
          .duration_ns = static_cast<std::uint32_t>(age_ns % kSecond),
          .idle_timeout = flow.idle_timeout,
          .hard_timeout = flow.hard_timeout,
          .packets = flow.packets,
          .bytes = flow.bytes};
}

/// Datapath actions that the packet-outs of one bundle may come to, which all wait for its end: up to a
/// kilobyte each, as one that rewrites headers holds two keys.
constexpr std::size_t kBundledActions = 1 << 18;

}  // namespace

Status OpenFlowAgent::change_flow(Session& session, const Message& request, const openflow::FlowMod& mod) {
  SLUICE_TRY(admit(mod.flow));
  const action::FlowSpec* flow = &mod.flow;
  std::optional<action::FlowSpec> resetting;
  // What replaces a flow counts anew in 1.0 and 1.1, which have no flag for it.
  if (session.version() < openflow::k12 && flow->command == action::FlowCommand::Add) {
    resetting = *flow;
    resetting->flags.reset_counts = true;
    flow = &*resetting;
  }
  SLUICE_ASSIGN(const auto result, pipeline().apply(*flow, now()));
  conclude(result, &session, request.xid);
  return {};
}

Status OpenFlowAgent::check(const Message& message) {
  if (const auto* mod = as<openflow::FlowMod>(message)) return admit(mod->flow);
  if (const auto* out = as<openflow::PacketOut>(message); out != nullptr && out->buffer)
    return unknown_buffer(*out->buffer);
  return {};
}

/// Flows to be added, the most of what is in bundles, as rules.
openflow::Prepared OpenFlowAgent::prepare(const Message& message) {
  const auto* mod = as<openflow::FlowMod>(message);
  if (!mod || mod->flow.command != action::FlowCommand::Add) return {};
  // What is wrong with its actions is said when it is its turn.
  auto prepared = pipeline().prepare(mod->flow);
  if (!prepared) return {};
  const auto& [mask, actions] = prepared->shared;
  return {.what = prepared->rule.release(),
          .bytes = prepared->bytes,
          .shared = {{{mask.what, mask.bytes}, {actions.what, actions.bytes}}}};
}

void OpenFlowAgent::drop(void* prepared) {
  const auto rule = pipeline::RuleRef::adopt(static_cast<pipeline::Rule*>(prepared));
}

Status OpenFlowAgent::commit(Session& session, openflow::BundleMessages& messages,
                             const openflow::BundleFlags&) {
  const bool forwards = env_.sessions.wanted(openflow::AsyncKind::RequestForward, kForwardGroup);
  std::deque<Outgoing> packets;
  std::size_t kept_actions = 0;
  std::vector<openflow::PortMod> port_mods;
  openflow::BundleMessages group_mods(session.version(), true);  ///< for the other controllers
  std::uint32_t xid = 0;
  pipeline::Observation look;
  const auto next_step = [&]() -> Result<std::optional<pipeline::Step>> {
    for (;;) {
      SLUICE_ASSIGN(const auto next, messages.next());
      if (next.prepared) {
        xid = openflow::decode_header(messages.current_add())->xid;
        return pipeline::RuleRef::adopt(static_cast<pipeline::Rule*>(next.prepared));
      }
      const Message* message = next.message;
      if (!message) return std::nullopt;
      xid = message->xid;
      if (const auto* flow = as<openflow::FlowMod>(*message)) return &flow->flow;
      if (const auto* group = as<openflow::GroupMod>(*message)) {
        if (forwards) group_mods.append(messages.current_add());
        return &group->group;
      }
      if (const auto* port = as<openflow::PortMod>(*message)) {
        SLUICE_TRY(check_port_mod(*port));
        port_mods.push_back(*port);
        continue;
      }
      const auto* out = as<openflow::PacketOut>(*message);
      if (!out)
        return field::fail(fmt::format("{} in a bundle (OFPBFC_MSG_UNSUP)", message->form->name),
                           OfError::BfcMsgUnsup);
      SLUICE_ASSIGN(Outgoing packet, prepare(*out, session.version()));
      // It meets the tables as the messages before it leave them, and goes when all have taken effect.
      look = [this, &kept_actions,
              &packet = packets.emplace_back(std::move(packet))](std::uint64_t version) -> Status {
        SLUICE_TRY(pipeline().check_references(*packet.actions));
        translate(packet, version);
        packet.keep_bytes();
        kept_actions += packet.result.program.size();
        if (kept_actions > kBundledActions)
          return field::fail("what the packets of the bundle come to is too much (OFPBFC_MSG_TOO_MANY)",
                             OfError::BfcMsgTooMany);
        return {};
      };
      return &look;
    }
  };
  SLUICE_ASSIGN(const auto result, pipeline().apply(next_step, now()));
  for (const openflow::PortMod& port : port_mods) change_port(port);
  for (Outgoing& packet : packets) emit(packet);
  conclude(result, &session, xid);
  for (auto next = group_mods.next(); next && next->message; next = group_mods.next())
    forward(session, *next->message, kForwardGroup);
  return {};
}

void OpenFlowAgent::conclude(const pipeline::FlowModResult& result, Session* source, std::uint32_t xid) {
  if (!result.before.empty()) tell(result.before, nullptr, 0);
  if (!result.events.empty()) tell(result.events, source, xid);
  monitors_.pause_slow();
  if (watches_vacancy_) watch_vacancy();
}

void OpenFlowAgent::tell(std::span<const FlowEvent> events, Session* source, std::uint32_t xid) {
  tell_removed(events);
  if (!monitors_.empty()) monitors_.tell(events, source, xid);
}

void OpenFlowAgent::tell_what_packets_did() {
  if (pipeline().has_events()) tell(pipeline().take_events().events, nullptr, 0);
}

void OpenFlowAgent::tell_removed(std::span<const FlowEvent> events) {
  bool pushed = false;
  for (const FlowEvent& event : events) {
    if (event.kind != FlowEvent::Kind::Removed || !event.rule->flags().send_flow_rem) continue;
    const auto reason = static_cast<unsigned>(event.reason);
    if (!env_.sessions.wanted(openflow::AsyncKind::FlowRemoved, reason)) continue;
    // What workers have counted for the flow and not said yet belongs to it.
    if (!std::exchange(pushed, true)) env_.datapath.push_stats();
    env_.sessions.deliver(openflow::AsyncKind::FlowRemoved, reason, removed_message(event, now()));
  }
}

}  // namespace sluice::ofproto
