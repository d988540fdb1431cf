// One translation: runs a packet's key through the tables and makes of it datapath actions and the mask that
// they depend on. Implements what actions may do (action::Translation).
//
// The idea: `flow_` is the packet as OpenFlow sees it at this point, `base_` as the datapath actions so far
// have made it. Headers are rewritten only when someone looks (output, ct, controller): commit() emits the
// difference. Whatever is read or written is un-wildcarded, so that all packets of the megaflow have the same
// difference.
//
// Lives for one translation, on one thread, inside an RCU read section.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "action/controller.h"
#include "action/translation.h"
#include "base/clock.h"
#include "dp_action/program.h"
#include "l2/mac_table.h"
#include "l2/multicast_table.h"
#include "packet/drop_reason.h"
#include "pipeline/credits.h"
#include "pipeline/frozen_state.h"
#include "pipeline/l2_dependence.h"
#include "pipeline/port_table.h"
#include "pipeline/table.h"
#include "pipeline/trace.h"

namespace sluice::pipeline {

/// As Open vSwitch has them: flow tables that go beyond are wrong.
inline constexpr unsigned kMaxResubmitDepth = 64;
inline constexpr unsigned kMaxResubmits = 4096;
/// Datapath actions of one translation; items on its stack.
inline constexpr std::size_t kMaxActions = 4096;
inline constexpr std::size_t kMaxStack = 4096;
/// Buckets of watched groups that are looked at for signs of life: groups that watch groups are a tree, and
/// one can be told in a few messages that is larger than the world. Beyond it a bucket counts as dead.
inline constexpr unsigned kMaxWatched = 4096;

/// A bridge as a translation sees it: nothing of it changes meanwhile but what is learned.
struct BridgeView {
  const Pipeline* pipeline;
  FlowTables* tables;
  const PortTable* ports;
  l2::MacTable* macs;
  const l2::MulticastTable* multicast;
  std::uint64_t version;  ///< of the tables
};

/// What a translation works on; all of it outlives the translation.
struct TranslationInput {
  BridgeView bridge;  ///< where it begins
  FrozenStore& frozen;
  Instant now;
  bool may_learn = false;
  /// Set: narrate. Unset: only translate.
  Trace* trace = nullptr;
  action::Names names{};
};

/// A recirculation that the translation makes: what the trace follows.
struct Fork {
  std::uint32_t recirc_id;
  std::optional<conntrack::CtRequest> request;  ///< unset: not because of ct()
  flow::FlowKey key;                            ///< the packet there
};

class Translator final : public action::Translation {
 public:
  /// `mask`, `program` and `credits` are empty and belong to the caller.
  Translator(const TranslationInput& input, const flow::FlowKey& key, flow::Mask& mask,
             dp_action::Program& program, Credits& credits);

  /// From table 0, or where a recirculated packet left off.
  void run();
  /// Given actions instead of table 0.
  void run_actions(const action::ActionList& actions);

  std::optional<packet::DropReason> drop() const;
  const L2Dependence& rests_on() const { return rests_on_; }
  /// NORMAL would have learned an address, had it been allowed to: the next packet must be translated itself.
  bool unlearned() const { return unlearned_; }
  std::optional<packet::DropReason> error() const { return error_; }
  const std::vector<Fork>& forks() const { return forks_; }

  // action::Translation
  const flow::FlowKey& key() const override { return flow_; }
  field::FieldValue read(const field::Subfield& sub) override;
  void write(const field::Subfield& sub, field::FieldValue value) override;
  bool has(field::FieldId id) override;
  void unwildcard(field::FieldId id) override { field::unwildcard(mask_, id); }
  void output(std::uint32_t port, std::uint16_t max_len) override;
  void output_truncated(std::uint32_t port, std::uint32_t max_len) override;
  void controller(const action::Controller& action) override;
  void push_vlan(be16 tpid) override;
  void pop_vlan() override;
  void push_mpls(be16 eth_type) override;
  void pop_mpls(be16 eth_type) override;
  void encap_ethernet() override;
  void decap() override;
  bool decrement_ttl() override;
  bool decrement_mpls_ttl() override;
  bool decrement_ttl_for(std::span<const std::uint16_t> controllers) override;
  void resubmit(std::uint32_t in_port, std::uint8_t table, bool with_ct_tuple) override;
  void goto_table(std::uint8_t table) override { next_table_ = table; }
  void ct(const action::CtAction& action) override;
  void ct_clear() override;
  void push(const field::Subfield& source) override;
  void pop(const field::Subfield& target) override;
  void clone(const action::ActionList& actions) override;
  void write_actions(const action::ActionList& actions) override;
  void clear_actions() override { action_set_ = {}; }
  void write_metadata(std::uint64_t value, std::uint64_t mask) override;
  void check_pkt_larger(std::uint16_t size, const field::Subfield& target) override;
  void sample(std::uint16_t, std::uint32_t, std::uint32_t, std::uint32_t) override {}  // no collectors yet
  void group(std::uint32_t id) override;
  void meter(std::uint32_t id) override;
  void bundle(const action::Bundle& bundle) override;
  void multipath(const action::Multipath& multipath) override;
  void learn(const action::Learn& learn) override;
  void fin_timeout(std::uint16_t idle, std::uint16_t hard) override;
  void set_queue(std::uint32_t queue) override;
  void pop_queue() override;
  void exit() override { exit_ = true; }
  bool stopped() const override { return exit_ || freezing_ || error_.has_value(); }

 private:
  /// Why no flow is to see the packet. Table 0 is looked up all the same, as a trace shows.
  enum class Bar : std::uint8_t {
    None,
    Copies,  ///< it came in by a port that is there for copies only
    Own,     ///< it is a frame of a protocol that the switch itself speaks
    Tree,    ///< the spanning tree blocks the port
  };
  enum class OnMiss : std::uint8_t { Ignore, AsConfigured };

  void begin();
  bool receives(const PortInfo& port);
  bool is_tree_frame();
  dp_action::Userspace::Slow own_protocol(const PortInfo& port);
  void tell_own_protocol(dp_action::Userspace::Slow slow);
  void look_at_input(const PortInfo& port);
  void turn_away();
  bool thaw();
  void finish();
  void table_action(std::uint32_t in_port, std::uint8_t table, OnMiss on_miss, bool with_ct_tuple);
  Rule* look_up(std::uint32_t in_port, std::uint8_t& table, OnMiss on_miss, bool with_ct_tuple,
                TableMiss& miss);
  void run_list(const action::ActionList& actions, std::size_t first = 0);
  void run_list_from(const action::ActionList& actions, std::size_t first, bool own_last);
  /// What is left of a list when the packet goes away goes into frozen_rest_.
  void keep_rest(const action::ActionList& actions, std::size_t first);
  /// One action; false: the rest of its list is not run.
  bool run_one(const action::Action& action);
  void branch_on_size(std::uint16_t size, const field::Subfield& target, const action::ActionList& rest,
                      std::size_t first);
  void run_action_set();
  bool resources_left();
  void fail(packet::DropReason reason, std::string text);
  void hint(packet::DropReason reason) {
    if (!hint_) hint_ = reason;
  }

  bool present(field::Prereq needs);
  bool is_ipv4() const;
  bool is_ip() const;
  unsigned mpls_labels() const;

  void emit(dp_action::DpAction action) { program_->push_back(std::move(action)); }
  void output_port(std::uint32_t port);
  void compose_output(std::uint32_t port);
  void mark_for_queue(const PortInfo& port);
  void flood(bool all);

  // normal.cc
  using Bundle = PortTable::Bundle;
  /// A packet inside NORMAL: its VLAN, and whether its outermost tag says so.
  struct InVlan {
    std::uint16_t vlan;
    bool owns_tag;
  };
  void normal();
  std::optional<InVlan> enter_vlan(const Bundle& bundle);
  bool bond_admits(const Bundle& bundle, std::uint16_t vlan);
  bool is_gratuitous_arp();
  void learn_source(const Bundle& bundle, std::uint16_t vlan);
  void watch_mac(const net::Mac& mac, std::uint16_t vlan);
  void flood_vlan(const Bundle* from, InVlan vlan, bool copies);
  template <typename Chooses>
  void send_vlan(const Bundle* from, InVlan vlan, bool copies, const Chooses& chooses);
  bool carries(const Bundle& bundle, InVlan vlan);
  bool strips_priority(const Bundle& bundle, InVlan vlan) const;
  bool needs_retag(const Bundle& bundle, InVlan vlan);
  be16 tag_for(const Bundle& bundle, InVlan vlan);
  void output_normal(const Bundle& bundle, InVlan vlan);
  void output_bundle(const Bundle& bundle, std::uint16_t vlan);
  bool output_by_hash(const std::string& bond);
  void leave_by_hash(const std::string& name);
  void count_share(const Bundle& bundle, unsigned share);

  // multicast.cc
  /// What a multicast packet goes to, each once.
  using BundleSet = std::vector<const Bundle*>;
  bool snoop(const Bundle& input, InVlan vlan);
  void snoop_igmp(const Bundle& input, InVlan vlan);
  void snoop_mld(const Bundle& input, InVlan vlan);
  void tell_membership(InVlan vlan);
  void choose_routers(const Bundle& input, InVlan vlan, BundleSet& chosen);
  void choose(const Bundle& input, const Bundle& bundle, BundleSet& chosen, std::string_view sent,
              std::string_view refused);
  void send_report(const Bundle& input, InVlan vlan);
  void send_group(const Bundle& input, InVlan vlan, const be128& group);
  void send_chosen(const Bundle& input, InVlan vlan, const BundleSet& chosen);

  // mirror.cc
  void mirror_input();
  void mirror(const Bundle& bundle, MirrorSet chosen);

  // patch.cc
  void cross(const PortInfo& from);
  void run_crossed(const PortInfo& entry);
  bool decrement_ttl_of(std::span<const std::uint16_t> controllers);
  std::uint32_t freeze(FrozenData data);
  FrozenData snapshot(std::uint8_t table) const;
  void hide_conntrack();

  /// Sends the packet away to come back and go on with frozen_rest_. `fork`: the trace follows it.
  void finish_freezing(std::vector<Fork>* forks);
  void to_controller(std::uint16_t max_len, std::uint16_t controller_id, std::uint8_t reason);
  void emit_packet_in(const action::Controller& action, bool wanted, std::uint32_t state);
  void emit_slow(dp_action::Userspace frame);
  void emit_metered(const dp_action::Userspace& upcall, std::optional<std::uint32_t> meter);
  static void copy_conntrack(const flow::FlowKey& from, flow::FlowKey& to);

  // group_select.cc
  bool port_is_live(std::uint32_t port) const;
  bool bucket_is_live(const action::Bucket& bucket, unsigned depth) const;
  void select_by_dp_hash(const Group& group);
  void select_by_fields(const Group& group);
  void run_chosen(const Group& group, std::optional<std::size_t> bucket);
  void run_bucket(const Group& group, std::size_t index);

  // learn.cc
  action::FlowSpec learned_flow(const action::Learn& learn);
  void tell_learned(const LearnedFlow& flow, bool may);

  // commit.cc
  void commit();
  void commit_ethernet();
  void commit_header(dp_action::SetHeader::Header header);
  void commit_mpls();
  void commit_vlans();

  void tell_value(const field::Subfield& sub);
  bool tracing() const { return input_.trace != nullptr; }
  void note(Trace::Kind kind, std::string text) {
    if (input_.trace) input_.trace->line(kind, std::move(text));
  }

  const TranslationInput& input_;
  BridgeView here_;  ///< where the packet is: patch ports lead to other bridges
  flow::FlowKey flow_, base_;
  const flow::FlowKey& original_;
  flow::Mask& mask_;
  dp_action::Program* program_;
  Credits& credits_;

  std::vector<StackItem> stack_;
  action::ActionList action_set_;
  FrozenRef thawed_;
  std::vector<Fork> forks_;
  L2Dependence rests_on_;
  action::ActionList frozen_rest_;
  std::optional<dp_action::Hash> frozen_hash_;
  std::optional<action::Controller> paused_;
  Rule* rule_ = nullptr;
  std::optional<std::uint8_t> next_table_;
  std::uint8_t table_ = 0;
  unsigned depth_ = 0, resubmits_ = 0, open_traces_ = 0;
  mutable unsigned watched_ = 0;  ///< of kMaxWatched
  bool last_ = true;              ///< no list has an action after the current one
  bool outermost_ = false;        ///< the next table_action() is that of run()
  bool exit_ = false, freezing_ = false, was_mpls_ = false;
  bool conntracked_ = false;
  bool hid_tag_ = false;  ///< a pushed tag took the innermost one out of sight: popping does not undo it
  bool in_bucket_ = false, in_action_set_ = false, in_packet_out_ = false;
  MirrorSet mirrored_ = 0;  ///< that have their copy of the packet
  Bar bar_ = Bar::None;
  dp_action::Userspace::Slow slow_ = dp_action::Userspace::Slow::None;  ///< with Bar::Own
  std::uint16_t snaplen_ = 0;  ///< of the copies that are being made; 0: whole
  bool delivered_ = false, unlearned_ = false, missed_ = false, empty_rule_ = false;
  std::optional<packet::DropReason> error_, hint_;
};

}  // namespace sluice::pipeline
