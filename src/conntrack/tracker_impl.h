// What the files of the tracker share. pass.cc takes a batch through the tracker, create.cc makes
// connections and create_translated.cc those with NAT, admit.cc decides whether there is room, expire.cc and
// flush.cc end them, snapshot.cc shows them.
//
// classify.cc names a packet's connection, TagIndex finds it, the entry's lock makes it this worker's,
// proto/ judges the packet, and what came out is copied into the packet's metadata.
//
// Locks, in the order in which they may be held together: HomeLock, or TwoHomeLocks (creating) -> Entry::lock
// -> the shards of slab and wheel, the chunks of port lanes, the lock of the expectations. Nothing waits for
// a lock that a system call or a control command holds for long: dumps, flushes and expiry lock one entry at
// a time.
//
// An entry that is live lies in the wheel once and in the index under the hash of each of its tuples: once,
// as the hash is symmetric, or twice where NAT made the reply tuple another. No two entries of a zone in the
// index have a tuple in common, be they current or over. Who ends its life (retire) takes it out
// of the index under its lock; the wheel's next visit, at most TimerWheel::kHorizon later or in a sweep,
// gives the memory back. An entry whose time is over or whose zone was flushed is treated as absent by
// everyone who locks it; a packet that opens a connection with the same tuple renews it in place.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "base/slab.h"
#include "base/tag_index.h"
#include "base/timer_wheel.h"
#include "conntrack/classify.h"
#include "conntrack/entry.h"
#include "conntrack/entry_tuple.h"
#include "conntrack/helper/helpers.h"
#include "conntrack/nat/exhausted_pools.h"
#include "conntrack/nat/port_lanes.h"
#include "conntrack/newcomers.h"
#include "conntrack/notes.h"
#include "conntrack/proto/tcp.h"
#include "conntrack/snapshot.h"
#include "conntrack/tracker.h"
#include "conntrack/zone_table.h"

namespace sluice::conntrack {

inline constexpr std::uint32_t kNone = Slab<Entry>::kNone;
static_assert(kNone == TagIndex::kNone && kNone == packet::CtMetadata::kNoConnection);

struct Tracker::Impl {
  explicit Impl(const TrackerOptions& options);
  /// Whether the machine had the address space; without it nothing else may be called.
  bool has_memory() const;

  const Secret secret;
  const std::uint32_t capacity;
  Slab<Entry> slab;
  TagIndex index;
  ZoneTable zones;
  Newcomers newcomers;
  TimerWheel wheel;
  nat::PortLanes port_lanes;
  Reassembler reassembler;

  std::atomic<std::uint32_t> max_connections;
  std::atomic<std::uint32_t> default_zone_limit{0};
  std::atomic<bool> tcp_sequence_check;
  std::atomic<std::int64_t> sweep_interval_ns;

  alignas(64) std::atomic<std::int64_t> total{0};
  std::atomic<std::uint64_t> next_id{1};
  std::atomic<std::uint32_t> early_drop_hand{0};
  std::atomic<std::uint64_t> next_random{0};
  nat::ExhaustedPools exhausted_pools;

  Books books{zones};

  std::mutex expire_mutex;  ///< one thread turns the wheel
  std::mutex policy_mutex;  ///< guards policies
  /// Every policy ever set, never freed before the tracker: zones and workers refer to them. Equal ones are
  /// shared.
  std::vector<std::pair<TimeoutPolicy, std::unique_ptr<const TimeoutTicks>>> policies;

  Helpers helpers;

  const TimeoutTicks& timeouts(std::uint16_t zone) const { return zones.timeouts(zone); }

  /// What a zone asks of its TCP segments.
  tcp::Rules tcp_rules(const Strictness& zone) const {
    using Check = Strictness::SequenceCheck;
    return {.check_sequence = zone.sequence_check == Check::Global
                                  ? tcp_sequence_check.load(std::memory_order_relaxed)
                                  : zone.sequence_check == Check::On,
            .liberal = zone.liberal};
  }

  /// For NAT's choices: nobody outside can tell the next one.
  std::uint64_t fresh_random() {
    return hash_mix(secret.address_lo, next_random.fetch_add(1, std::memory_order_relaxed));
  }
  /// What fresh_random() will say next.
  std::uint64_t next_random_now() const {
    return hash_mix(secret.address_lo, next_random.load(std::memory_order_relaxed));
  }

  /// Of the original tuple.
  std::uint64_t hash_of(const Entry& entry) const { return secret.hash(entry.key(), is_icmp(entry)); }

  bool is_flushed(const Entry& entry) const { return entry.zone_generation != zones.generation(entry.zone); }

  // admit.cc

  struct Admission {
    std::uint16_t zone_generation = 0;
    Reason reason = Reason::None;  ///< not None: there is no room
    std::uint32_t name = kNone;    ///< an entry to use, locked and out of the index: somebody made way
    bool limited = false;          ///< the zone has a limit
  };
  /// Counts a connection in, if the limits allow it, or if one that is not assured makes way.
  Admission admit(std::uint16_t zone, std::uint64_t hash, CoarseTime now, Notes& notes);
  std::uint32_t limit_of(std::uint16_t zone) const;
  /// The same, but nobody makes way.
  Admission enter(std::uint16_t zone);
  /// Takes back an admission that came to nothing.
  void unadmit(std::uint16_t zone, const Admission& admission);

  /// Ends the life of a locked entry.
  void retire(Entry& entry, std::uint32_t name, End why, Notes& notes);
  /// The two halves of retire(), for an entry that begins another life at once: out of the books …
  void discharge(const Entry& entry, std::uint32_t name, End why, Notes& notes);
  /// … and out of the index.
  void remove(Entry& entry, std::uint32_t name);

  // family.cc

  /// What is expected that the probe's packet would open.
  std::optional<Expectation> find_expectation(const Probe& probe, Instant now);
  /// advance() for a parent or a child.
  Verdict advance_family(Entry& entry, const packet::Packet& packet, Direction direction,
                         tcp::Rules rules) const;

  // early_drop.cc

  /// Ends a connection (of the zone, if one is given) that is not assured.
  /// @return its name, locked and out of the index, or kNone if a bounded search found none.
  std::uint32_t drop_early(std::optional<std::uint16_t> zone, std::uint64_t hash, CoarseTime now,
                           Notes& notes);
  /// The new, locked entry is of a zone with a limit.
  void remember_newcomer(const Entry& entry, std::uint32_t name, std::uint64_t hash);
  class VictimSearch;

  // snapshot.cc

  ConnectionSnapshot snapshot(const Entry& entry, std::uint32_t name, Instant now);

  // peek.cc

  template <typename IsCurrent>
  void choose_translation(const Probe& probe, const CtRequest& request, IsCurrent&& is_current,
                          PeekResult& result);

  /// Calls visit(locked entry, name) for live, current connections in [from, to).
  template <typename Visit>
  void for_each(std::uint32_t from, std::uint32_t to, Visit&& visit) {
    for (std::uint32_t name = from; name < to; ++name) {
      Entry& entry = slab[name];
      entry.lock();
      if (entry.has(Entry::kLive)) visit(entry, name);
      entry.unlock();
    }
  }

  /// expire.cc: what the wheel calls for a name that is due.
  std::optional<Instant> visit_due(std::uint32_t name, Instant now, Notes& notes);
  Instant next_visit(Instant now, std::int64_t ticks_left) const;
  /// flush.cc: retires every flushed entry now, before a zone's generation comes round again.
  void purge_flushed();

  class Pass;
};

}  // namespace sluice::conntrack
