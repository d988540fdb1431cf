// Patch ports: the packet goes on in another bridge, within the same translation. There it begins anew:
// without registers, metadata and action set, and nobody there can see what the connection tracker said of
// it. Nothing of what happens there shows when the first bridge goes on with it.
#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "pipeline/pipeline.h"
#include "pipeline/translator.h"

namespace sluice::pipeline {

using packet::DropReason;
using Kind = Trace::Kind;

namespace {

/// What putting back the headers does not undo.
bool is_irreversible(const dp_action::Program& program) {
  return std::any_of(program.begin(), program.end(), [](const dp_action::DpAction& action) {
    return std::holds_alternative<dp_action::Ct>(action) ||
           std::holds_alternative<dp_action::CtClear>(action) ||
           std::holds_alternative<dp_action::Truncate>(action) ||
           std::holds_alternative<dp_action::Meter>(action) ||
           std::holds_alternative<dp_action::PopEth>(action) ||
           std::holds_alternative<dp_action::PushEth>(action) ||
           std::holds_alternative<dp_action::PopMpls>(action) ||
           std::holds_alternative<dp_action::PushMpls>(action);
  });
}

}  // namespace

void Translator::cross(const PortInfo& from) {
  const PatchEnd& patch = *from.patch;
  if (!patch.peer) return hint(DropReason::NoPort);
  if (!resources_left()) return;
  const BridgeView there = patch.peer->view();
  const PortInfo* const entry = there.ports->find(patch.peer_port);
  if (!entry || !entry->patch) return hint(DropReason::NoPort);
  credits_.add_traffic(patch.sent);
  credits_.add_traffic(entry->patch->received);

  const flow::FlowKey own_flow = flow_, own_base = base_;
  const BridgeView own_here = std::exchange(here_, there);
  std::vector<StackItem> own_stack = std::exchange(stack_, {});
  action::ActionList own_set = std::exchange(action_set_, {});
  action::ActionList own_rest = std::exchange(frozen_rest_, {});
  Rule* const own_rule = std::exchange(rule_, nullptr);
  const std::optional<std::uint8_t> own_next = std::exchange(next_table_, std::nullopt);
  const std::uint8_t own_table = std::exchange(table_, 0);
  const unsigned own_open = std::exchange(open_traces_, 0);
  const bool own_conntracked = std::exchange(conntracked_, false);
  const bool own_was_mpls = was_mpls_, own_last = std::exchange(last_, true);
  const bool own_hid_tag = std::exchange(hid_tag_, false);
  const bool own_outermost = std::exchange(outermost_, false), own_exit = std::exchange(exit_, false);
  const bool own_in_bucket = std::exchange(in_bucket_, false);
  const bool own_in_set = std::exchange(in_action_set_, false);
  const MirrorSet own_mirrored = std::exchange(mirrored_, 0);
  const std::uint16_t own_snaplen = std::exchange(snaplen_, 0);
  dp_action::Program inner;
  dp_action::Program* const own_program = std::exchange(program_, &inner);
  ++depth_;
  ++resubmits_;

  flow_.in_port = be32{patch.peer_port};
  flow_.metadata = {};
  flow_.regs = {};
  flow_.actset_output = {};
  copy_conntrack(flow::FlowKey{}, flow_);
  copy_conntrack(flow::FlowKey{}, base_);
  if (tracing()) input_.trace->open(Kind::Bridge, fmt::format("bridge(\"{}\")", here_.ports->config.name));
  run_crossed(*entry);
  if (tracing()) {
    for (; open_traces_ > 0; --open_traces_) input_.trace->close();
    input_.trace->close();
  }

  --depth_;
  // A mistake of the other bridge's flows is not ours; only what bounds the work ends all of it.
  if (error_ && error_ != DropReason::ResubmitDepth && error_ != DropReason::ResubmitLimit &&
      error_ != DropReason::TranslationTooLarge)
    error_.reset();
  program_ = own_program;
  last_ = own_last;
  const bool copied = (is_irreversible(inner) || hid_tag_) && !own_last;
  if (!copied) {
    for (dp_action::DpAction& action : inner) emit(std::move(action));
  } else {
    emit(dp_action::Clone{std::move(inner)});
  }
  if (copied)
    base_ = own_base;
  else
    copy_conntrack(own_base, base_);
  flow_ = own_flow;
  here_ = own_here;
  stack_ = std::move(own_stack);
  action_set_ = std::move(own_set);
  frozen_rest_ = std::move(own_rest);
  rule_ = own_rule;
  next_table_ = own_next;
  table_ = own_table;
  open_traces_ = own_open;
  conntracked_ = own_conntracked;
  was_mpls_ = own_was_mpls;
  hid_tag_ = own_hid_tag;
  outermost_ = own_outermost;
  exit_ = own_exit;
  in_bucket_ = own_in_bucket;
  in_action_set_ = own_in_set;
  mirrored_ = own_mirrored;
  snaplen_ = own_snaplen;
}

/// The packet's way through the other bridge, its action set and what waits for recirculation included.
void Translator::run_crossed(const PortInfo& entry) {
  if (!receives(entry)) return hint(DropReason::PortNotReceiving);
  if (const auto slow = own_protocol(entry); slow != dp_action::Userspace::Slow::None)
    return tell_own_protocol(slow);
  if (!entry.tree_forwards) return hint(DropReason::SpanningTree);
  const Bar own_bar = std::exchange(bar_, Bar::None);
  mirror_input();
  outermost_ = true;
  table_action(flow_.in_port.host(), 0, OnMiss::AsConfigured, false);
  if (!error_ && !freezing_ && !action_set_.empty()) run_action_set();
  if (freezing_ && !error_) finish_freezing(&forks_);
  freezing_ = false;
  bar_ = own_bar;
}

}  // namespace sluice::pipeline
