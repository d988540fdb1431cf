// A worker: takes packets from its ports, through the pipeline, to ports. process_batch() is the datapath.
//
// A worker shares nothing that it writes per packet: it owns a megaflow table, a packet pool, counters and
// the receiving side of its ports. Shared are the tracker (its own locking), the sending side of ports (a
// lock per port when there are several workers) and the UpcallHandler. What the control plane wants of a
// worker comes through its mailbox between batches.
//
// Megaflows stay right by epoch: a megaflow last validated under an older epoch than the handler's is
// translated again before a packet uses it, and housekeeping does the same for those that no packet uses,
// expires idle ones and credits statistics, a bounded number a tick.
//
// Thread: everything but post() and stats() is for the worker's own thread, or the caller's while it is not
// running.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "cache/megaflow.h"
#include "datapath/action_engine.h"
#include "datapath/counters.h"
#include "datapath/datapath.h"
#include "datapath/mailbox.h"
#include "datapath/port_slot.h"
#include "datapath/sleeper.h"
#include "datapath/upcall.h"
#include "packet/packet_pool.h"

namespace sluice::datapath {

class Worker final : private EngineHost {
 public:
  Worker(unsigned index, const DatapathOptions& options, const Clock& clock, conntrack::Tracker& tracker);
  ~Worker();

  /// Fails if the machine has no descriptor or thread to spare.
  Status start();
  void stop();

  /// Has `work` done between two batches and waits for it; does it here if the worker is not running.
  void post(const std::function<void()>& work);

  // Below: on the worker's thread.

  /// One batch of every port, then a share of housekeeping. Returns the packets received.
  unsigned round();

  void set_handler(UpcallHandler* handler);
  void set_meters(const MeterTable* meters) { engine_.set_meters(meters); }
  /// Fails if its packets cannot be waited for.
  Status attach(PortSlot& slot);
  void detach(PortSlot& slot);
  Status inject(const Injection& injection);

  /// Copies at most `max` megaflows from the cursor on, which is 0 at first; returns the next cursor, or
  /// kDumpDone.
  static constexpr std::uint32_t kDumpDone = 0xffffffff;
  std::uint32_t dump(std::uint32_t cursor, unsigned max, std::vector<FlowSnapshot>& out);
  std::size_t flush();
  /// Credits the megaflows in at most `max` slots, with the same cursor.
  std::uint32_t push_stats(std::uint32_t cursor, unsigned max);
  void revalidate_all();
  /// Removes those that `which` accepts, in at most `max` slots; the same cursor. Adds to `removed`.
  std::uint32_t remove_flows(std::uint32_t cursor, unsigned max,
                             const std::function<bool(const flow::Match&)>& which, std::size_t& removed);
  void set_max_megaflows(std::uint32_t most);
  void set_megaflow_idle(Duration idle) { megaflow_idle_ = idle; }
  /// While paused, megaflows neither expire nor are looked after in the background.
  void pause_sweep(bool paused) { sweep_paused_ = paused; }
  std::uint32_t packets_in_use() const { return pool_.in_use(); }

  /// Any thread.
  DatapathStats stats() const;

 private:
  struct Uncached;

  void process_batch(packet::PacketBatch& batch);
  void find_headers(packet::PacketBatch& batch);
  void extract_keys(Pass& pass);
  void run_passes(Pass& pass, unsigned depth) override;
  std::uint32_t look_up(const Pass& pass, cache::Megaflow** found);
  std::uint32_t ask_control_plane(Pass& pass, cache::Megaflow** found, std::uint32_t misses,
                                  Uncached& uncached);
  void execute(Pass& pass, cache::Megaflow* const* found, std::uint32_t misses, Uncached& uncached,
               unsigned depth);
  static void next_pass(Pass& pass);
  bool send(std::uint32_t port, const packet::PacketBatch& packets) override;
  void flush_ports();

  cache::Megaflow& install(const flow::FlowKey& key, UpcallResult& result);
  cache::Megaflow* renew(cache::Megaflow& megaflow, const flow::FlowKey& key, const packet::Packet& packet);
  bool still_valid(cache::Megaflow& megaflow, const flow::FlowKey& key, const packet::Packet* packet,
                   UpcallResult& result);
  void police(packet::PacketBatch& batch, const PortSlot& slot);
  void housekeeping();
  void expire_tracked();
  void sweep(unsigned budget);
  void sweep_one(cache::Megaflow& megaflow);
  void publish_table();

  void run();
  unsigned round(std::span<PortSlot* const> slots);
  Status watch(PortSlot& slot);
  Duration may_sleep() const;

  struct View {
    PortSlot* slot = nullptr;
    bool unflushed = false;
  };

  const unsigned index_;
  const DatapathOptions options_;
  Duration megaflow_idle_;
  const Clock& clock_;
  conntrack::Tracker& tracker_;
  UpcallHandler* handler_ = nullptr;

  packet::PacketPool pool_;
  cache::MegaflowTable megaflows_;
  CounterCells counters_;
  ActionEngine engine_;
  std::vector<View> ports_;           // by number
  std::vector<PortSlot*> receive_;    // ours
  std::vector<PortSlot*> unwatched_;  // of these what no descriptor tells about
  std::vector<std::uint32_t> unflushed_;
  std::unique_ptr<flow::FlowKey[]> keys_;  // of the batch in progress

  Instant now_;
  std::uint64_t epoch_ = 0;  // the handler's, read at the start of the batch
  std::uint64_t published_probes_ = 0, published_exact_ = 0;
  Instant last_tick_, sweep_started_, masks_sorted_, maintained_;
  std::uint32_t sweep_at_ = 0;
  std::uint64_t swept_epoch_ = 0;
  bool more_connections_due_ = false, sweep_paused_ = false;
  std::atomic<std::uint64_t> table_size_{0}, table_masks_{0};

  std::thread thread_;
  std::atomic<bool> stopping_{false};
  Mailbox mailbox_;
  Sleeper sleeper_;
};

}  // namespace sluice::datapath
