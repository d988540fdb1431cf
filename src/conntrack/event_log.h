// EventLog: how listeners learn of connections that come, change and go, without a packet ever waiting.
//
// Nobody listens: one load per call of the tracker. Somebody does: the event is copied into a ring of the
// thread (of those threads that share a stripe), and lost, which is counted, if the ring is full. One thread,
// main, takes events from all rings, ordered by time within what it takes at once.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/mpsc_ring.h"
#include "conntrack/event.h"

namespace sluice::conntrack {

class EventLog {
 public:
  static constexpr unsigned kStripes = 8;
  /// Events of a stripe that may wait: what a busy worker does in 10 ms.
  static constexpr std::size_t kRingEvents = 4096;

  struct Rings {
    std::array<MpscRing<ConnectionEvent>, kStripes> stripes{
        MpscRing<ConnectionEvent>{kRingEvents}, MpscRing<ConnectionEvent>{kRingEvents},
        MpscRing<ConnectionEvent>{kRingEvents}, MpscRing<ConnectionEvent>{kRingEvents},
        MpscRing<ConnectionEvent>{kRingEvents}, MpscRing<ConnectionEvent>{kRingEvents},
        MpscRing<ConnectionEvent>{kRingEvents}, MpscRing<ConnectionEvent>{kRingEvents}};
    std::atomic<std::uint64_t> lost{0};

    void publish(unsigned stripe, const ConnectionEvent& event) {
      if (!stripes[stripe].push(event)) lost.fetch_add(1, std::memory_order_relaxed);
    }
  };

  /// Null while nobody listens. What it points to lives as long as the log.
  Rings* rings() const { return current_.load(std::memory_order_acquire); }

  // The thread that listens.

  void listen(bool on);
  /// Appends up to `max` events, oldest first; returns whether more wait.
  bool take(std::vector<ConnectionEvent>& out, std::size_t max);
  /// Events that no ring had room for, ever.
  std::uint64_t lost() const;

 private:
  std::unique_ptr<Rings> rings_;  ///< made at the first listen()
  std::atomic<Rings*> current_{nullptr};
  unsigned next_ = 0;  ///< the stripe to begin with, in turn
};

}  // namespace sluice::conntrack
