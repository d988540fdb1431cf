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
#include "l2/vlan.h"
#include "packet/drop_reason.h"
#include "pipeline/credits.h"
#include "pipeline/frozen_state.h"
#include "pipeline/rule.h"

namespace sluice::pipeline {

inline constexpr unsigned kTables = 255;

/// What the pipeline must know of an OpenFlow port. Keyed by OpenFlow port number (action::of_port::kLocal
/// included).
struct PortInfo {
  std::uint32_t dp_port = 0;
  std::string name;
  bool forward = true;    ///< false: OFPPC_NO_FWD, or the link is down
  bool receive = true;    ///< false: OFPPC_NO_RECV
  bool flood = true;      ///< false: OFPPC_NO_FLOOD
  bool packet_in = true;  ///< false: OFPPC_NO_PACKET_IN
  l2::VlanConfig vlan;    ///< for NORMAL

  bool operator==(const PortInfo&) const = default;
};

/// What a table does with a packet that none of its flows match.
enum class TableMiss : std::uint8_t {
  Default,  ///< as BridgeConfig::default_miss says
  Controller,
  Continue,
  Drop,
};

struct BridgeConfig {
  std::string name = "br0";
  TableMiss default_miss =
      TableMiss::Drop;  ///< Controller: as OpenFlow 1.0 to 1.2 have it; Drop: 1.3 and later
  /// Forward packets to 01:80:c2:00:00:0x with NORMAL (other_config:forward-bpdu).
  bool forward_bpdu = false;
  /// Datapath actions say "drop" explicitly instead of being empty.
  bool explicit_drop = false;
  bool operator==(const BridgeConfig&) const = default;
};

struct TableConfig {
  std::string name;
  std::uint32_t max_flows = 1'000'000;
  TableMiss miss = TableMiss::Default;
};
struct TableStats {
  std::uint8_t table = 0;
  std::uint32_t active = 0;
  std::uint32_t max_flows = 0;
  std::uint64_t lookups = 0, matches = 0;
  std::string name;
};

struct FlowModResult {
  std::vector<RemovedFlow> removed;  ///< for flow-removed messages and monitors
  unsigned added = 0, modified = 0;
};

/// Which flows a dump, aggregate or delete is about.
struct FlowFilter {
  std::uint8_t table = action::kNoTable;  ///< kNoTable: all
  flow::Match match;                      ///< flows whose match is at least as specific
  std::uint64_t cookie = 0, cookie_mask = 0;
  std::uint32_t out_port = action::of_port::kNone, out_group = 0xffffffff;
};

struct AggregateStats {
  std::uint64_t packets = 0, bytes = 0;
  std::uint32_t flows = 0;
};

/// Flows of one moment, handed out one at a time: by table, then priority (highest first), then age. Main
/// only. Holds references, not copies: counters are read when a flow is handed out.
class FlowCursor {
 public:
  bool next(FlowInfo& info);
  std::size_t remaining() const { return rules_.size() - position_; }

 private:
  friend class Pipeline;
  std::vector<RuleRef> rules_;
  std::size_t position_ = 0;
};

/// What translate() found out. Reuse one per worker: it keeps its buffers.
struct TranslationResult {
  flow::Mask mask;  ///< over the datapath part of the key; in_port, recirc_id, eth_type always included
  dp_action::Program program;  ///< empty = drop
  Credits credits;             ///< what packets of the megaflow count into; move it into the StatsSink
  /// Why nothing leaves; set if the program is empty (or only an explicit Drop).
  std::optional<packet::DropReason> drop;
  bool cacheable = true;

  void clear();
};

/// What a connection tracker would say, for explain().
struct CtOutcome {
  std::uint32_t state = conntrack::ct_state::kTracked | conntrack::ct_state::kNew;
  std::uint32_t mark = 0;
  be128 label;
  /// The packet as ct() leaves it (NAT, original tuple); unset: unchanged.
  std::optional<flow::FlowKey> packet;
  /// Heads the section of the trace: "resume conntrack with SENTENCE". Empty: as ovs-appctl says for its
  /// default.
  std::string sentence;
};
/// `key` is the packet at that point, in_port an OpenFlow port.
using CtHook = std::function<CtOutcome(const conntrack::CtRequest&, const flow::FlowKey& key)>;

struct ExplainResult {
  std::string text;  ///< as ofproto/trace prints it
  flow::Mask mask;   ///< of the first pass
  dp_action::Program program;
  std::optional<packet::DropReason> drop;
};

class Pipeline {
 public:
  /// `secret` keys the hashes.
  explicit Pipeline(std::uint64_t secret, BridgeConfig config = {});
  ~Pipeline();
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  // --- Workers
  // ------------------------------------------------------------------------------------------------------

  /// Translates a packet's key (in_port an OpenFlow port). `may_learn`: there is a packet, so that side
  /// effects (MAC learning) happen; false when a megaflow is revalidated.
  void translate(const flow::FlowKey& key, bool may_learn, Instant now, TranslationResult& result);
  std::uint64_t epoch() const { return epoch_.load(std::memory_order_acquire); }

  /// What the recirculation or controller state of this id is; empty reference if it is unknown. Any thread.
  FrozenRef frozen_state(std::uint32_t recirc_id) const;

  /// The OpenFlow port of a datapath port, nothing if it is not of this bridge; and back. Any thread.
  std::optional<std::uint32_t> of_port_of(std::uint32_t dp_port) const;
  std::optional<std::uint32_t> dp_port_of(std::uint32_t of_port) const;

  // --- Flows: main
  // --------------------------------------------------------------------------------------------------

  /// One flow-mod (FlowSpec::command says which). Errors carry the OpenFlow error.
  Result<FlowModResult> apply(const action::FlowSpec& flow, Instant now);
  /// All of them or none, visible to workers at once. The error says which (from 0) by `failed`, if given.
  Result<FlowModResult> apply(std::span<const action::FlowSpec> flows, Instant now,
                              std::size_t* failed = nullptr);
  /// Removes all flows; their number.
  std::size_t clear_flows();
  /// Removes flows whose time has come, at most `limit` of them. Call at least once a second.
  std::vector<RemovedFlow> expire(Instant now, std::size_t limit = 10'000);
  FlowCursor dump(const FlowFilter& filter = {}) const;
  AggregateStats aggregate(const FlowFilter& filter) const;
  std::size_t flow_count() const;
  TableStats table_stats(std::uint8_t table) const;
  Status configure_table(std::uint8_t table, TableConfig config);
  const TableConfig& table_config(std::uint8_t table) const;

  // --- Ports, bridge, MAC table: main
  // -------------------------------------------------------------------------------

  void set_port(std::uint32_t of_port, PortInfo info);
  void remove_port(std::uint32_t of_port);
  std::optional<PortInfo> port(std::uint32_t of_port) const;
  std::vector<std::uint32_t> ports() const;
  void configure(BridgeConfig config);
  const BridgeConfig& config() const;
  l2::MacTable& mac_table();
  /// Ages the MAC table and forgets frozen states that nothing refers to.
  void run(Instant now);
  /// For changes that this class can't see (a MAC table changed through mac_table()).
  void bump_epoch() { epoch_.fetch_add(1, std::memory_order_acq_rel); }

  // --- Trace: main
  // --------------------------------------------------------------------------------------------------

  /// What would happen to such a packet, in the layout of ofproto/trace; changes nothing. `names` may print
  /// ports by name.
  ExplainResult explain(const flow::FlowKey& key, Instant now, const CtHook& hook = nullptr,
                        const action::Names& names = {});
  /// The same for given actions instead of table 0 (ofproto/trace BRIDGE FLOW ACTIONS).
  ExplainResult explain_actions(const flow::FlowKey& key, const action::ActionList& actions, Instant now,
                                const CtHook& hook = nullptr, const action::Names& names = {});
  /// Translates given actions: packet-out.
  void translate_actions(const flow::FlowKey& key, const action::ActionList& actions, Instant now,
                         TranslationResult& result);

 private:
  struct Impl;
  std::atomic<std::uint64_t> epoch_{1};
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::pipeline
