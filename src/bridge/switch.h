// Switch: the whole switch as an object. It owns the connection tracker, the datapath, the upcall handler and
// the bridges, and makes what runs equal to a SwitchConfig: reconcile() compares and changes only what
// differs.
//
// It works in two ways: threaded (start(), then run() at least once a second), as the daemon does; and
// inline, on a manual clock, packet by packet with datapath().poll(), as replay and the scenario tests do.
//
// Owned by main; every member is for the main thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/result.h"
#include "bridge/config.h"
#include "bridge/qos_agent.h"
#include "datapath/datapath.h"
#include "ofproto/connections.h"
#include "ofproto/ofproto.h"
#include "ofproto/trace.h"
#include "ofproto/upcalls.h"
#include "packet/packet_pool.h"
#include "port/port.h"

namespace sluice::conntrack {
class Tracker;
}

namespace sluice::bridge {

/// Opens a port; the default is port::make_port.
using PortFactory = std::function<Result<std::unique_ptr<port::Port>>(const PortConfig&)>;

struct SwitchOptions {
  /// Keys every hash: random in a daemon, fixed in tests and replay.
  std::uint64_t secret = 0;
  datapath::DatapathOptions
      datapath;  ///< workers and hash_secret are set from the configuration and `secret`
  PortFactory make_port;
  /// What the machine has: a connection table that would not fit when full is made smaller, with a warning.
  /// 0 = not known.
  std::uint64_t memory_bytes = 0;
  /// Runs OpenFlow connections, and outlives the switch; null: there are none.
  io::EventLoop* loop = nullptr;
  std::string run_dir;  ///< of the sockets BRIDGE.mgmt and BRIDGE.snoop
  log::Logger logger;   ///< tells of connections
};

/// One configured port, opened or not.
struct PortStatus {
  std::string bridge, name, type;
  std::optional<std::uint32_t> number;  ///< OpenFlow; absent if it could not be opened
  std::optional<datapath::PortInfo> datapath;
  std::string error;                   ///< why it could not be opened, or is of no use
  std::string peer;                    ///< of a patch port
  std::optional<port::QosConfig> qos;  ///< that is in force
  std::optional<l2::Stp::Status> stp;
  std::optional<l2::Rstp::Status> rstp;
  std::optional<bool> lacp_current;  ///< whether LACP hears its partner there
};

/// What reconcile() could not do, a sentence each; the rest is done.
struct ReconcileReport {
  std::vector<std::string> errors, warnings;
  std::set<std::string> changed_ports;  ///< opened, closed, failed, or changed otherwise
  bool ok() const { return errors.empty(); }
};

class Bonds;
class SpanningTree;

/// The number of megaflows as rounds of run() found it.
struct MegaflowCensus {
  double average = 0;  ///< each round counts half as much as the next
  std::uint64_t most = 0;
  Duration round;  ///< that the last took to collect their statistics
};

class Switch {
 public:
  /// `first` says what can't be changed later: the number of workers and the tracker's table size.
  /// @return the switch, or a sentence if the machine has not the address space for its tables.
  static Result<std::unique_ptr<Switch>> make(const Clock& clock, SwitchOptions options,
                                              const SwitchConfig& first);
  /// The same for tests and tools: aborts instead.
  Switch(const Clock& clock, SwitchOptions options, const SwitchConfig& first);
  ~Switch();
  Switch(const Switch&) = delete;
  Switch& operator=(const Switch&) = delete;

  /// Makes the switch what `desired` says. A port, flow file or bridge that fails harms no other.
  ReconcileReport reconcile(const SwitchConfig& desired);

  /// Whether all is done that reconcile() began: queueing disciplines take their time.
  bool settled() const { return qos_.idle(); }
  /// Called with what could not be done when that comes true later than with the end of reconcile().
  void set_settled(std::function<void(const ReconcileReport&)> call) { on_settled_ = std::move(call); }

  Status start() { return datapath_->start(); }
  void stop() { datapath_->stop(); }
  /// Hands packets for controllers to those who want them; called by the loop when there are some.
  void deliver_packet_ins();
  /// Hands frames to the protocols that the switch speaks.
  void deliver_own_frames();
  /// Learns from reports of multicast listeners, the oldest first.
  void deliver_memberships(std::size_t most = ofproto::PacketInQueue::kMaxWaiting);
  /// Time passes: flows time out, MAC entries age, statistics reach the rules. At least once a second.
  void run();

  /// By name.
  std::vector<ofproto::Ofproto*> bridges() const;
  ofproto::Ofproto* find_bridge(std::string_view name) const;
  std::vector<PortStatus> ports() const;
  /// Nothing if the bridge shall have no such port.
  std::optional<PortStatus> port(std::string_view bridge, const std::string& name) const;
  /// Devices changed their address, MTU or link: what depends on them follows without waiting for run().
  void refresh_ports(const std::set<std::string>& names);
  /// Null if the bridge has no connections: there is no loop.
  ofproto::Connections* connections(const ofproto::Ofproto& bridge) const;
  /// Configured or made from the bridge's address; 0 if it has none.
  std::uint64_t datapath_id(std::string_view bridge) const;
  /// Statistics of all packets so far reach the rules now.
  void push_stats() { datapath_->push_stats(); }
  /// Flows of a bridge with counters that are exact at this moment.
  std::string dump_flows(ofproto::Ofproto& bridge);
  /// Of all bridges.
  std::vector<Bonds*> bonds() const;
  SpanningTree& tree(const ofproto::Ofproto& bridge) const;
  /// After a command changed a bond.
  void run_bonds();
  Result<std::string> trace(std::span<const std::string> arguments,
                            ofproto::TraceKind kind = ofproto::TraceKind::Packet);

  Instant now() const { return clock_.now(); }
  const MegaflowCensus& megaflow_census() const { return census_; }
  conntrack::Tracker& tracker() { return *tracker_; }
  const conntrack::Tracker& tracker() const { return *tracker_; }
  datapath::Datapath& datapath() { return *datapath_; }
  const datapath::Datapath& datapath() const { return *datapath_; }
  ofproto::Upcalls& upcalls() { return *upcalls_; }
  const ofproto::Upcalls& upcalls() const { return *upcalls_; }
  const SwitchConfig& config() const { return config_; }

 private:
  struct Bridge;
  /// A port that is there.
  struct Opened {
    PortConfig config;
    std::uint32_t number = 0, dp_port = 0;
    std::string error{};   ///< of a patch port without another end
    bool has_qos = false;  ///< that of `config` is set up
    bool shaped = false;   ///< a discipline of ours may be on the interface
  };

  Switch(const Clock& clock, SwitchOptions options, const SwitchConfig& first,
         std::unique_ptr<conntrack::Tracker> tracker);
  void reconcile_conntrack(const ConntrackConfig& desired, ReconcileReport& report);
  void reconcile_fragments(const FragmentConfig& desired);
  Bridge& make_bridge(const BridgeConfig& desired);
  void close_unwanted(Bridge& bridge, const BridgeConfig& desired, ReconcileReport& report);
  void reconcile_bridge(const BridgeConfig& desired, bool restoring, ReconcileReport& report);
  void reconcile_ports(Bridge& bridge, const BridgeConfig& desired, ReconcileReport& report);
  void reconcile_qos(Opened& opened, const std::optional<port::QosConfig>& desired, ReconcileReport& report);
  void end_qos(const std::string& interface, const Status& status);
  void follow_mtu(Bridge& bridge);
  Status set_mtu(const Opened& opened, std::uint32_t mtu);
  void reconcile_open_port(Bridge& bridge, const PortConfig& desired, ReconcileReport& report);
  void reconcile_tree(Bridge& bridge, const BridgeConfig& desired);
  void reconcile_bonds(Bridge& bridge, const BridgeConfig& desired);
  void reconcile_switching(Bridge& bridge, const BridgeConfig& desired);
  void reconcile_address(Bridge& bridge, const BridgeConfig& desired, ReconcileReport& report);
  void reconcile_tables(Bridge& bridge, const BridgeConfig& desired, ReconcileReport& report);
  void reconcile_flows(Bridge& bridge, const BridgeConfig& desired, ReconcileReport& report);
  std::unique_ptr<io::TlsContext> reconcile_ssl(const io::TlsFiles& desired, ReconcileReport& report);
  void reconcile_connections(Bridge& bridge, const BridgeConfig& desired, bool restoring,
                             ReconcileReport& report);
  ofproto::Ofproto::Port port_of(const Opened& opened) const;
  /// By which partners of protocols know the bridge unless the configuration has another name.
  static net::Mac system_address(const Bridge& bridge);
  void describe_patch(const Bridge& bridge, PortStatus& status) const;
  Status open_port(Bridge& bridge, const PortConfig& port, std::uint32_t number);
  void close_port(Bridge& bridge, const std::string& name);
  /// Joins patch ports to their other ends, and parts those that have none any more.
  void join_patches();
  /// Sends a frame of the bridge's spanning tree.
  void send_bpdu(Bridge& bridge, std::uint32_t number, Bytes frame);
  /// What patch ports carried of it reaches the other bridges' trees.
  void deliver_patched_frames();
  void forward_patched_frame(Bridge& bridge, std::uint32_t number, Bytes frame);
  void deliver_some_memberships();
  void teach();
  void set_policing(std::uint32_t dp_port, const Policing& policing);
  /// Gives an open port another number, without touching its device.
  void renumber_port(Bridge& bridge, const std::string& name, std::uint32_t number);
  void reclaim_port_tables();
  void remove_bridge(const std::string& name);
  PortStatus status_of(const Bridge& bridge, const PortConfig& wanted) const;
  Bridge* find(std::string_view name) const;

  const Clock& clock_;
  pipeline::FrozenStore frozen_;  ///< of all bridges: patch ports lead packets from one to another
  SwitchOptions options_;
  SwitchConfig config_;
  std::unique_ptr<conntrack::Tracker> tracker_;
  std::unique_ptr<ofproto::Upcalls> upcalls_;
  std::unique_ptr<datapath::Datapath> datapath_;
  std::unique_ptr<io::TlsContext> tls_;           ///< null: ssl: and pssl: can't be used
  openflow::BundleRoom bundle_room_;              ///< of the sessions of all bridges
  std::vector<std::unique_ptr<Bridge>> bridges_;  ///< by name
  QosAgent qos_;
  ReconcileReport unsettled_;  ///< what came after the end of reconcile()
  std::function<void(const ReconcileReport&)> on_settled_;
  unsigned port_changes_ = 0;
  std::vector<std::unique_ptr<port::Port>> closed_;  ///< whose devices are still there
  /// Frames that left by a patch port.
  struct PatchedFrame {
    const pipeline::Pipeline* to;
    std::uint32_t number;
    std::vector<std::uint8_t> bytes;
  };
  std::vector<PatchedFrame> patched_;
  packet::PacketPool scratch_{1};  ///< for frames that no worker has
  MegaflowCensus census_;
  bool teaches_on_ = false;                ///< teach() is posted
  std::set<std::string> patches_changed_;  ///< patch ports that got another end, or lost it
};

}  // namespace sluice::bridge
