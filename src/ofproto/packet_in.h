// Packets on their way to controllers: a bounded queue between the workers, which fill it, and main, which
// empties it. What does not fit is counted and forgotten; a worker never waits for a controller.
//
// Threads: push() by any worker, take() by main, the counters by anyone. One mutex, held for a pointer move:
// the copy of the packet is made before, the consumers work after.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

#include "dp_action/program.h"
#include "flow/flow_key.h"
#include "packet/packet.h"

namespace sluice::ofproto {

class Ofproto;

struct PacketIn {
  Ofproto* bridge = nullptr;
  flow::FlowKey key;  ///< in_port an OpenFlow port
  packet::Metadata meta;
  dp_action::Userspace action;
  std::vector<std::uint8_t> bytes;
};

class PacketInQueue {
 public:
  /// Packets that may wait: a burst of a few milliseconds at the rate that a controller can answer.
  static constexpr std::size_t kMaxWaiting = 1000;

  /// Counts a packet that does not fit and returns true: nobody need make a copy of it. What is not refused
  /// here still may be by push().
  bool refuse();
  void count_refused() { dropped_.fetch_add(1, std::memory_order_relaxed); }
  /// Called by the worker whose packet finds the queue empty. To be set before there are workers.
  void set_notify(std::function<void()> notify) { notify_ = std::move(notify); }
  /// False if the queue was full.
  bool push(PacketIn packet_in);
  /// At most so many of those that wait, oldest first.
  std::vector<PacketIn> take(std::size_t most = kMaxWaiting);
  /// Forgets what waits for a bridge that goes away.
  void forget(const Ofproto& bridge);

  std::uint64_t queued() const { return queued_.load(std::memory_order_relaxed); }
  std::uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }
  std::size_t waiting() const;

 private:
  mutable std::mutex mutex_;
  std::vector<PacketIn> waiting_;  ///< guarded by mutex_
  std::function<void()> notify_;
  std::atomic<bool> full_{false};
  std::atomic<std::uint64_t> queued_{0}, dropped_{0};
};

}  // namespace sluice::ofproto
