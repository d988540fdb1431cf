// Part of Translator: learn and fin_timeout, with which packets change the flow tables.
//
// The flow is made when a packet is translated, and kept from timing out, or made again, as often as packets
// of the megaflow are credited: whoever goes on through the learn action goes on learning.
#include <fmt/core.h>

#include "action/all_actions.h"
#include "field/match_text.h"
#include "net/protocol.h"
#include "pipeline/flow_inbox.h"
#include "pipeline/translator.h"

namespace sluice::pipeline {

using Kind = Trace::Kind;
namespace of_port = action::of_port;

namespace {

void add_load(const field::Subfield& to, field::FieldValue value, action::ActionList& actions) {
  if (to.width <= 64) {
    actions.push_back(action::Load{.destination = to, .value = static_cast<std::uint64_t>(value)});
    return;
  }
  actions.push_back(action::SetField{
      .field = to.field, .value = value << to.offset, .mask = field::ones(to.width) << to.offset});
}

/// Ports that a learned flow may output to: real ones, and those reserved ones that need nobody's leave.
bool may_output(std::uint32_t port) {
  return port < 0xff00 || port == of_port::kInPort || port == of_port::kFlood || port == of_port::kLocal ||
         port == of_port::kAll;
}

void add_match(const field::Subfield& to, field::FieldValue value, flow::Match& match) {
  const field::ValueMask before = field::get(match, to.field);
  const field::FieldValue mask = field::ones(to.width) << to.offset;
  field::set_match(match, to.field, (before.value & ~mask) | (value << to.offset), before.mask | mask);
}

}  // namespace

action::FlowSpec Translator::learned_flow(const action::Learn& learn) {
  using Target = action::Learn::Spec::Target;
  action::FlowSpec flow;
  flow.table = learn.table;
  flow.priority = learn.priority;
  flow.new_cookie = learn.cookie;
  flow.idle_timeout = learn.idle_timeout;
  flow.hard_timeout = learn.hard_timeout;
  flow.flags.send_flow_rem = learn.send_flow_rem;
  if (learn.fin_idle_timeout || learn.fin_hard_timeout)
    flow.actions.push_back(
        action::FinTimeout{.idle = learn.fin_idle_timeout, .hard = learn.fin_hard_timeout});
  for (const action::Learn::Spec& spec : learn.specs) {
    const field::FieldValue value = spec.source ? read(*spec.source) : spec.literal;
    switch (spec.target) {
      case Target::Match:
        add_match(spec.destination, value, flow.match);
        break;
      case Target::Load:
        add_load(spec.destination, value, flow.actions);
        break;
      case Target::Output: {
        const auto port = static_cast<std::uint32_t>(value);
        const std::uint32_t widened =
            value <= 0xffff ? action::port_from_16(static_cast<std::uint16_t>(port)) : port;
        if (may_output(widened)) flow.actions.push_back(action::Output{.port = widened});
        break;
      }
    }
  }
  action::settle(flow.actions, flow.match);
  return flow;
}

void Translator::learn(const action::Learn& learn) {
  auto flow = Ref<LearnedFlow>::adopt(new LearnedFlow(learned_flow(learn), learn.limit));
  const bool may = here_.tables->may_learn(*flow);
  if (tracing()) tell_learned(*flow, may);
  if (may && input_.may_learn) here_.tables->learn(flow, input_.now);
  if (may) credits_.add_learned(*here_.tables, flow, input_.may_learn);
  if (!learn.result) return;
  write(*learn.result, may ? 1 : 0);
  if (tracing()) tell_value(*learn.result);
}

void Translator::tell_learned(const LearnedFlow& flow, bool may) {
  if (!input_.may_learn) return note(Kind::Warning, "suppressing side effects, so learn action ignored");
  if (!may)
    return note(Kind::Warning, "learning failed: the table holds as many flows of that cookie as the limit");
  const action::FlowSpec& spec = flow.spec;
  std::string text = fmt::format("table={} ", spec.table);
  const std::string match = field::format_match(spec.match, input_.names.ports);
  if (!match.empty()) text += match + ' ';
  text += fmt::format("priority={}", spec.priority);
  if (spec.idle_timeout) text += fmt::format(" idle={}", spec.idle_timeout);
  if (spec.hard_timeout) text += fmt::format(" hard={}", spec.hard_timeout);
  if (*spec.new_cookie) text += fmt::format(" cookie={:#x}", *spec.new_cookie);
  note(Kind::Detail, text + " actions=" + action::format_actions(spec.actions, input_.names));
}

void Translator::fin_timeout(std::uint16_t idle, std::uint16_t hard) {
  if (!is_ip() || !rule_) return;
  mask_.bits.nw_proto = 0xff;
  if (flow_.nw_proto == net::ip_proto::kTcp) credits_.add_fin_timeout(*here_.tables, rule_, idle, hard);
}

}  // namespace sluice::pipeline
