// The switch side of OpenFlow: does what controllers ask of a bridge, in every version, and tells them what
// happens to its flows, ports and tables.
//
// A request is done when handle() returns, so that barriers need no care; what takes long (dumps of many
// flows, flushes of many connections) goes on in slices while the session's later requests wait. A request
// that can't be done is answered with the error code that ovs-vswitchd gives. One file a subject:
// of_switch.cc (what the switch is, its configuration), of_flows.cc (flow-mods, bundles, what they bring
// about), of_dump.cc (flow statistics), of_groups.cc (groups and meters), of_ports.cc, of_tables.cc,
// of_packet_out.cc (packets of controllers), of_conntrack.cc.
//
// Owned by whoever owns the bridge, longer than its sessions. Main thread.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "ofproto/flow_monitors.h"
#include "ofproto/ofproto.h"
#include "openflow/session.h"
#include "packet/packet.h"
#include "pipeline/pipeline.h"

namespace sluice::conntrack {
class Tracker;
}
namespace sluice::datapath {
class Datapath;
}

namespace sluice::ofproto {

class Sessions;
class Upcalls;

/// What the agent works on; all of it outlives the agent.
struct AgentEnvironment {
  Ofproto& bridge;
  Sessions& sessions;
  Upcalls& upcalls;
  datapath::Datapath& datapath;
  conntrack::Tracker& tracker;
  const Clock& clock;
  openflow::BundleRoom& bundle_room;  ///< shared by all bridges
  /// The queues of a port with what they counted, by number; null: no port has any.
  std::function<std::vector<openflow::QueueCounters>(std::uint32_t port)> queues{};
};

class OpenFlowAgent final : public openflow::SessionHandler {
 public:
  explicit OpenFlowAgent(const AgentEnvironment& environment);
  ~OpenFlowAgent() override;
  OpenFlowAgent(const OpenFlowAgent&) = delete;
  OpenFlowAgent& operator=(const OpenFlowAgent&) = delete;

  // --- For sessions
  Status handle(openflow::Session& session, const openflow::Message& request) override;
  Status check(const openflow::Message& message) override;
  openflow::BundleRoom& bundle_room() override { return env_.bundle_room; }
  openflow::Prepared prepare(const openflow::Message& message) override;
  void drop(void* prepared) override;
  Status commit(openflow::Session& session, openflow::BundleMessages& messages,
                const openflow::BundleFlags& flags) override;
  Result<std::optional<std::uint64_t>> claim_role(openflow::Session& session, openflow::Role role,
                                                  std::optional<std::uint64_t> generation) override;
  std::size_t take_effort() override;
  void forget(openflow::Session& session) override;
  bool keeps(const openflow::Session& session) const override { return monitors_.watches(session); }

  // --- For the owner
  /// Flows whose time has come go; what happened since the last call to flows and ports is told to those who
  /// want to hear it. At least once a second; soon after packets learned flows.
  void run();

  /// What the switch says of itself; a text that is not set is the default's.
  void set_datapath_id(std::uint64_t id) { datapath_id_ = id; }
  std::uint64_t datapath_id() const { return datapath_id_; }
  void set_description(const std::string& datapath, const std::string& serial);

  /// What a packet that controller(pause) stopped needs to go on: for its packet-in.
  openflow::Continuation continuation_of(const pipeline::FrozenData& state,
                                         const packet::Metadata& meta) const;
  /// A port as OpenFlow describes it; nothing if there is none.
  std::optional<openflow::PortDescription> describe_port(std::uint32_t number) const;

 private:
  using Session = openflow::Session;
  using Message = openflow::Message;

  template <typename T>
  Status serve(Session& session, const Message& request, const T& body);

  // of_flows.cc
  Status change_flow(Session& session, const Message& request, const openflow::FlowMod& mod);
  /// Tells of what a change did. @param source  whose change it was, null: nobody's; `xid`: of its request.
  void conclude(const pipeline::FlowModResult& result, Session* source, std::uint32_t xid);
  void tell(std::span<const pipeline::FlowEvent> events, Session* source, std::uint32_t xid);
  void tell_what_packets_did();
  void tell_removed(std::span<const pipeline::FlowEvent> events);

  // of_groups.cc
  Status change_group(Session& session, const Message& request, const openflow::GroupMod& mod);
  Status change_meter(Session& session, const Message& request, const openflow::MeterMod& mod);
  void forward(Session& source, const Message& request, unsigned reason);
  openflow::GroupFeaturesReply group_features(openflow::OfVersion version) const;
  template <typename Reply>
  Status tell_meters(Session& session, const Message& request, std::uint32_t id);
  openflow::MeterFeaturesReply meter_features() const;

  // of_ports.cc
  /// of_port::kNone: all.
  openflow::PortDescReply describe_ports(std::uint32_t port) const;
  openflow::PortStatsReply port_stats(std::uint32_t port) const;
  Status check_port_mod(const openflow::PortMod& mod) const;
  void change_port(const openflow::PortMod& mod);
  void notice_ports();
  Result<std::vector<openflow::QueueCounters>> find_queues(std::uint32_t port, std::uint32_t queue) const;
  Status serve_queue_stats(Session& session, const Message& request, const openflow::QueueStatsRequest& body);
  Status serve_queue_config(Session& session, const Message& request,
                            const openflow::QueueConfigRequest& body);

  // of_tables.cc
  Status change_table(openflow::OfVersion version, const openflow::TableMod& mod);
  openflow::TableDescription describe_table(std::uint8_t table) const;
  openflow::TableDescReply describe_tables() const;
  openflow::TableStatsReply table_stats(openflow::OfVersion version) const;
  openflow::TableFeatures table_features(std::uint8_t table, openflow::OfVersion version) const;
  Status rename_tables(openflow::OfVersion version, const openflow::TableFeaturesRequest& request);
  openflow::TableFeaturesReply all_table_features(openflow::OfVersion version) const;
  void watch_vacancy();
  std::uint8_t vacancy_percent(std::uint8_t table) const;

  // of_packet_out.cc
  struct Outgoing;
  Result<Outgoing> prepare(const openflow::PacketOut& request, openflow::OfVersion version) const;
  /// `version`: as the tables are at a step of a bundle.
  void translate(Outgoing& packet, std::optional<std::uint64_t> version);
  void emit(Outgoing& packet);
  Status resume(const openflow::Resume& request);

  // of_switch.cc
  openflow::FeaturesReply features(openflow::OfVersion version) const;
  openflow::GetConfigReply config(const Session& session) const;
  Status set_config(const openflow::SetConfig& config);
  Status change_tlv_table(const openflow::TlvTableMod& mod);
  openflow::TlvTableReply tlv_table() const;

  // of_conntrack.cc
  Status flush_zone(const openflow::CtFlushZone& request);
  Status flush_connections(Session& session, const Message& request, const openflow::CtFlush& body);

  Instant now() const { return env_.clock.now(); }
  pipeline::Pipeline& pipeline() const { return env_.bridge.pipeline(); }

  AgentEnvironment env_;
  std::uint64_t datapath_id_ = 0;
  openflow::DescReply description_;
  openflow::FragmentHandling fragments_ = openflow::FragmentHandling::Normal;
  FlowMonitors monitors_;

  struct PortState {
    openflow::PortDescription told;  ///< as sessions know it
    Instant since;
  };
  std::map<std::uint32_t, PortState> ports_;

  struct VacancyEvents {
    bool on = false;
    bool next_is_down = true;
    std::uint8_t down = 0, up = 0;
  };
  std::array<VacancyEvents, pipeline::kTables> vacancy_;
  bool watches_vacancy_ = false;

  std::map<std::uint16_t, openflow::TlvMapping> tlv_table_;  ///< by index of the field
};

}  // namespace sluice::ofproto
