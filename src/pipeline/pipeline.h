// The OpenFlow pipeline of one bridge: 255 tables of flows, its ports, its MAC table, and the translation of
// a packet's key to datapath actions and the mask that they depend on.
//
// Threads: translate() and epoch() by any worker, inside an RCU read section, never blocking; everything else
// by main (one writer). A worker sees flow tables as of one version for a whole translation: a flow-mod, or
// all flow-mods of one apply(), show at once or not at all.
//
// Every change that could change a translation bumps the epoch after it is visible.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "action/flow_spec.h"
#include "base/clock.h"
#include "base/result.h"
#include "conntrack/request.h"
#include "dp_action/program.h"
#include "flow/flow_key.h"
#include "l2/mac_table.h"
#include "l2/multicast_table.h"
#include "l2/vlan.h"
#include "packet/drop_reason.h"
#include "pipeline/credits.h"
#include "pipeline/explain.h"
#include "pipeline/frozen_state.h"
#include "pipeline/l2_dependence.h"
#include "pipeline/port_table.h"
#include "pipeline/rule.h"
#include "pipeline/table.h"

namespace sluice::pipeline {

/// What translate() found out. Reuse one per worker: it keeps its buffers.
struct TranslationResult {
  flow::Mask mask;  ///< over the datapath part of the key; in_port, recirc_id, eth_type always included
  dp_action::Program program;  ///< empty = drop
  Credits credits;             ///< what packets of the megaflow count into; move it into the StatsSink
  /// Why nothing leaves; set if the program is empty (or only an explicit Drop).
  std::optional<packet::DropReason> drop;
  L2Dependence l2;
  bool cacheable = true;

  void clear();
};

struct BridgeView;

class Pipeline {
 public:
  /// `secret` keys the hashes. Bridges that patch ports join share `frozen`, which outlives them; null: the
  /// bridge stands alone.
  explicit Pipeline(std::uint64_t secret, BridgeConfig config = {}, FrozenStore* frozen = nullptr);
  ~Pipeline();
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  // --- Workers

  /// Translates a packet's key (in_port an OpenFlow port). `may_learn`: there is a packet, so that side
  /// effects (MAC learning) happen; false when a megaflow is revalidated.
  void translate(const flow::FlowKey& key, bool may_learn, Instant now, TranslationResult& result);
  /// Changes whenever a translation could come out differently: with the tables' epoch and with every change
  /// of the MAC table or of multicast groups.
  std::uint64_t epoch() const { return tables_epoch() + mac_table().changes() + multicast_table().changes(); }
  /// Changes with flows (those that packets learn too), groups, ports and settings. While it stands still, a
  /// translation holds whose L2Dependence is unchanged.
  std::uint64_t tables_epoch() const;

  /// The bridge as it is now, inside an RCU read section.
  BridgeView view() const;

  /// What the recirculation or controller state of this id is; empty reference if it is unknown. Any thread.
  FrozenRef frozen_state(std::uint32_t recirc_id) const;

  /// The OpenFlow port of a datapath port, nothing if it is not of this bridge; and back. Any thread.
  std::optional<std::uint32_t> of_port_of(std::uint32_t dp_port) const;
  std::optional<std::uint32_t> dp_port_of(std::uint32_t of_port) const;

  // --- Flows: main

  /// One flow-mod (FlowSpec::command says which). Errors carry the OpenFlow error.
  Result<FlowModResult> apply(const action::FlowSpec& flow, Instant now);
  /// All of them or none, visible to workers at once. The error says which (from 0) by `failed`, if given.
  Result<FlowModResult> apply(std::span<const action::FlowSpec> flows, Instant now,
                              std::size_t* failed = nullptr);
  /// Flow-mods and group-mods, in order: all or none, visible to workers at once.
  Result<FlowModResult> apply(std::span<const Modification> changes, Instant now,
                              std::size_t* failed = nullptr);
  Result<FlowModResult> apply(const action::GroupSpec& group, Instant now);
  /// The same of what comes one after the other, with looks at the tables in between. Where a step fails the
  /// error is its, and it was the last that was asked for.
  Result<FlowModResult> apply(const NextStep& next, Instant now);
  /// A flow to be added by such a step, made ahead: FlowTables::prepare().
  Result<PreparedFlow> prepare(const action::FlowSpec& flow);
  /// Whether the groups and meters exist that the actions name: errors are those of a flow-mod.
  Status check_references(const action::ActionList& actions) const;
  /// Where the tables are in their history.
  Moment moment() const;
  /// Removes all flows; their number.
  std::size_t clear_flows();
  /// Removes flows whose time has come, and those that tables with a limit that was lowered give up, at most
  /// `limit` of them. Call at least once a second.
  FlowModResult expire(Instant now, std::size_t limit = 10'000);
  FlowCursor dump(const FlowFilter& filter = {}) const;
  FlowCursor walk(const FlowFilter& filter = {}, std::uint64_t before = ~std::uint64_t{0}) const;
  WalkSlice walk_on(FlowCursor& cursor, std::size_t budget);
  std::size_t flow_count() const;
  /// FlowTables::take_effort().
  std::size_t take_effort();
  /// Of rules and their indexes; actions are not counted.
  std::size_t memory_bytes() const;
  TableStats table_stats(std::uint8_t table) const;
  Status configure_table(std::uint8_t table, TableConfig config);
  const TableConfig& table_config(std::uint8_t table) const;
  /// From now on results tell what happened to flows, and what packets that learn do is remembered until
  /// take_events().
  void keep_events(KeepEvents which = KeepEvents::All);
  TakenEvents take_events();
  /// Whether take_events() would have some: cheap.
  bool has_events() const;

  // --- Groups, meters: main

  /// The group with this id, all with group_id::kAll; by id.
  std::vector<std::uint32_t> group_ids(std::uint32_t id = action::group_id::kAll) const;
  /// The same groups themselves.
  std::vector<action::GroupSpec> groups(std::uint32_t id = action::group_id::kAll) const;
  std::vector<action::GroupCounters> group_counters(std::uint32_t id, Instant now) const;
  /// Flows may name this meter now; `dp_meter` is the datapath's number of it.
  void set_meter(std::uint32_t id, std::uint32_t dp_meter);
  /// The flows that name it go too.
  FlowModResult remove_meters(std::uint32_t id);
  /// Flows that name it.
  unsigned meter_flows(std::uint32_t id) const;

  // --- Ports, bridge, MAC table: main

  void set_port(std::uint32_t of_port, PortInfo info);
  void remove_port(std::uint32_t of_port);
  std::optional<PortInfo> port(std::uint32_t of_port) const;
  std::vector<std::uint32_t> ports() const;
  /// At most kMaxMirrors; counters of mirrors that stay go on.
  void set_mirrors(std::vector<Mirror> mirrors);
  const std::vector<Mirror>& mirrors() const;
  /// What the ports whose `bundle` this is do; nothing: there is no such bond any more.
  void set_bond(const std::string& name, const std::optional<l2::BondView>& bond);
  /// The state behind packets of a bond that come back with a hash.
  FrozenRef freeze_bond(const std::string& name);
  /// Bytes of each share of a bond since the last call.
  std::vector<std::uint64_t> take_bond_traffic(const std::string& name);
  void configure(BridgeConfig config);
  const BridgeConfig& config() const;
  l2::MacTable& mac_table();
  const l2::MacTable& mac_table() const;
  l2::MulticastTable& multicast_table();
  const l2::MulticastTable& multicast_table() const;
  /// Ages learned addresses and groups, and forgets frozen states that nothing refers to.
  void run(Instant now);

  // --- Trace: main

  /// What would happen to such a packet, in the layout of ofproto/trace; changes nothing unless `may_learn`
  /// (MAC learning, as in translate()). `names` may print ports by name.
  ExplainResult explain(const flow::FlowKey& key, Instant now, const CtHook& hook = nullptr,
                        const action::Names& names = {}, bool may_learn = false);
  /// The same for given actions instead of table 0 (ofproto/trace BRIDGE FLOW ACTIONS).
  ExplainResult explain_actions(const flow::FlowKey& key, const action::ActionList& actions, Instant now,
                                const CtHook& hook = nullptr, const action::Names& names = {});
  /// Translates given actions: packet-out. `version`: as the tables are at a step of apply().
  void translate_actions(const flow::FlowKey& key, const action::ActionList& actions, Instant now,
                         TranslationResult& result, std::optional<std::uint64_t> version = {});
  /// A state that a packet can be given to go on from; empty if there are too many.
  FrozenRef freeze(FrozenData data);

 private:
  void bump_epoch() { epoch_.fetch_add(1, std::memory_order_acq_rel); }

  friend class PortChanges;
  struct Impl;
  std::atomic<std::uint64_t> epoch_{1};
  std::unique_ptr<Impl> impl_;
};

/// While one lives, changes of ports, bonds, mirrors and settings wait; workers meet them together at its
/// end. Each that is published alone copies them all. Main.
class PortChanges {
 public:
  explicit PortChanges(Pipeline& pipeline);
  ~PortChanges();
  PortChanges(const PortChanges&) = delete;
  PortChanges& operator=(const PortChanges&) = delete;

 private:
  Pipeline& pipeline_;
};

}  // namespace sluice::pipeline
