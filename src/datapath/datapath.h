// Datapath: the façade that the control plane sees. It owns the ports and N workers; each worker owns a
// megaflow table, a packet pool and the receiving side of the ports assigned to it, and shares nothing that
// it writes per packet.
//
// Threads: all members are for one thread, the control plane's ("main"), but stats() and worker_stats(),
// which any thread may call. Two modes:
//  * threaded: start() … stop(). What main asks of a worker goes through the worker's mailbox and is executed
//  between
//    two batches; main waits for it. So main must not hold a lock that UpcallHandler takes, nor be an online
//    RCU reader.
//  * inline (not started): poll() runs one round of every worker on the caller's thread, at clock.now().
//  Deterministic:
//    tests, replay and scenarios use it with a ManualClock.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/result.h"
#include "datapath/counters.h"
#include "datapath/upcall.h"
#include "dp_action/program.h"
#include "flow/flow_key.h"
#include "packet/packet.h"
#include "port/port.h"

namespace sluice::conntrack {
class Tracker;
}

namespace sluice::datapath {

struct DatapathOptions {
  unsigned workers = 1;
  Duration megaflow_idle = Duration::seconds(10);  ///< a megaflow that no packet used for so long is removed
  std::uint32_t max_megaflows = limits::kMegaflows;  ///< per worker
  std::uint32_t max_masks = limits::kMasksPerPass;   ///< per port and recirculation; past it: exact megaflows
  std::uint32_t max_packets = 16'384;                ///< buffers of each size per worker
  std::uint64_t hash_secret = 0;                     ///< random per process; fixed in tests
};

/// The datapath's own port, ovs-netdev: reserved, no device behind it.
inline constexpr std::uint32_t kOwnPort = 0;
inline constexpr std::string_view kOwnPortName = "ovs-netdev";

class MeterTable;
struct MeterConfig;

struct PortInfo {
  std::uint32_t number;
  std::string name, type;
  // As of the last refresh_ports() or refresh_port().
  net::Mac mac;
  std::uint32_t mtu;
  bool link_up;
  std::optional<bool> admin_up;  ///< of a port with a device
  unsigned worker;
  std::uint64_t rx_packets, rx_bytes, rx_dropped, rx_errors;
  std::uint64_t tx_packets, tx_bytes, tx_dropped, tx_errors;
};

/// A copy of one megaflow.
struct FlowSnapshot {
  unsigned worker;
  flow::Match match;
  dp_action::Program program;
  std::uint64_t packets = 0, bytes = 0;
  std::uint16_t tcp_flags = 0;   ///< of all its TCP packets together
  std::optional<Duration> used;  ///< time since the last packet; nothing if none came yet
};

/// "recirc_id(0),in_port(2),…, packets:2, bytes:196, used:0.032s, actions:ct,recirc(0x1)".
std::string format_flow(const FlowSnapshot& flow, const field::NameResolver* names = nullptr);

/// A packet from the control plane.
struct Injection {
  Bytes bytes;
  packet::Metadata meta;  ///< in_port, recirc_id, ct… that the packet is to have
  /// Executed on the packet; null = the packet goes through the megaflow table as if it came in at
  /// meta.in_port.
  const dp_action::Program* program = nullptr;
};

class Datapath {
 public:
  /// The clock and the tracker must outlive the datapath.
  Datapath(const DatapathOptions& options, const Clock& clock, conntrack::Tracker& tracker);
  ~Datapath();  ///< stops
  Datapath(const Datapath&) = delete;
  Datapath& operator=(const Datapath&) = delete;

  /// Who answers upcalls; null: packets that no megaflow covers are dropped (DropReason::NoHandler).
  void set_handler(UpcallHandler* handler);

  /// Adds a port under the number asked for, or else the lowest free one from 1 up. The first packet may be
  /// received before this returns.
  Result<std::uint32_t> add_port(std::unique_ptr<port::Port> port, std::optional<std::uint32_t> number = {});
  /// No worker touches the port any more when this returns; gives it back to the caller.
  Result<std::unique_ptr<port::Port>> remove_port(std::uint32_t number);
  /// Asks the devices for address, MTU and link: once when a port is added, then whenever this is called.
  void refresh_ports();
  void refresh_port(std::uint32_t number);
  /// Lets the port's device run or takes it down; nothing changes where there is none.
  Status set_admin_up(std::uint32_t number, bool up);
  /// From now on packets that the port receives beyond any of the limits are dropped.
  void set_policing(std::uint32_t number, const std::vector<MeterConfig>& limits);
  std::vector<PortInfo> ports() const;  ///< ascending
  std::optional<PortInfo> find_port(std::uint32_t number) const;
  std::optional<std::uint32_t> port_number(std::string_view name) const;
  /// For members that any thread may call; the port may go with the next remove_port(). Null if there is
  /// none.
  port::Port* device(std::uint32_t number);
  /// Names of ports for odp text both ways; valid as long as the datapath.
  const field::NameResolver& port_names() const;

  /// Starts a thread for each worker. Fails if the machine has no descriptor or thread to spare.
  Status start();
  void stop();
  bool running() const;
  /// Inline mode: each worker takes at most one batch of every port, then does its share of housekeeping.
  /// Returns the packets received: 0 = nothing was waiting.
  unsigned poll();

  /// Executed before this returns.
  Status inject(const Injection& injection);

  /// Visits a copy of every megaflow, in slices between batches: counters are exact at the time of the visit.
  void dump_flows(const std::function<void(const FlowSnapshot&)>& visit);
  /// Credits what went through each megaflow and removes all of them. Returns how many there were.
  std::size_t flush_flows();
  /// Removes the megaflows that `which` accepts, in slices between batches; how many there were. `which` runs
  /// on workers while main waits.
  std::size_t remove_flows(const std::function<bool(const flow::Match&)>& which);
  /// Of all workers together; each has an equal share, at least one.
  void set_max_megaflows(std::uint32_t most);
  std::uint32_t max_megaflows() const;
  /// A megaflow that no packet used for so long is removed.
  void set_megaflow_idle(Duration idle);
  /// Whether workers look after megaflows in the background: expire those that are idle, translate those
  /// again that are old. Used or not, an old one is never used before it was.
  void set_background_sweep(bool enabled);
  /// Credits every StatsSink with what its megaflow has seen by now, in slices between batches.
  void push_stats();
  /// Translates every megaflow older than the handler's epoch again, now (workers do it by themselves before
  /// use, and in the background), and credits statistics.
  void revalidate();

  DatapathStats stats() const;
  unsigned workers() const;
  DatapathStats worker_stats(unsigned worker) const;

  /// Packet buffers held by workers: 0 between batches.
  std::uint32_t packets_in_use() const;

  conntrack::Tracker& tracker();
  MeterTable& meters();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::datapath
