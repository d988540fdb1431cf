// Notes: what one call of the tracker did. Everything that is counted or that somebody may want to be told of
// passes by here exactly once: a connection's creation, update and end, and every packet that got +inv or
// was refused a connection.
//
// Counts grow in the call's own memory and are added to the shared cells at its end.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "base/limits.h"
#include "conntrack/entry.h"
#include "conntrack/reason.h"
#include "packet/packet.h"

namespace sluice::conntrack {

/// Why a connection ended.
enum class End : std::uint8_t {
  Expired,
  Flushed,   ///< by command; of a flushed zone: noted when its memory is swept, counted by the flush
  Replaced,  ///< by one with the same tuple: after close, or forced
};

enum class Event : std::uint8_t { Created, Destroyed, Expired, Committed, Lookup, Hit };
inline constexpr unsigned kEventCount = static_cast<unsigned>(Event::Hit) + 1;

struct CounterCells {
  std::array<std::atomic<std::uint64_t>, kEventCount> events;
  std::array<std::atomic<std::uint64_t>, kReasonCount> reasons;
};

/// One call's, on its stack.
class Notes {
 public:
  explicit Notes(CounterCells& cells) : cells_(cells) {}
  ~Notes() { add_to_cells(); }
  Notes(const Notes&) = delete;
  Notes& operator=(const Notes&) = delete;

  void looked_up() { count(Event::Lookup); }
  void hit() { count(Event::Hit); }

  // Entries are locked while they are noted.

  void created(const Entry& /*entry*/, std::uint32_t /*name*/) { count(Event::Created); }
  /// By a ct(commit), also the one that created it.
  void committed(const Entry& /*entry*/, std::uint32_t /*name*/) { count(Event::Committed); }
  /// @param counted  false if the flush of its zone has counted it already.
  void ended(const Entry& /*entry*/, std::uint32_t /*name*/, End why, bool counted) {
    if (!counted) return;
    count(Event::Destroyed);
    if (why == End::Expired) count(Event::Expired);
  }

  /// +inv.
  void invalid(const packet::Packet& /*packet*/, std::uint16_t /*zone*/, Reason reason) { count(reason); }
  /// Dropped: no connection could be made.
  void refused(const packet::Packet& /*packet*/, std::uint16_t /*zone*/, Reason reason) { count(reason); }

 private:
  void count(Event event) { ++events_[static_cast<unsigned>(event)]; }
  void count(Reason reason) {
    ++reasons_[static_cast<unsigned>(reason)];
    any_reason_ = true;
  }
  void add_to_cells() const {
    for (unsigned i = 0; i < kEventCount; ++i)
      if (events_[i] != 0) cells_.events[i].fetch_add(events_[i], std::memory_order_relaxed);
    if (!any_reason_) return;
    for (unsigned i = 0; i < kReasonCount; ++i)
      if (reasons_[i] != 0) cells_.reasons[i].fetch_add(reasons_[i], std::memory_order_relaxed);
  }

  CounterCells& cells_;
  std::array<std::uint32_t, kEventCount> events_{};
  std::array<std::uint8_t, kReasonCount> reasons_{};
  static_assert(limits::kBatchSize <= 255);
  bool any_reason_ = false;
};

}  // namespace sluice::conntrack
