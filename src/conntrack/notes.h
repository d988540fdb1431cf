// Notes: what one call of the tracker did. Everything that is counted or that somebody may want to be told of
// passes by here exactly once: a connection's creation, update and end, and every packet that got +inv or
// was refused a connection.
//
// Counts grow in the call's own memory and are added to the shared cells at its end.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "base/clock.h"
#include "base/limits.h"
#include "conntrack/entry.h"
#include "conntrack/event.h"
#include "conntrack/event_log.h"
#include "conntrack/reason.h"
#include "conntrack/reason_log.h"
#include "conntrack/zone_table.h"
#include "packet/packet.h"

namespace sluice::conntrack {

enum class Event : std::uint8_t {
  Created,
  Destroyed,
  Expired,
  Committed,
  Lookup,
  Hit,
  DroppedEarly,
  Related,             ///< connections that a helper had expected
  Expected,            ///< expectations made
  ExpectationRefused,  ///< for want of room
  HelperRefused,       ///< connections that got no helper for want of room
};
inline constexpr unsigned kEventCount = static_cast<unsigned>(Event::HelperRefused) + 1;

struct CounterCells {
  std::array<std::atomic<std::uint64_t>, kEventCount> events;
  std::array<std::atomic<std::uint64_t>, kReasonCount> reasons;
};

/// What all calls add to. Any thread.
struct Books {
  static constexpr unsigned kStripes = EventLog::kStripes;
  static_assert(kStripes == ReasonLog::kStripes);
  struct alignas(64) Stripe : CounterCells {};

  explicit Books(const ZoneTable& z) : zones(z) {}

  /// Threads take stripes in turn. A thread keeps its own, or events of one moment would change places.
  [[gnu::always_inline]] static unsigned stripe_here() {
    static constinit std::atomic<unsigned> threads{0};
    static constinit thread_local unsigned number = 0;  // 0: has none yet
    if (number == 0) [[unlikely]]
      number = threads.fetch_add(1, std::memory_order_relaxed) + 1;
    return number % kStripes;
  }

  const ZoneTable& zones;
  std::array<Stripe, kStripes> counters{};
  EventLog events;
  ReasonLog reasons;
  std::atomic<std::int64_t> last_now_ns{0};  ///< when connections last expired: for calls that are not told
};

/// One call's, on its stack.
class Notes {
 public:
  Notes(Books& books, Instant now)
      : books_(books), rings_(books.events.rings()), stripe_(Books::stripe_here()), now_(now) {}
  ~Notes() { close(); }
  Notes(const Notes&) = delete;
  Notes& operator=(const Notes&) = delete;

  void looked_up(unsigned packets) { count(Event::Lookup, packets); }
  void hit(unsigned packets) { count(Event::Hit, packets); }

  void related() { count(Event::Related); }
  void expected() { count(Event::Expected); }
  void expectation_refused() { count(Event::ExpectationRefused); }
  void helper_refused() { count(Event::HelperRefused); }

  // Entries are locked while they are noted.

  /// Mark and label are set.
  void created(const Entry& entry, std::uint32_t name) {
    count(Event::Created);
    if (has_listener()) [[unlikely]]
      publish(ConnectionEvent::Kind::New, End::Expired, entry, name);
  }
  /// By a ct(commit), also the one that created it.
  void committed(const Entry& /*entry*/, std::uint32_t /*name*/) { count(Event::Committed); }
  /// Whether somebody wants to know of changes; only then need they be found.
  bool has_listener() const { return rings_ != nullptr; }
  /// State, mark or label are not what they were.
  void changed(const Entry& entry, std::uint32_t name) {
    publish(ConnectionEvent::Kind::Update, End::Expired, entry, name);
  }
  /// @param counted  false if the flush of its zone has counted it already.
  void ended(const Entry& entry, std::uint32_t name, End why, bool counted) {
    if (has_listener()) [[unlikely]]
      publish(ConnectionEvent::Kind::Destroy, why, entry, name);
    if (!counted) return;
    count(Event::Destroyed);
    if (why == End::Expired) count(Event::Expired);
    if (why == End::DroppedEarly) count(Event::DroppedEarly);
  }

  /// +inv.
  void invalid(const packet::Packet& packet, std::uint16_t zone, Reason reason) {
    count(packet, zone, reason, false);
  }
  /// Dropped: no connection could be made.
  void refused(const packet::Packet& packet, std::uint16_t zone, Reason reason) {
    count(packet, zone, reason, true);
  }

 private:
  void count(Event event, unsigned n = 1) { events_[static_cast<unsigned>(event)] += n; }
  void count(const packet::Packet& packet, std::uint16_t zone, Reason reason, bool dropped) {
    ++reasons_[static_cast<unsigned>(reason)];
    any_reason_ = true;
    zone_ = zone;  // a call is about one
    if (books_.reasons.wants(stripe_, reason, now_)) [[unlikely]]
      sample(packet, zone, reason, dropped);
  }
  void publish(ConnectionEvent::Kind kind, End why, const Entry& entry, std::uint32_t name);
  void sample(const packet::Packet& packet, std::uint16_t zone, Reason reason, bool dropped);
  void close();

  Books& books_;
  EventLog::Rings* const rings_;  ///< null if nobody listens
  const unsigned stripe_;
  const Instant now_;
  std::array<std::uint32_t, kEventCount> events_{};
  std::array<std::uint8_t, kReasonCount> reasons_{};
  static_assert(limits::kBatchSize <= 255);
  bool any_reason_ = false;
  std::uint16_t zone_ = 0;
};

}  // namespace sluice::conntrack
