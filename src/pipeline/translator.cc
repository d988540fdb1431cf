#include "pipeline/translator.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "action/all_actions.h"
#include "action/meter_spec.h"
#include "base/check.h"
#include "field/match_text.h"
#include "net/protocol.h"
#include "pipeline/action_set.h"
#include "pipeline/pipeline.h"

namespace sluice::pipeline {
namespace {

using dp_action::Program;
using field::FieldId;
using flow::FlowKey;
using packet::DropReason;
using Kind = Trace::Kind;
namespace of_port = action::of_port;
namespace eth = net::ethertype;
namespace proto = net::ip_proto;

/// OFPR_*: why a controller gets a packet.
constexpr std::uint8_t kReasonNoMatch = 0, kReasonAction = 1, kReasonInvalidTtl = 2, kReasonActionSet = 3,
                       kReasonGroup = 4, kReasonPacketOut = 5;
constexpr std::uint32_t kMplsBottom = 0x100;
/// resubmit's own spelling of IN_PORT has 16 bits.
constexpr std::uint32_t kInPort16 = 0xfff8;

/// IEEE 802.3 annex 57A: LACP and its kin.
constexpr std::uint16_t kSlowProtocols = 0x8809;

constexpr be32 kOnes32{0xffffffff};
constexpr be16 kOnes16{0xffff};

bool is_mpls(be16 eth_type) {
  return eth_type.host() == eth::kMpls || eth_type.host() == eth::kMplsMulticast;
}

unsigned vlan_count(const FlowKey& key) {
  unsigned n = 0;
  while (n < flow::kMaxVlans && (key.vlan[n].tci.host() & flow::kVlanPresent)) ++n;
  return n;
}

void clear_conntrack(FlowKey& key) {
  key.ct_state = key.ct_mark = {};
  key.ct_label = {};
  key.ct_zone = key.ct_tp_src = key.ct_tp_dst = {};
  key.ct_nw_proto = 0;
  key.ct_nw_src = key.ct_nw_dst = {};
  key.ct_ipv6_src = key.ct_ipv6_dst = {};
}

/// The members that say what lies below an MPLS label.
void copy_below_labels(const FlowKey& from, FlowKey& to) {
  to.nw_src = from.nw_src;
  to.nw_dst = from.nw_dst;
  to.ipv6_src = from.ipv6_src;
  to.ipv6_dst = from.ipv6_dst;
  to.ipv6_label = from.ipv6_label;
  to.nw_proto = from.nw_proto;
  to.nw_tos = from.nw_tos;
  to.nw_ttl = from.nw_ttl;
  to.nw_frag = from.nw_frag;
  to.arp_sha = from.arp_sha;
  to.arp_tha = from.arp_tha;
  to.nd_target = from.nd_target;
  to.nd_reserved = from.nd_reserved;
  to.nd_options_type = from.nd_options_type;
  to.tp_src = from.tp_src;
  to.tp_dst = from.tp_dst;
  to.tcp_flags = from.tcp_flags;
}

template <typename A>
constexpr bool kIs(const action::Action& action) {
  return action::as<A>(action) != nullptr;
}

/// Whether the action works on a packet whose last MPLS label has just been popped without knowing what is
/// below it.
bool works_without_layer3(const action::Action& a) {
  if (const auto* output = action::as<action::Output>(a))
    return output->port != of_port::kNormal && output->port != of_port::kTable;
  return kIs<action::OutputTruncated>(a) || kIs<action::Controller>(a) || kIs<action::Note>(a) ||
         kIs<action::StripVlan>(a) || kIs<action::PushVlan>(a) || kIs<action::SetVlanVid>(a) ||
         kIs<action::SetVlanPcp>(a) || kIs<action::SetEthSrc>(a) || kIs<action::SetEthDst>(a) ||
         kIs<action::SetQueue>(a) || kIs<action::PopQueue>(a) || kIs<action::WriteMetadata>(a) ||
         kIs<action::WriteActions>(a) || kIs<action::ClearActions>(a) || kIs<action::Exit>(a);
}

/// Whether the effects of a clone's actions are undone by putting the key back: else the datapath must clone
/// too.
bool reversible(const action::ActionList& actions) {
  return std::none_of(actions.begin(), actions.end(), [](const action::Action& a) {
    return kIs<action::CtAction>(a) || kIs<action::CtClear>(a) || kIs<action::OutputTruncated>(a) ||
           kIs<action::Meter>(a) || kIs<action::Encap>(a) || kIs<action::Decap>(a);
  });
}

/// The look-up key of resubmit(,,ct): the connection's original tuple in the place of addresses and ports.
void swap_tuple(FlowKey& key) {
  const bool ipv6 = key.eth_type.host() == eth::kIpv6;
  std::swap(key.nw_proto, key.ct_nw_proto);
  std::swap(key.tp_src, key.ct_tp_src);
  std::swap(key.tp_dst, key.ct_tp_dst);
  if (ipv6) {
    std::swap(key.ipv6_src, key.ct_ipv6_src);
    std::swap(key.ipv6_dst, key.ct_ipv6_dst);
  } else {
    std::swap(key.nw_src, key.ct_nw_src);
    std::swap(key.nw_dst, key.ct_nw_dst);
  }
}

std::string format_one(const action::Action& a, const action::Names& names) {
  std::string text;
  std::visit([&](const auto& it) { it.format(text, names); }, a.variant());
  return text;
}

}  // namespace

Translator::Translator(const TranslationInput& input, const FlowKey& key, flow::Mask& mask, Program& program,
                       Credits& credits)
    : input_(input),
      here_(input.bridge),
      flow_(key),
      base_(key),
      original_(key),
      mask_(mask),
      program_(&program),
      credits_(credits) {}

// --- The whole

void Translator::begin() {
  mask_.bits.in_port = mask_.bits.recirc_id = mask_.bits.packet_type = kOnes32;
  mask_.bits.eth_type = kOnes16;
  if (is_ip()) mask_.bits.nw_frag = flow::kFragAny | flow::kFragLater;
}

void Translator::run() {
  begin();
  std::uint8_t table = 0;
  if (flow_.recirc_id.raw() != 0) {
    if (!thaw()) return finish();
    table = thawed_->data.table;
  }
  if (thawed_ && !thawed_->data.bond.empty()) {
    leave_by_hash(thawed_->data.bond);
    return finish();
  }
  const PortInfo* const port = here_.ports->find(flow_.in_port.host());
  if (port && !receives(*port)) {
    hint(DropReason::PortNotReceiving);
    note(Kind::Error, "dropping packet: the input port does not receive");
    return finish();
  }
  if (port && !thawed_) look_at_input(*port);
  if ((flow_.nw_frag & flow::kFragAny) != 0 && here_.ports->config.fragments == FragmentMode::Drop) {
    hint(DropReason::ExplicitDrop);
    note(Kind::Error, "dropping packet: fragments are dropped by configuration");
    return finish();
  }
  if (!thawed_ && bar_ == Bar::None) mirror_input();
  if (thawed_ && !thawed_->data.remaining.empty()) {
    run_list(thawed_->data.remaining);
    if (next_table_) table = *next_table_;
  }
  outermost_ = true;
  if (table != action::kNoTable && !stopped())
    table_action(flow_.in_port.host(), table, OnMiss::AsConfigured, false);
  finish();
}

void Translator::run_actions(const action::ActionList& actions) {
  begin();
  in_packet_out_ = true;
  run_list(actions);
  if (next_table_ && !stopped())
    table_action(flow_.in_port.host(), *next_table_, OnMiss::AsConfigured, false);
  finish();
}

/// Whether the port takes the packet in: frames of spanning trees have a switch of their own.
bool Translator::receives(const PortInfo& port) {
  if (port.down) return false;
  return port.receive == port.receive_stp ? port.receive : is_tree_frame() ? port.receive_stp : port.receive;
}

/// Whether the frame is one of a spanning tree's, by its destination.
bool Translator::is_tree_frame() {
  constexpr std::uint64_t kBridgeGroup = 0x0180c2000000;
  mask_.bits.eth_dst = net::Mac::from_value(0xffffffffffff);
  return flow_.eth_dst.value() == kBridgeGroup;
}

/// The protocol that the frame is one of, if the switch speaks it on the port.
dp_action::Userspace::Slow Translator::own_protocol(const PortInfo& port) {
  using Slow = dp_action::Userspace::Slow;
  if (port.speaks_lacp && flow_.eth_type.host() == kSlowProtocols) return Slow::Lacp;
  if (!here_.ports->config.spanning_tree) return Slow::None;
  return is_tree_frame() ? Slow::Stp : Slow::None;
}

/// A frame that came in by a patch port goes to main: the state says where.
void Translator::tell_own_protocol(dp_action::Userspace::Slow slow) {
  FrozenData data;
  data.bridge = here_.pipeline;
  data.in_port = flow_.in_port.host();
  const std::uint32_t id = freeze(std::move(data));
  if (id == 0) return;
  emit_slow({.slow = slow, .recirc_id = id});
}

/// What comes before flows when a packet has just come in.
void Translator::look_at_input(const PortInfo& port) {
  slow_ = own_protocol(port);
  if (slow_ != dp_action::Userspace::Slow::None)
    bar_ = Bar::Own;
  else if (!port.tree_forwards && !port.tree_learns)
    bar_ = Bar::Tree;
}

void Translator::turn_away() {
  switch (bar_) {
    case Bar::None:
      break;
    case Bar::Copies:
      hint(DropReason::MirrorOutput);
      if (tracing())
        note(Kind::Error,
             fmt::format("dropping packet received on port {}, which is reserved exclusively for mirroring",
                         here_.ports->bundle_of(flow_.in_port.host())->name));
      break;
    case Bar::Own:
      emit_slow({.slow = slow_});
      break;
    case Bar::Tree:
      hint(DropReason::SpanningTree);
      break;
  }
}

bool Translator::thaw() {
  if (tracing()) input_.trace->open(Kind::Thaw, "thaw");
  thawed_ = input_.frozen.find(flow_.recirc_id.host());
  if (!thawed_) {
    fail(DropReason::RecirculationLost,
         fmt::format("Recirculation context not found for recirc_id 0x{:x}", flow_.recirc_id.host()));
    if (tracing()) input_.trace->close();
    return false;
  }
  credits_.add_state(thawed_);
  const FrozenData& data = thawed_->data;
  if (data.bridge != here_.pipeline) here_ = data.bridge->view();
  mirrored_ = data.mirrored;
  flow_.in_port = be32{data.in_port};
  flow_.metadata = data.metadata;
  flow_.regs = data.regs;
  stack_ = data.stack;
  action_set_ = data.action_set;
  table_ = data.rule_table;
  conntracked_ = data.conntracked;
  if (!conntracked_) clear_conntrack(flow_);
  base_ = flow_;
  if (tracing()) {
    if (data.table != action::kNoTable) note(Kind::Note, fmt::format("Resuming from table {}", data.table));
    input_.trace->close();
  }
  return true;
}

void Translator::finish_freezing(std::vector<Fork>* forks) {
  commit();
  FrozenData data = snapshot(action::kNoTable);
  data.remaining = std::move(frozen_rest_);
  data.conntracked = conntracked_;
  // What goes on behind a bucket or clone executes the action set itself.
  if (!forks) data.action_set = {};
  frozen_rest_ = {};
  freezing_ = false;
  const auto hash = std::exchange(frozen_hash_, std::nullopt);
  const auto paused = std::exchange(paused_, std::nullopt);
  if (paused) data.userdata = paused->userdata;
  const std::uint32_t id = freeze(std::move(data));
  if (id == 0) return;
  if (paused) return emit_packet_in(*paused, true, id);
  if (hash) emit(*hash);
  emit(dp_action::Recirc{id});
  delivered_ = true;
  if (!tracing() || !forks) return;
  flow::FlowKey key = flow_;
  key.recirc_id = be32{id};
  if (hash) key.dp_hash = be32{1};  // the trace has no packet to hash: one of the slots stands for all
  forks->push_back({id, std::nullopt, key});
}

void Translator::copy_conntrack(const FlowKey& from, FlowKey& to) {
  to.ct_state = from.ct_state;
  to.ct_mark = from.ct_mark;
  to.ct_label = from.ct_label;
  to.ct_zone = from.ct_zone;
  to.ct_nw_proto = from.ct_nw_proto;
  to.ct_tp_src = from.ct_tp_src;
  to.ct_tp_dst = from.ct_tp_dst;
  to.ct_nw_src = from.ct_nw_src;
  to.ct_nw_dst = from.ct_nw_dst;
  to.ct_ipv6_src = from.ct_ipv6_src;
  to.ct_ipv6_dst = from.ct_ipv6_dst;
}

void Translator::finish() {
  if (!error_ && !freezing_ && !action_set_.empty()) run_action_set();  // after exit too
  if (!error_ && freezing_) finish_freezing(&forks_);
  if (tracing())
    for (; open_traces_ > 0; --open_traces_) input_.trace->close();
  if (error_) program_->clear();
  // A port that only learns: NORMAL has seen the packet, and that was all.
  if (const PortInfo* port = here_.ports->find(flow_.in_port.host());
      port && !port->tree_forwards && port->tree_learns && !thawed_ && bar_ != Bar::Own) {
    program_->clear();
    delivered_ = false;
    hint(DropReason::SpanningTree);
  }
  // Nothing follows a clone at the end: the packet itself can do what its copy would.
  while (!program_->empty()) {
    auto* clone = std::get_if<dp_action::Clone>(&program_->back().variant());
    if (!clone) break;
    Program inner = std::move(clone->actions);
    program_->pop_back();
    for (dp_action::DpAction& action : inner) emit(std::move(action));
  }
  // Only the datapath's part of the key exists outside; how many VLAN tags there are decides where headers
  // are, and what is left when one is popped.
  for (unsigned i = 0; i < flow::kMaxVlans && i <= vlan_count(original_); ++i)
    mask_.bits.vlan[i].tci = mask_.bits.vlan[i].tci | be16{flow::kVlanPresent};
  // Labels that were pushed here were looked at too, but the packet that came had none.
  if (!is_mpls(original_.eth_type)) mask_.bits.mpls = {};
  mask_.bits.metadata = {};
  mask_.bits.regs = {};
  mask_.bits.actset_output = mask_.bits.conj_id = {};
}

std::optional<DropReason> Translator::drop() const {
  if (error_) return error_;
  if (delivered_) return std::nullopt;
  if (hint_) return hint_;
  if (missed_) return DropReason::TableMiss;
  return empty_rule_ ? DropReason::ExplicitDrop : DropReason::NoOutput;
}

void Translator::fail(DropReason reason, std::string text) {
  if (!error_) error_ = reason;
  note(Kind::Error, std::move(text));
}

bool Translator::resources_left() {
  if (depth_ >= kMaxResubmitDepth)
    fail(DropReason::ResubmitDepth, fmt::format("over max translation depth {}", kMaxResubmitDepth));
  else if (resubmits_ >= kMaxResubmits)
    fail(DropReason::ResubmitLimit, fmt::format("over {} resubmit actions", kMaxResubmits));
  else if (program_->size() > kMaxActions)
    fail(DropReason::TranslationTooLarge, "resubmits yielded too many datapath actions");
  else if (stack_.size() >= kMaxStack)
    fail(DropReason::TranslationTooLarge, "resubmits yielded too deep a stack");
  else
    return true;
  return false;
}

// --- Tables

Rule* Translator::look_up(std::uint32_t in_port, std::uint8_t& table, OnMiss on_miss, bool with_ct_tuple,
                          TableMiss& miss) {
  const be32 own_port = flow_.in_port;
  flow_.in_port = be32{in_port};
  flow::Mask swapped{};
  // As OpenFlow has it: ports of a fragment are not seen, though the first one carries them.
  const bool hides_ports =
      (flow_.nw_frag & flow::kFragAny) != 0 && here_.ports->config.fragments == FragmentMode::Normal;
  const be16 tp_src = flow_.tp_src, tp_dst = flow_.tp_dst;
  if (hides_ports) flow_.tp_src = flow_.tp_dst = {};
  if (with_ct_tuple) {
    swap_tuple(flow_);
    mask_.bits.ct_nw_proto = 0xff;
  }
  Rule* rule = nullptr;
  miss = TableMiss::Drop;
  for (;;) {
    rule = here_.tables->lookup(table, flow_, here_.version, with_ct_tuple ? &swapped : &mask_);
    credits_.add_table(&here_.tables->counters(table), rule != nullptr);
    if (rule || on_miss == OnMiss::Ignore) break;
    miss = here_.tables->miss(table);
    if (miss == TableMiss::Default) miss = here_.ports->config.default_miss;
    if (miss != TableMiss::Continue || table + 1u >= kTables) break;
    ++table;
  }
  if (with_ct_tuple) {
    swap_tuple(flow_);
    swap_tuple(swapped.bits);
    // swap_tuple() chose the address family by an EtherType, which a mask does not hold.
    if (flow_.eth_type.host() == eth::kIpv6) {
      std::swap(swapped.bits.ipv6_src, swapped.bits.ct_ipv6_src);
      std::swap(swapped.bits.ipv6_dst, swapped.bits.ct_ipv6_dst);
      std::swap(swapped.bits.nw_src, swapped.bits.ct_nw_src);
      std::swap(swapped.bits.nw_dst, swapped.bits.ct_nw_dst);
    }
    mask_.unite(swapped);
  }
  if (hides_ports) {
    flow_.tp_src = tp_src;
    flow_.tp_dst = tp_dst;
  }
  flow_.in_port = own_port;
  return rule;
}

void Translator::table_action(std::uint32_t in_port, std::uint8_t table, OnMiss on_miss, bool with_ct_tuple) {
  if (!resources_left()) return;
  const std::uint8_t own_table = table_;
  Rule* const own_rule = rule_;
  const bool outermost = std::exchange(outermost_, false), own_in_bucket = std::exchange(in_bucket_, false);
  unsigned opened = 0;
  Rule* first_rule = nullptr;
  ++depth_;
  for (;;) {
    table_ = table;
    if (table_ == 0 && here_.ports->config.stands_alone) {
      rule_ = nullptr;
      if (tracing()) input_.trace->open(Kind::Table, " 0. fail-open");
      ++opened;
      next_table_.reset();
      if (bar_ != Bar::None) {
        turn_away();
        break;
      }
      action::ActionList normal;
      normal.push_back(action::Output{.port = of_port::kNormal});
      run_list(normal);
      break;
    }
    TableMiss miss{};
    Rule* rule = look_up(in_port, table_, on_miss, with_ct_tuple, miss);
    with_ct_tuple = false;
    next_table_.reset();
    if (!rule) {
      missed_ = true;
      if (tracing()) input_.trace->open(Kind::Table, fmt::format("{:2}. No match.", table_));
      if (bar_ != Bar::None) {
        turn_away();
      } else if (miss == TableMiss::Controller) {
        const PortInfo* port = here_.ports->find(flow_.in_port.host());
        if (!port || port->packet_in) {
          rule_ = nullptr;
          note(Kind::Action, "CONTROLLER:65535");
          to_controller(0xffff, 0, kReasonNoMatch);
        }
      } else {
        note(Kind::Action, "drop");
      }
      if (tracing()) input_.trace->close();
      break;
    }
    ++resubmits_;
    rule_ = rule;
    if (!first_rule) first_rule = rule;
    credits_.add_rule(rule);
    if (tracing()) {
      const std::string& name = here_.tables->config(table_).name;
      std::string text =
          name.empty() ? fmt::format("{:2}. ", table_) : fmt::format("{:2}({}). ", table_, name);
      const std::string match = field::format_match(rule->match(), input_.names.ports);
      if (!match.empty()) text += match + ", ";
      text += fmt::format("priority {}", rule->priority());
      if (rule->cookie()) text += fmt::format(", cookie 0x{:x}", rule->cookie());
      input_.trace->open(Kind::Table, std::move(text));
    }
    ++opened;
    if (bar_ != Bar::None) {
      turn_away();
      break;
    }
    run_list(rule->actions());
    if (!next_table_ || stopped()) break;
    table = *next_table_;
    on_miss = OnMiss::AsConfigured;
  }
  next_table_.reset();
  // What follows the tables (the action set) is told as part of them.
  if (outermost)
    open_traces_ = opened;
  else if (tracing())
    for (; opened > 0; --opened) input_.trace->close();
  --depth_;
  in_bucket_ = own_in_bucket;
  // The action set runs in the name of the rule with which the packet's way began.
  rule_ = outermost ? first_rule : own_rule;
  table_ = own_table;
}

void Translator::resubmit(std::uint32_t in_port, std::uint8_t table, bool with_ct_tuple) {
  if (in_port == of_port::kInPort || in_port == kInPort16) in_port = flow_.in_port.host();
  if (table == action::kNoTable) table = table_;
  if (with_ct_tuple && (flow_.ct_nw_proto == 0 || !is_ip())) {
    mask_.bits.ct_nw_proto = 0xff;
    note(Kind::Error, "resubmit(ct) with non-tracked or non-IP packet!");
    return;
  }
  const std::optional<std::uint8_t> own_next = next_table_;
  table_action(in_port, table, OnMiss::Ignore, with_ct_tuple);
  next_table_ = own_next;
}

// --- Action lists

void Translator::run_list(const action::ActionList& actions, std::size_t first) {
  const bool own_last = last_;
  run_list_from(actions, first, own_last);
  last_ = own_last;
}

void Translator::run_list_from(const action::ActionList& actions, std::size_t first, bool own_last) {
  if (actions.empty()) {
    empty_rule_ = true;
    note(Kind::Action, "drop");
  }
  for (std::size_t i = first; i < actions.size() && !stopped(); ++i) {
    const action::Action& action = actions[i];
    if (was_mpls_ && !works_without_layer3(action)) {
      // The datapath must look below the popped label first: the rest waits for the packet to come back.
      freezing_ = true;
      was_mpls_ = false;
      keep_rest(actions, i);
      return;
    }
    last_ = own_last && i + 1 == actions.size();
    if (tracing()) note(Kind::Action, format_one(action, input_.names));
    if (const auto* check = action::as<action::CheckPktLarger>(action))
      return branch_on_size(check->size, check->destination, actions, i + 1);
    if (const auto* output = action::as<action::OutputReg>(action); output && tracing())
      note(Kind::Detail, fmt::format("output port is {}", static_cast<std::uint32_t>(read(output->source))));
    if (!run_one(action)) return;
    if (const auto* move = action::as<action::Move>(action); move && tracing()) tell_value(move->destination);
    if (freezing_) keep_rest(actions, i + 1);
  }
}

/// Behind what a resubmit led to comes what is left of the flow that did: its tables must be done by then.
void Translator::keep_rest(const action::ActionList& actions, std::size_t first) {
  for (std::size_t i = first; i < actions.size(); ++i) {
    const auto* next = action::as<action::GotoTable>(actions[i]);
    if (next && depth_ > 1)
      frozen_rest_.push_back(action::Resubmit{.table = next->table});
    else
      frozen_rest_.push_back(actions[i]);
  }
}

bool Translator::run_one(const action::Action& action) {
  return std::visit(
      [this](const auto& it) {
        if constexpr (std::is_same_v<decltype(it.translate(*this)), bool>) {
          return it.translate(*this);
        } else {
          it.translate(*this);
          return true;
        }
      },
      action.variant());
}

void Translator::clone(const action::ActionList& actions) {
  const FlowKey own_flow = flow_;
  std::vector<StackItem> own_stack = stack_;
  action::ActionList own_set = std::move(action_set_);
  action_set_ = {};
  const bool own_conntracked = conntracked_, own_was_mpls = was_mpls_;
  Program* const own_program = program_;
  FlowKey own_base = base_;
  Program inner;
  // What nothing follows needs no copy.
  const bool nested = !reversible(actions) && !(last_ && own_set.empty());
  if (nested) {
    commit();
    own_base = base_;
  }
  program_ = &inner;
  const bool own_hid_tag = std::exchange(hid_tag_, false);
  run_list(actions);
  // The rest of the clone waits for its own recirculation; the original goes on.
  if (freezing_)
    finish_freezing(nullptr);
  else if (!action_set_.empty() && !error_)
    run_action_set();
  program_ = own_program;
  const bool nothing_follows = exit_ && own_set.empty();
  if (nested ? nothing_follows : !hid_tag_)
    for (dp_action::DpAction& action : inner) emit(std::move(action));
  else if (!inner.empty())
    emit(dp_action::Clone{std::move(inner)});
  if (nested || hid_tag_) base_ = own_base;
  hid_tag_ = own_hid_tag;
  flow_ = own_flow;
  stack_ = std::move(own_stack);
  action_set_ = std::move(own_set);
  conntracked_ = own_conntracked;
  was_mpls_ = own_was_mpls;
  // exit_ stays: as in Open vSwitch, exit in a clone ends the original's actions too.
}

void Translator::check_pkt_larger(std::uint16_t size, const field::Subfield& target) {
  branch_on_size(size, target, {}, 0);
}

void Translator::branch_on_size(std::uint16_t size, const field::Subfield& target,
                                const action::ActionList& rest, std::size_t first) {
  // Both ways are translated with the same rest of the list; the datapath chooses. Each check doubles the
  // work.
  if (!resources_left()) return;
  ++resubmits_;
  ++depth_;
  commit();
  const FlowKey own_flow = flow_, own_base = base_;
  const std::vector<StackItem> own_stack = stack_;
  const action::ActionList own_set = action_set_;
  const std::optional<std::uint8_t> own_next = next_table_;
  const bool own_exit = exit_, own_conntracked = conntracked_, own_was_mpls = was_mpls_;
  const MirrorSet own_mirrored = mirrored_;
  Program* const own_program = program_;
  Program branches[2];
  for (const bool larger : {true, false}) {
    program_ = &branches[larger ? 0 : 1];
    write(target, larger ? 1 : 0);
    if (first < rest.size()) run_list(rest, first);
    if (next_table_ && !stopped())
      table_action(flow_.in_port.host(), *next_table_, OnMiss::AsConfigured, false);
    if (freezing_ && !error_) finish_freezing(nullptr);
    flow_ = own_flow;
    base_ = own_base;
    stack_ = own_stack;
    action_set_ = own_set;
    next_table_ = own_next;
    exit_ = own_exit;
    freezing_ = false;
    frozen_rest_ = {};
    conntracked_ = own_conntracked;
    was_mpls_ = own_was_mpls;
    mirrored_ = own_mirrored;
    if (error_) break;
  }
  --depth_;
  program_ = own_program;
  if (!branches[0].empty() || !branches[1].empty())
    emit(dp_action::CheckPktLen{size, std::move(branches[0]), std::move(branches[1])});
}

void Translator::write_actions(const action::ActionList& actions) {
  action_set_.append(actions);
  if (tracing())
    note(Kind::Detail, "action set is: " + action::format_actions(in_order(action_set_), input_.names));
}

void Translator::run_action_set() {
  const action::ActionList ordered = in_order(std::exchange(action_set_, {}));
  if (tracing()) input_.trace->open(Kind::Table, "--. Executing action set:");
  in_action_set_ = true;
  if (!ordered.empty() || tracing()) run_list(ordered);
  in_action_set_ = false;
  if (tracing()) input_.trace->close();
}

// --- Fields

bool Translator::is_ipv4() const {
  return flow_.eth_type.host() == eth::kIpv4;
}
bool Translator::is_ip() const {
  return is_ipv4() || flow_.eth_type.host() == eth::kIpv6;
}

unsigned Translator::mpls_labels() const {
  if (!is_mpls(flow_.eth_type)) return 0;
  for (unsigned n = 0; n < flow::kMaxMplsLabels; ++n)
    if (flow_.mpls[n].host() & kMplsBottom) return n + 1;
  return flow::kMaxMplsLabels;
}

bool Translator::present(field::Prereq needs) {
  using field::Prereq;
  const std::uint16_t type = flow_.eth_type.host();
  const auto transport = [&](std::uint8_t protocol) {
    if (!is_ip()) return false;
    mask_.bits.nw_proto = 0xff;
    return flow_.nw_proto == protocol && !(flow_.nw_frag & flow::kFragLater);
  };
  const auto neighbor = [&](std::uint8_t first, std::uint8_t second) {
    if (type != eth::kIpv6 || !transport(proto::kIcmpv6)) return false;
    mask_.bits.tp_src = mask_.bits.tp_dst = kOnes16;
    return (flow_.tp_src.host() == first || flow_.tp_src.host() == second) && flow_.tp_dst.host() == 0;
  };
  switch (needs) {
    case Prereq::None:
    case Prereq::Ethernet:
      return true;
    case Prereq::Arp:
      return type == eth::kArp || type == eth::kRarp;
    case Prereq::Vlan:
      mask_.bits.vlan[0].tci = mask_.bits.vlan[0].tci | be16{flow::kVlanPresent};
      return (flow_.vlan[0].tci.host() & flow::kVlanPresent) != 0;
    case Prereq::Ipv4:
      return is_ipv4();
    case Prereq::Ipv6:
      return type == eth::kIpv6;
    case Prereq::Ip:
      return is_ip();
    case Prereq::Mpls:
      return is_mpls(flow_.eth_type);
    case Prereq::Tcp:
      return transport(proto::kTcp);
    case Prereq::Udp:
      return transport(proto::kUdp);
    case Prereq::Sctp:
      return transport(proto::kSctp);
    case Prereq::Icmpv4:
      return is_ipv4() && transport(proto::kIcmp);
    case Prereq::Icmpv6:
      return type == eth::kIpv6 && transport(proto::kIcmpv6);
    case Prereq::Nd:
      return neighbor(net::icmpv6::kNeighborSolicit, net::icmpv6::kNeighborAdvert);
    case Prereq::NdSolicit:
      return neighbor(net::icmpv6::kNeighborSolicit, net::icmpv6::kNeighborSolicit);
    case Prereq::NdAdvert:
      return neighbor(net::icmpv6::kNeighborAdvert, net::icmpv6::kNeighborAdvert);
    case Prereq::CtTracked:
    case Prereq::CtTrackedIpv4:
    case Prereq::CtTrackedIpv6:
    case Prereq::CtTrackedPorts:
      return true;  // zero where there is none
  }
  return true;
}

bool Translator::has(FieldId id) {
  if (id == FieldId::VlanVid) return present(field::Prereq::Vlan);
  return present(field::spec(id).needs);
}

field::FieldValue Translator::read(const field::Subfield& sub) {
  field::unwildcard(mask_, sub);
  return field::get(flow_, sub);
}

void Translator::write(const field::Subfield& sub, field::FieldValue value) {
  if (!has(sub.field)) return;
  field::unwildcard(mask_, sub);
  const bool was_tagged = (flow_.vlan[0].tci.host() & flow::kVlanPresent) != 0;
  field::set(flow_, sub, value);
  if (sub.field != FieldId::DlVlan && sub.field != FieldId::DlVlanPcp && sub.field != FieldId::VlanTci)
    return;
  // These give an untagged packet a tag; vlan_tci without the bit that says "present" takes it away.
  flow::VlanTag& tag = flow_.vlan[0];
  if (tag.tci.host() & flow::kVlanPresent) {
    if (!was_tagged) tag.tpid = be16{eth::kVlan};
  } else if (was_tagged) {
    tag.tci = tag.tci | be16{flow::kVlanPresent};
    pop_vlan();
  } else {
    tag = {};
  }
}

void Translator::write_metadata(std::uint64_t value, std::uint64_t mask) {
  flow_.metadata = be64{(flow_.metadata.host() & ~mask) | (value & mask)};
}

void Translator::push(const field::Subfield& source) {
  if (stack_.size() >= kMaxStack) return fail(DropReason::TranslationTooLarge, "the stack is too deep");
  stack_.push_back(read(source));
}

void Translator::pop(const field::Subfield& target) {
  if (stack_.empty()) {
    note(Kind::Error, "stack underflow");
    return;
  }
  const field::FieldValue value = stack_.back() & field::ones(target.width);
  stack_.pop_back();
  write(target, value);
  if (tracing()) tell_value(target);
}

void Translator::tell_value(const field::Subfield& sub) {
  const field::FieldSpec& spec = field::spec(sub.field);
  const field::FieldValue value = field::get(flow_, sub);
  constexpr field::FieldValue kHalf = ~std::uint64_t{0};
  std::string text;
  if (sub.width == spec.bits)
    text = field::format_value(spec, value, field::ones(spec.bits), input_.names.ports);
  else if (value <= kHalf)
    text = fmt::format("{:#x}", static_cast<std::uint64_t>(value));
  else
    text = fmt::format("{:#x}{:016x}", static_cast<std::uint64_t>(value >> 64),
                       static_cast<std::uint64_t>(value & kHalf));
  if (text == "0x0") text = "0";
  note(Kind::Detail, fmt::format("{} is now {}", field::format_subfield(sub), text));
}

// --- Output

void Translator::output(std::uint32_t port, std::uint16_t max_len) {
  switch (port) {
    case of_port::kInPort:
      return compose_output(flow_.in_port.host());
    case of_port::kTable:
      return table_action(flow_.in_port.host(), 0, OnMiss::AsConfigured, false);
    case of_port::kNormal:
      return normal();
    case of_port::kFlood:
      return flood(false);
    case of_port::kAll:
      return flood(true);
    case of_port::kController:
      return to_controller(max_len, 0,
                           in_packet_out_   ? kReasonPacketOut
                           : in_bucket_     ? kReasonGroup
                           : in_action_set_ ? kReasonActionSet
                                            : kReasonAction);
    case of_port::kNone:
      return;
    default:
      return output_port(port);
  }
}

void Translator::output_truncated(std::uint32_t port, std::uint32_t max_len) {
  switch (port) {
    case of_port::kInPort:
      port = flow_.in_port.host();
      break;
    case of_port::kNone:
    case of_port::kTable:
    case of_port::kNormal:
    case of_port::kFlood:
    case of_port::kAll:
    case of_port::kController:
      note(Kind::Error,
           fmt::format("output_trunc does not support port: {}", action::format_port(port, input_.names)));
      return;
    default:
      if (port == flow_.in_port.host()) return output_port(port);
      break;
  }
  const PortInfo* info = here_.ports->find(port);
  if (info && info->patch) {
    note(Kind::Error,
         fmt::format("output_trunc does not support patch port {}", action::format_port(port, input_.names)));
    return;
  }
  // It limits the next output, whatever is rewritten between.
  if (info && info->forwards()) emit(dp_action::Truncate{max_len});
  compose_output(port);
}

void Translator::output_port(std::uint32_t port) {
  if (port == flow_.in_port.host()) {
    hint(DropReason::InputPortOnly);
    note(Kind::Warning, "skipping output to input port");
    return;
  }
  compose_output(port);
}

void Translator::compose_output(std::uint32_t port) {
  const PortInfo* info = here_.ports->find(port);
  if (!info) {
    hint(DropReason::NoPort);
    note(Kind::Warning, "Nonexistent output port");
    return;
  }
  if (!info->forwards()) {
    hint(DropReason::PortNotForwarding);
    note(Kind::Detail, "OFPPC_NO_FWD set, skipping output");
    return;
  }
  if (!info->tree_forwards) {
    hint(DropReason::SpanningTree);
    note(Kind::Warning, "STP not in forwarding state, skipping output");
    return;
  }
  const PortTable::Bundle* const bundle =
      here_.ports->mirrors.empty() ? nullptr : here_.ports->bundle_of(port);
  if (info->patch) {
    cross(*info);
    if (bundle) mirror(*bundle, bundle->destinations);
    return;
  }
  if (flow_.packet_type.raw() != 0) {
    hint(DropReason::UnsupportedPacketType);
    note(Kind::Warning, "Trying to send non-Ethernet packet through legacy L2 port. Dropping packet.");
    return;
  }
  const std::uint8_t own_tos = flow_.nw_tos;
  if (!info->queue_dscp.empty()) mark_for_queue(*info);
  commit();
  flow_.nw_tos = own_tos;  // of this output alone
  if (snaplen_ != 0) emit(dp_action::Truncate{snaplen_});
  emit(dp_action::Output{info->dp_port});
  delivered_ = true;
  if (bundle) mirror(*bundle, bundle->destinations);
}

void Translator::mark_for_queue(const PortInfo& port) {
  constexpr std::uint8_t kEcn = 0x03;
  mask_.bits.skb_priority = kOnes32;
  const auto found = port.queue_dscp.find(flow_.skb_priority.host());
  if (found == port.queue_dscp.end() || !has(FieldId::IpDscp)) return;
  mask_.bits.nw_tos |= static_cast<std::uint8_t>(~kEcn);
  flow_.nw_tos = static_cast<std::uint8_t>((flow_.nw_tos & kEcn) | found->second << 2);
}

void Translator::flood(bool all) {
  bool any = false;
  const bool own_last = std::exchange(last_, false);
  for (const PortTable::Port& port : here_.ports->ports) {
    if (port.of_port == flow_.in_port.host() || (!all && !port.info.flood)) continue;
    compose_output(port.of_port);
    any = true;
  }
  last_ = own_last;
  if (!any) hint(DropReason::InputPortOnly);
}

void Translator::to_controller(std::uint16_t max_len, std::uint16_t controller_id, std::uint8_t reason) {
  action::Controller action;
  action.max_len = max_len;
  action.id = controller_id;
  action.reason = reason;
  controller(action);
}

void Translator::controller(const action::Controller& asked) {
  action::Controller action = asked;
  if (action.reason == kReasonAction && rule_ && rule_->priority() == 0 && rule_->match() == flow::Match{})
    action.reason = kReasonExplicitMiss;
  // The action stands there even where nobody wants the packet, as Open vSwitch has it.
  const bool wanted = action.reason != kReasonInvalidTtl || here_.ports->config.invalid_ttl_to_controller;
  commit();
  if (action.pause) {
    // Whoever resumes the packet takes it on from the next action.
    freezing_ = true;
    paused_ = action;
    return;
  }
  FrozenData data = snapshot(action::kNoTable);
  data.conntracked = conntracked_;
  data.userdata = action.userdata;
  const std::uint32_t id = freeze(std::move(data));
  if (id != 0) emit_packet_in(action, wanted, id);
}

void Translator::emit_packet_in(const action::Controller& action, bool wanted, std::uint32_t state) {
  dp_action::Userspace upcall{.reason = action.reason,
                              .max_len = action.max_len,
                              .controller_id = action.id,
                              .dont_send = !wanted,
                              .continuation = action.pause,
                              .recirc_id = state,
                              .rule_cookie = rule_ ? rule_->cookie() : ~std::uint64_t{0}};
  // The meter of all that goes to controllers stands in for one that is not named, or not there.
  auto meter = action.has_meter ? here_.tables->find_meter(action.meter) : std::nullopt;
  if (!meter) meter = here_.tables->find_meter(action::meter_id::kController);
  emit_metered(upcall, meter);
  delivered_ |= wanted;
}

/// A frame for main itself.
void Translator::emit_slow(dp_action::Userspace frame) {
  emit_metered(frame, here_.tables->find_meter(action::meter_id::kSlowpath));
  delivered_ = true;
}

/// What a meter drops is the copy that is handed up: the packet goes on. In the words of Open vSwitch a
/// sample of all.
void Translator::emit_metered(const dp_action::Userspace& upcall, std::optional<std::uint32_t> meter) {
  if (meter)
    emit(dp_action::Sample{UINT32_MAX, dp_action::Program{dp_action::Meter{*meter}, upcall}});
  else
    emit(upcall);
}

void Translator::meter(std::uint32_t id) {
  const auto meter = here_.tables->find_meter(id);
  if (!meter) return;
  commit();
  emit(dp_action::Meter{*meter});
}

bool Translator::decrement_ttl() {
  constexpr std::uint16_t kDefaultController[] = {0};
  return decrement_ttl_of(kDefaultController);
}

bool Translator::decrement_ttl_for(std::span<const std::uint16_t> controllers) {
  return controllers.empty() ? decrement_ttl() : decrement_ttl_of(controllers);
}

bool Translator::decrement_ttl_of(std::span<const std::uint16_t> controllers) {
  if (!is_ip()) return true;
  mask_.bits.nw_ttl = 0xff;
  if (flow_.nw_ttl > 1) {
    --flow_.nw_ttl;
    return true;
  }
  hint(DropReason::TtlExpired);
  note(Kind::Warning, is_ipv4() ? "IPv4 decrement TTL exception" : "IPv6 decrement TTL exception");
  for (const std::uint16_t id : controllers) to_controller(0xffff, id, kReasonInvalidTtl);
  return false;
}

bool Translator::decrement_mpls_ttl() {
  if (!is_mpls(flow_.eth_type)) return true;
  const std::uint32_t entry = flow_.mpls[0].host();
  mask_.bits.mpls[0] = mask_.bits.mpls[0] | be32{0xff};
  if ((entry & 0xff) > 1) {
    flow_.mpls[0] = be32{entry - 1};
    return true;
  }
  hint(DropReason::TtlExpired);
  note(Kind::Warning, "MPLS decrement TTL exception");
  to_controller(0xffff, 0, kReasonInvalidTtl);
  return false;
}

void Translator::set_queue(std::uint32_t queue) {
  flow_.skb_priority = be32{queue};
  mask_.bits.skb_priority = kOnes32;
}
void Translator::pop_queue() {
  flow_.skb_priority = original_.skb_priority;
  mask_.bits.skb_priority = kOnes32;
}

// --- VLAN, MPLS

void Translator::push_vlan(be16 tpid) {
  const unsigned tags = vlan_count(flow_);
  for (unsigned i = 0; i < tags; ++i) mask_.bits.vlan[i] = {kOnes16, kOnes16};
  const flow::VlanTag pushed{tpid, be16{flow::kVlanPresent}};
  if (tags == flow::kMaxVlans) {
    // The innermost tag leaves our sight: the push can't be put off, or it would be lost.
    commit();
    emit(dp_action::PushVlan{pushed.tpid, pushed.tci});
    hid_tag_ = true;
  }
  for (unsigned i = flow::kMaxVlans - 1; i > 0; --i) flow_.vlan[i] = flow_.vlan[i - 1];
  flow_.vlan[0] = pushed;
  if (tags == flow::kMaxVlans) base_.vlan = flow_.vlan;
}

void Translator::pop_vlan() {
  mask_.bits.vlan[0].tci = mask_.bits.vlan[0].tci | be16{flow::kVlanPresent};
  const unsigned tags = vlan_count(flow_);
  if (tags == 0) return;
  for (unsigned i = 1; i < tags; ++i) mask_.bits.vlan[i] = {kOnes16, kOnes16};
  for (unsigned i = 0; i + 1 < flow::kMaxVlans; ++i) flow_.vlan[i] = flow_.vlan[i + 1];
  flow_.vlan[flow::kMaxVlans - 1] = {};
}

void Translator::push_mpls(be16 eth_type) {
  const unsigned labels = mpls_labels();
  for (unsigned i = 0; i < labels; ++i) mask_.bits.mpls[i] = kOnes32;
  if (labels >= flow::kMaxMplsLabels)
    return fail(
        DropReason::MplsDepth,
        fmt::format(
            "dropping packet on which an MPLS push action can't be performed as it would have more MPLS "
            "LSEs than the {} supported.",
            flow::kMaxMplsLabels));
  if (labels == 0) commit();  // below a label nothing can be rewritten
  std::uint32_t entry = 0;
  if (labels != 0) {
    entry = flow_.mpls[0].host() & ~kMplsBottom;
  } else {
    // RFC 3032 section 2.1: explicit null of IPv4 or IPv6; class and TTL come from the packet.
    std::uint8_t ttl = 64, traffic_class = 0;
    std::uint32_t label = 0;
    if (is_ip()) {
      mask_.bits.nw_tos |= 0xfc;
      mask_.bits.nw_ttl = 0xff;
      traffic_class = (flow_.nw_tos & 0xfc) >> 2;
      if (flow_.nw_ttl) ttl = flow_.nw_ttl;
      label = is_ipv4() ? 0 : 2;
    }
    entry = label << 12 | (traffic_class & 7u) << 9 | kMplsBottom | ttl;
  }
  for (unsigned i = flow::kMaxMplsLabels - 1; i > 0; --i) flow_.mpls[i] = flow_.mpls[i - 1];
  flow_.mpls[0] = be32{entry};
  flow_.eth_type = eth_type;
  was_mpls_ = false;
  if (labels != 0) return;
  copy_below_labels(FlowKey{}, flow_);
}

void Translator::pop_mpls(be16 eth_type) {
  const unsigned labels = mpls_labels();
  if (labels == 0) return;
  for (unsigned i = 0; i < labels; ++i) mask_.bits.mpls[i] = kOnes32;
  if (labels == flow::kMaxMplsLabels && !(flow_.mpls[labels - 1].host() & kMplsBottom))
    return fail(
        DropReason::MplsDepth,
        fmt::format("dropping packet on which an MPLS pop action can't be performed as it has more MPLS LSEs "
                    "than the {} supported.",
                    flow::kMaxMplsLabels));
  for (unsigned i = 0; i + 1 < flow::kMaxMplsLabels; ++i) flow_.mpls[i] = flow_.mpls[i + 1];
  flow_.mpls[flow::kMaxMplsLabels - 1] = {};
  flow_.eth_type = eth_type;
  if (is_mpls(eth_type)) return;
  // What comes to light is not known, but it has not been rewritten.
  copy_below_labels(base_, flow_);
  was_mpls_ = true;
}

void Translator::encap_ethernet() {
  if (flow_.packet_type.raw() == 0)
    return fail(DropReason::UnsupportedPacketType,
                "Dropping packet as encap(ethernet) is not supported for packet type ethernet.");
  commit();
  flow_.packet_type = {};
  flow_.eth_src = flow_.eth_dst = {};
}

void Translator::decap() {
  const std::uint32_t type = flow_.packet_type.host();
  if (type != 0)
    return fail(DropReason::UnsupportedPacketType,
                fmt::format("Dropping packet as the decap() does not support packet type ({},{:#x})",
                            type >> 16, type & 0xffff));
  if ((flow_.vlan[0].tci.host() & flow::kVlanPresent) != 0)
    return fail(DropReason::UnsupportedPacketType,
                "Dropping packet, cannot decap Ethernet if VLAN is present.");
  commit();
  flow_.packet_type = be32{flow::kBarePacketType | flow_.eth_type.host()};
  flow_.eth_src = flow_.eth_dst = {};
  commit();
}

// --- Connection tracking

FrozenData Translator::snapshot(std::uint8_t table) const {
  FrozenData data;
  data.bridge = here_.pipeline;
  data.mirrored = mirrored_;
  data.in_port = flow_.in_port.host();
  data.metadata = flow_.metadata;
  data.regs = flow_.regs;
  data.stack = stack_;
  data.action_set = action_set_;
  data.table = table;
  data.rule_table = table_;
  data.rule_cookie = rule_ ? rule_->cookie() : ~std::uint64_t{0};
  data.from_rule = rule_ != nullptr;
  return data;
}

std::uint32_t Translator::freeze(FrozenData data) {
  FrozenRef state = input_.frozen.intern(std::move(data));
  if (!state) {
    fail(DropReason::RecirculationExhausted, "Failed to allocate recirculation id");
    return 0;
  }
  const std::uint32_t id = state->id();
  credits_.add_state(std::move(state));
  return id;
}

void Translator::ct(const action::CtAction& action) {
  commit();
  conntrack::CtRequest request = action.resolve(*this);
  request.cookie = rule_ ? rule_->cookie() : 0;
  if (tracing()) {
    if (action.nested.empty()) note(Kind::Action, "drop");
    for (const action::Action& nested : action.nested) note(Kind::Action, format_one(nested, input_.names));
  }
  emit(dp_action::Ct{request});
  if (action.table != action::kNoTable) {
    FrozenData data = snapshot(action.table);
    data.conntracked = true;
    data.zone = request.zone;
    // The state is of the packet, not of the rule: equal ones of different rules are one.
    data.rule_cookie = 0;
    data.from_rule = false;
    data.rule_table = action.table;
    const std::uint32_t id = freeze(std::move(data));
    if (id == 0) return;
    emit(dp_action::Recirc{id});
    delivered_ = true;
    if (tracing()) {
      FlowKey key = flow_;
      key.recirc_id = be32{id};
      forks_.push_back({id, request, key});
      note(Kind::Detail, fmt::format("A clone of the packet is forked to recirculate. The forked pipeline "
                                     "will be resumed at table {}.",
                                     action.table));
    }
  }
  hide_conntrack();
}

void Translator::hide_conntrack() {
  conntracked_ = false;
  clear_conntrack(flow_);
  clear_conntrack(base_);
  note(Kind::Detail, "Sets the packet to an untracked state, and clears all the conntrack fields.");
}

void Translator::ct_clear() {
  // What the datapath does not know as tracked need not be cleared there.
  if (conntracked_) emit(dp_action::CtClear{});
  conntracked_ = false;
  clear_conntrack(flow_);
  clear_conntrack(base_);
}

}  // namespace sluice::pipeline
