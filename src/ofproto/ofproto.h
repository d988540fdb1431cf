// Ofproto: the OpenFlow side of one bridge. It owns the bridge's pipeline, knows its ports by name and
// number, takes flows as text and shows them with their counters.
//
// Owned by whoever configures (bridge::Switch). Threads: main, but for what Upcalls reaches through
// pipeline() and wanted_packet_ins().
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "action/flow_spec.h"
#include "action/group_spec.h"
#include "action/meter_spec.h"
#include "base/clock.h"
#include "base/result.h"
#include "field/field.h"
#include "pipeline/pipeline.h"

namespace sluice::datapath {
class MeterTable;
}

namespace sluice::ofproto {

/// What a flow change did, for the one who asked.
struct FlowChange {
  unsigned added = 0, modified = 0, removed = 0;
  unsigned groups = 0;  ///< groups added, modified or deleted
  std::vector<std::string> warnings;
};

/// A flow out of a file and the line it stands on.
struct FileFlow {
  action::FlowSpec spec;
  std::string place;  ///< "FILE:LINE"
};

/// A flow's line as ovs-appctl bridge/dump-flows prints it, with --offload-stats or without.
void append_flow(std::string& text, const pipeline::FlowInfo& flow, Instant now, bool offloads = false);

class Ofproto final : public field::NameResolver {
 public:
  struct Port {
    std::uint32_t number = 0;   ///< OpenFlow
    std::uint32_t dp_port = 0;  ///< kNoDpPort: a patch port
    std::string name;
    l2::VlanConfig vlan;        ///< for NORMAL
    std::string bond;           ///< that it is a member of; empty: of none
    bool is_protected = false;  ///< from other protected ports
    bool speaks_lacp = false;
    bool wants_multicast = false, wants_reports = false;  ///< with multicast snooping: all of them
    std::map<std::uint32_t, std::uint8_t> queue_dscp{};   ///< what IP packets get that leave by a queue
    net::Mac patch_mac{};                                 ///< of a patch port
  };

  /// `secret` keys the pipeline's hashes. Bridges that patch ports join share `frozen`.
  Ofproto(std::uint64_t secret, pipeline::BridgeConfig config, pipeline::FrozenStore* frozen = nullptr);
  ~Ofproto() override;
  Ofproto(const Ofproto&) = delete;
  Ofproto& operator=(const Ofproto&) = delete;

  const std::string& name() const { return name_; }
  pipeline::Pipeline& pipeline() { return pipeline_; }
  const pipeline::Pipeline& pipeline() const { return pipeline_; }

  // --- Ports ---
  void add_port(const Port& port);
  void remove_port(std::uint32_t number);
  /// What can change while the port is open.
  void set_port(const Port& port);
  /// Joins a patch port to its other end; null: leaves it without.
  void join_patch(std::uint32_t number, Ofproto* peer, std::uint32_t peer_number);
  /// What a spanning tree says of the port.
  void set_tree_state(std::uint32_t number, bool learns, bool forwards);
  /// Groups and bundles choose among live ports.
  void set_port_live(std::uint32_t number, bool live);
  /// By number, LOCAL last.
  std::vector<Port> ports() const;
  /// The lowest number from 1 that no port has.
  std::uint32_t free_number() const;
  std::optional<std::uint32_t> port_number(std::string_view name) const override;
  std::optional<std::string> port_name(std::uint32_t number) const override;
  /// For texts in which ports may have names.
  action::Names names() const { return {.ports = this, .tables = nullptr}; }

  // --- Packets for controllers ---
  /// For which reasons (bit n: reason n of dp_action::Userspace) somebody wants them; all until it is said.
  void want_packet_ins(std::uint32_t reasons) {
    wanted_packet_ins_.store(reasons, std::memory_order_relaxed);
  }
  std::uint32_t wanted_packet_ins() const { return wanted_packet_ins_.load(std::memory_order_relaxed); }

  // --- Flows ---
  /// One flow as text. Refuses what parses but can't run yet.
  Result<FlowChange> change_flow(std::string_view text, action::FlowCommand command, Instant now);
  /// All flows or none. The error names the place of the flow that is at fault.
  Result<FlowChange> change_flows(const std::vector<FileFlow>& flows, Instant now);
  enum class Replace : std::uint8_t {
    Everything,
    Loaded,  ///< what an earlier replacement put there; flows added one by one stay
  };
  /// Makes the flows what `flows` says: those that are there already keep their counters, others go.
  Result<FlowChange> replace_flows(const std::vector<FileFlow>& flows, Replace scope, Instant now);
  /// Reads a flow file's text, resolving names of this bridge's ports. The error is that of the first bad
  /// line.
  Result<std::vector<FileFlow>> parse_file(std::string_view text, const std::string& file,
                                           std::vector<std::string>* warnings = nullptr) const;
  /// Who is told what changes of flows did; one at most.
  using FlowListener = std::function<void(const pipeline::FlowModResult&)>;
  void set_listener(FlowListener listener) { listener_ = std::move(listener); }
  /// Removes flows whose time has come. At least once a second.
  void expire(Instant now);
  /// The flows that a text with a match (and "table=", "cookie=", "out_port=") is about; all for an empty
  /// text.
  Result<pipeline::FlowFilter> parse_filter(std::string_view text) const;

  // --- Groups and meters ---
  /// Group-mods, a line each (action::parse_group), all or none.
  Result<FlowChange> change_groups(std::string_view text, action::GroupCommand command, Instant now);
  /// Flow-mods and group-mods in order, all or none.
  Result<FlowChange> change(std::span<const pipeline::Modification> changes, Instant now);
  /// As ovs-ofctl dump-groups and dump-group-stats print them, without the heading; group_id::kAll: all.
  std::string dump_groups(std::uint32_t id) const;
  std::string dump_group_stats(std::uint32_t id, Instant now) const;
  /// Who measures; it outlives the bridge. Without it meters are refused.
  void set_meters(datapath::MeterTable& meters) { dp_meters_ = &meters; }
  /// How many flows went with the meters that were deleted; an empty text deletes all meters.
  Result<unsigned> change_meter(std::string_view text, action::MeterCommand command, Instant now);
  Result<unsigned> change_meter(const action::MeterSpec& meter, Instant now);
  /// The lowest id of a meter from this one on.
  std::optional<std::uint32_t> next_meter(std::uint32_t from) const;
  const action::MeterSpec& meter(std::uint32_t id) const { return meters_.at(id).spec; }
  action::MeterCounters meter_counters(std::uint32_t id, Instant now) const;

  /// All of them, a line each (append_flow).
  std::string dump_flows(Instant now) const;
  /// As ovs-appctl fdb/show.
  std::string dump_macs(Instant now);
  /// As ovs-appctl mdb/show.
  std::string dump_multicast(Instant now) const;

 private:
  static void apply_settings(const Port& port, pipeline::PortInfo& info);
  void change_port(std::uint32_t number, const std::function<void(pipeline::PortInfo&)>& change);
  /// Tells the listener of what was done.
  Result<pipeline::FlowModResult> concluded(Result<pipeline::FlowModResult> result);

  std::string name_;
  pipeline::Pipeline pipeline_;
  std::map<std::uint32_t, Port> ports_;
  struct InstalledMeter {
    action::MeterSpec spec;
    std::uint32_t dp_number = 0;
  };
  std::map<std::uint32_t, InstalledMeter> meters_;
  datapath::MeterTable* dp_meters_ = nullptr;
  std::atomic<std::uint32_t> wanted_packet_ins_{~std::uint32_t{0}};
  FlowListener listener_;
  std::unordered_set<std::uint64_t> loaded_;  ///< hashes of what replace_flows() put there
};

/// "firewall.flows" -> its flows, with no bridge to resolve names: for tools that check files.
Result<std::vector<FileFlow>> parse_flow_text(std::string_view text, const std::string& file,
                                              const action::Names& names,
                                              std::vector<std::string>* warnings = nullptr);

/// Whether the flow may be added to a switch: executable actions, consistent with the match.
Status check_flow(const action::FlowSpec& flow);

}  // namespace sluice::ofproto
