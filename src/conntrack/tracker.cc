// How the pieces work together: classify.cc names a packet's connection, TagIndex finds it, the entry's lock
// makes it this worker's, proto/ judges the packet, and what came out is copied into the packet's metadata.
//
// Locks, in the order in which they may be held together: HomeLock (creating) -> Entry::lock -> the shards of
// slab and wheel. Nothing waits for a lock that a system call or a control command holds for long: dumps,
// flushes and expiry lock one entry at a time.
//
// An entry that is live lies in the index and in the wheel once each. Who ends its life (retire) takes it out
// of the index under its lock; the wheel's next visit, at most TimerWheel::kHorizon later or in a sweep,
// gives the memory back. An entry whose time is over or whose zone was flushed is treated as absent by
// everyone who locks it; a packet that opens a connection with the same tuple renews it in place.
#include "conntrack/tracker.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <limits>
#include <mutex>
#include <new>

#include "base/slab.h"
#include "base/tag_index.h"
#include "base/timer_wheel.h"
#include "conntrack/classify.h"
#include "conntrack/dump.h"
#include "conntrack/entry.h"
#include "conntrack/proto/simple.h"
#include "conntrack/proto/tcp.h"
#include "conntrack/zone_table.h"
#include "net/address.h"

namespace sluice::conntrack {
namespace {

using packet::CtMetadata;
using packet::Packet;

constexpr std::uint32_t kNone = Slab<Entry>::kNone;
static_assert(kNone == TagIndex::kNone && kNone == CtMetadata::kNoConnection);

/// Entries beyond the maximum: those that a flush left behind until they are swept.
std::uint32_t slab_capacity(std::uint32_t max_connections) {
  return static_cast<std::uint32_t>(
      std::min<std::uint64_t>(std::uint64_t{max_connections} * 2 + 1024, 0x7fffffff));
}

struct CounterCells {
  std::array<std::atomic<std::uint64_t>, 6> events;
  std::array<std::atomic<std::uint64_t>, kReasonCount> reasons;
};
enum Event : unsigned { kCreated, kDestroyed, kExpired, kCommitted, kLookups, kHits };

/// Counts of one call, added to the shared cells at its end.
struct LocalCounters {
  std::array<std::uint32_t, 6> events{};
  std::array<std::uint8_t, kReasonCount> reasons{};
  bool any_reason = false;

  void add_to(CounterCells& cells) const {
    for (unsigned i = 0; i < events.size(); ++i)
      if (events[i] != 0) cells.events[i].fetch_add(events[i], std::memory_order_relaxed);
    if (!any_reason) return;
    for (unsigned i = 0; i < kReasonCount; ++i)
      if (reasons[i] != 0) cells.reasons[i].fetch_add(reasons[i], std::memory_order_relaxed);
  }
  void add(Reason reason) {
    ++reasons[static_cast<unsigned>(reason)];
    any_reason = true;
  }
};
static_assert(limits::kBatchSize <= 255);

/// Which way the probe's packet runs in the connection, or nothing if it is another's. The entry is locked.
/// The folded addresses agree; do the addresses?
bool ipv6_matches(const Entry& entry, const Probe& probe, bool forward, bool backward, Direction& direction) {
  if (forward && std::memcmp(entry.ipv6, probe.ipv6, 32) == 0) return true;
  direction = Direction::Reply;
  return backward && std::memcmp(entry.ipv6, probe.ipv6 + 16, 16) == 0 &&
         std::memcmp(entry.ipv6 + 16, probe.ipv6, 16) == 0;
}

[[gnu::always_inline]] inline bool matches(const Entry& entry, const Probe& probe, std::uint16_t zone,
                                           Direction& direction) {
  // No branch on the direction: it is as random as traffic.
  const bool forward = (entry.src == probe.src) & (entry.dst == probe.dst) & (entry.ports == probe.ports);
  const bool backward =
      (entry.src == probe.dst) & (entry.dst == probe.src) & (entry.ports == probe.reverse_ports);
  const std::uint8_t kind = Entry::kLive | (probe.is_ipv6() ? Entry::kIpv6 : 0);
  if (!((forward | backward) & (entry.proto == probe.proto) & (entry.zone == zone) &
        ((entry.flag_bits() & (Entry::kLive | Entry::kIpv6)) == kind)))
    return false;
  direction = static_cast<Direction>(!forward);
  return !probe.is_ipv6() || ipv6_matches(entry, probe, forward, backward, direction);
}

/// Shortens a batch to its first n packets, which lie at its front.
void keep_first(packet::PacketBatch& batch, unsigned n) {
  if (n == batch.size()) return;
  std::array<Packet*, limits::kBatchSize> kept;
  std::copy_n(batch.begin(), n, kept.begin());
  batch.clear();
  for (unsigned i = 0; i < n; ++i) batch.push(kept[i]);
}

bool is_icmp(const Entry& entry) {
  return entry.proto == (entry.has(Entry::kIpv6) ? net::ip_proto::kIcmpv6 : net::ip_proto::kIcmp);
}

void copy_addresses(const Entry& entry, be128& src, be128& dst) {
  if (entry.has(Entry::kIpv6)) {
    std::memcpy(&src, entry.ipv6, 16);
    std::memcpy(&dst, entry.ipv6 + 16, 16);
  } else {
    src = net::v4_mapped(be32::from_raw(entry.src));
    dst = net::v4_mapped(be32::from_raw(entry.dst));
  }
}

struct PortBytes {
  explicit PortBytes(std::uint32_t ports) { std::memcpy(bytes, &ports, sizeof bytes); }
  be16 first() const { return be16::load(bytes); }
  be16 second() const { return be16::load(bytes + 2); }
  std::uint8_t bytes[4];
};

Tuple original_tuple(const Entry& entry) {
  Tuple tuple;
  copy_addresses(entry, tuple.src, tuple.dst);
  const PortBytes ports(entry.ports);
  tuple.proto = entry.proto;
  tuple.is_ipv6 = entry.has(Entry::kIpv6);
  tuple.src_port = ports.first();
  if (is_icmp(entry)) {
    tuple.dst_port = ports.first();
    tuple.icmp_type = ports.bytes[2];
    tuple.icmp_code = ports.bytes[3];
  } else {
    tuple.dst_port = ports.second();
  }
  return tuple;
}

/// Lets the packet's protocol judge it and advance the connection.
[[gnu::noinline]] Verdict advance_tcp(Entry& entry, const Packet& packet, Direction direction,
                                      bool check_sequence) {
  const wire::Layout& layout = packet.layout;
  const tcp::Segment segment = tcp::read(packet.data() + layout.l4, layout.l3_end - layout.payload);
  return tcp::update(entry, direction, segment, check_sequence);
}

[[gnu::always_inline]] inline Verdict advance(Entry& entry, const Packet& packet, Direction direction,
                                              bool check_sequence) {
  if (entry.proto != net::ip_proto::kTcp) return simple::update(entry, direction);
  const wire::Layout& layout = packet.layout;
  if (tcp::update_plain(entry, direction, packet.data() + layout.l4, layout.l3_end - layout.payload))
      [[likely]]
    return {Outcome::Established};
  return advance_tcp(entry, packet, direction, check_sequence);
}

void open(Entry& entry, const Packet& packet) {
  if (entry.proto != net::ip_proto::kTcp) return simple::open(entry);
  const wire::Layout& layout = packet.layout;
  tcp::open(entry, tcp::read(packet.data() + layout.l4, layout.l3_end - layout.payload));
}

std::uint32_t datagram_bytes(const Packet& packet) {
  return packet.layout.l3_end - packet.layout.l3;
}

constexpr std::uint8_t state_of(Outcome outcome, Direction direction) {
  using namespace ct_state;
  static_assert(static_cast<unsigned>(Direction::Reply) * 8 == kReply);
  if (outcome == Outcome::New) return kNew | kTracked;
  return static_cast<std::uint8_t>(kEstablished | kTracked | static_cast<unsigned>(direction) * 8);
}

}  // namespace

struct Tracker::Impl {
  explicit Impl(const TrackerOptions& options)
      : secret(options.hash_secret),
        capacity(options.max_connections),
        slab(slab_capacity(options.max_connections)),
        index(static_cast<std::uint32_t>(
            std::min<std::uint64_t>(std::uint64_t{options.max_connections} * 2 + 64, 0xffffffff))),
        wheel(slab_capacity(options.max_connections)),
        max_connections(options.max_connections),
        tcp_sequence_check(options.tcp_sequence_check) {}

  const Secret secret;
  const std::uint32_t capacity;
  Slab<Entry> slab;
  TagIndex index;
  ZoneTable zones;
  TimerWheel wheel;

  std::atomic<std::uint32_t> max_connections;
  std::atomic<std::uint32_t> default_zone_limit{0};
  std::atomic<bool> tcp_sequence_check;
  const TimeoutTicks default_timeouts{TimeoutPolicy{}};

  alignas(64) std::atomic<std::int64_t> total{0};
  std::atomic<std::uint64_t> next_id{1};

  static constexpr unsigned kStripes = 8;
  struct alignas(64) Stripe : CounterCells {};
  std::array<Stripe, kStripes> counters{};

  std::mutex expire_mutex;  ///< one thread turns the wheel
  std::mutex policy_mutex;  ///< guards policies
  /// Every policy ever set, never freed before the tracker: zones and workers refer to them. Equal ones are
  /// shared.
  std::vector<std::pair<TimeoutPolicy, std::unique_ptr<const TimeoutTicks>>> policies;

  const TimeoutTicks& timeouts(std::uint16_t zone) const {
    const TimeoutTicks* own = zones.timeouts(zone);
    return own != nullptr ? *own : default_timeouts;
  }

  /// Threads have their stacks far apart: good enough to keep their counters apart.
  CounterCells& cells(const void* stack) {
    return counters[(reinterpret_cast<std::uintptr_t>(stack) >> 16) % kStripes];
  }

  std::uint64_t hash_of(const Entry& entry) const {
    return secret.hash(entry.src, entry.dst, entry.ports, entry.proto, is_icmp(entry), entry.zone);
  }

  static std::int64_t ticks_left(const Entry& entry, const TimeoutTicks& timeouts, CoarseTime now) {
    return std::int64_t{timeouts[timeout_class(entry)]} - now.since(entry.last_seen);
  }

  /// Counts a connection in, or says why there is no room.
  struct Admission {
    std::uint16_t zone_generation;
    Reason reason;
  };
  Admission admit(std::uint16_t zone) {
    std::uint32_t zone_limit = std::numeric_limits<std::uint32_t>::max();
    if (const auto own = zones.limit(zone))
      zone_limit = *own;
    else if (const std::uint32_t common = default_zone_limit.load(std::memory_order_relaxed); common != 0)
      zone_limit = common;
    const auto generation = zones.enter(zone, zone_limit);
    if (!generation) return {0, Reason::ZoneFull};
    if (total.fetch_add(1, std::memory_order_relaxed) >= max_connections.load(std::memory_order_relaxed)) {
      // The place to drop an unassured connection early: pick among the names of the packet's own bucket.
      if (zones.leave(zone, *generation)) total.fetch_sub(1, std::memory_order_relaxed);
      return {0, Reason::TableFull};
    }
    return {*generation, Reason::None};
  }

  /// Counts a connection out, unless a flush of its zone did.
  void discharge(const Entry& entry, LocalCounters& counts) {
    if (!zones.leave(entry.zone, entry.zone_generation)) return;
    total.fetch_sub(1, std::memory_order_relaxed);
    ++counts.events[kDestroyed];
  }

  /// Ends the life of a locked entry.
  void retire(Entry& entry, std::uint32_t name, LocalCounters& counts) {
    remove(entry, name);
    discharge(entry, counts);
  }
  void remove(Entry& entry, std::uint32_t name) {
    index.erase(hash_of(entry), name);
    entry.set_flag(Entry::kLive, false);
  }

  ConnectionSnapshot snapshot(const Entry& entry, std::uint32_t name, Instant now) const;

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
  bool is_flushed(const Entry& entry) const { return entry.zone_generation != zones.generation(entry.zone); }

  std::optional<Instant> visit_due(std::uint32_t name, Instant now, LocalCounters& counts);
  void purge_flushed();

  class Pass;
};

/// One call of process(): three rounds over the batch, so that the memory of one packet is on its way while
/// the others are worked on.
class Tracker::Impl::Pass {
 public:
  Pass(Impl& tracker, const CtRequest& request, Instant now)
      : t_(tracker),
        request_(request),
        now_(now),
        coarse_now_(CoarseTime::of(now)),
        timeouts_(tracker.timeouts(request.zone)),
        check_sequence_(tracker.tcp_sequence_check.load(std::memory_order_relaxed)) {}

  void run(packet::PacketBatch& batch, packet::PacketBatch& dropped) {
    std::array<Work, limits::kBatchSize> work;
    const unsigned n = batch.size();
    for (unsigned i = 0; i < n; ++i) identify(*batch[i], work[i]);
    for (unsigned i = 0; i < n; ++i) prefetch_candidate(work[i]);
    unsigned kept = 0;
    for (unsigned i = 0; i < n; ++i) {
      Packet* packet = batch[i];
      if (settle(*packet, work[i])) [[likely]]
        batch[kept++] = packet;
      else
        dropped.push(packet);
    }
    keep_first(batch, kept);
    counts_.add_to(t_.cells(&work));
  }

 private:
  struct Work {
    Probe probe;
    std::uint32_t candidate;
    bool tracked_here;  ///< an earlier ct of this packet in this zone has its say
  };
  struct Found {
    Entry* entry = nullptr;  ///< locked
    std::uint32_t name = kNone;
    Direction direction = Direction::Original;
  };

  void identify(const Packet& packet, Work& work) {
    const CtMetadata& meta = packet.meta.ct;
    work.tracked_here = (meta.state & ct_state::kTracked) != 0 && meta.zone == request_.zone &&
                        (meta.connection != kNone || (meta.state & ct_state::kInvalid) != 0);
    if (work.tracked_here) [[unlikely]] {
      work.candidate = meta.connection;
      return;
    }
    classify(packet, t_.secret, request_.zone, work.probe);
    if (work.probe.reason == Reason::None) [[likely]]
      t_.index.prefetch(work.probe.hash);
  }

  void prefetch_candidate(Work& work) {
    if (!work.tracked_here) {
      work.candidate = kNone;
      if (work.probe.reason != Reason::None) return;
      work.candidate = t_.index.candidate(work.probe.hash);
    }
    if (work.candidate >= t_.slab.capacity()) return;
    const Entry& entry = t_.slab[work.candidate];
    __builtin_prefetch(&entry, 1, 3);
    if (work.probe.is_ipv6()) __builtin_prefetch(entry.ipv6, 0, 3);
  }

  /// False if the packet is to be dropped.
  bool settle(Packet& packet, Work& work) {
    if (work.tracked_here) [[unlikely]] {
      if (const std::optional<bool> keep = revisit(packet)) return *keep;
      classify(packet, t_.secret, request_.zone, work.probe);
      work.candidate = kNone;
      created_ = true;
    }
    const Probe& probe = work.probe;
    if (probe.reason != Reason::None) [[unlikely]]
      return invalidate(packet, probe.reason);
    ++counts_.events[kLookups];
    Found found;
    if (work.candidate != kNone && is_it(probe, work.candidate, found)) [[likely]]
      return meet(packet, probe, found);
    // Another with the same tag was in the way, or the connection came into being after the second round.
    if ((work.candidate != kNone || created_) && find(probe, found)) return meet_late(packet, probe, found);
    return absent(packet, probe);
  }

  [[gnu::always_inline]] bool is_it(const Probe& probe, std::uint32_t name, Found& found) {
    Entry& entry = t_.slab[name];
    entry.lock();
    if (matches(entry, probe, request_.zone, found.direction)) [[likely]] {
      found.entry = &entry;
      found.name = name;
      return true;
    }
    entry.unlock();
    return false;
  }
  /// Looks for the entry that the probe names; it is then locked.
  [[gnu::noinline]] bool find(const Probe& probe, Found& found) {
    return t_.index.find(probe.hash, [&](std::uint32_t name) { return is_it(probe, name, found); }) != kNone;
  }

  bool is_current(const Entry& entry) const {
    return !t_.is_flushed(entry) && ticks_left(entry, timeouts_, coarse_now_) > 0;
  }

  /// The packet's tuple is known to the table. Unlocks the entry.
  [[gnu::always_inline]] bool meet(Packet& packet, const Probe& probe, const Found& found) {
    Entry& entry = *found.entry;
    if (!is_current(entry)) [[unlikely]]
      return renew(packet, probe, found);
    ++counts_.events[kHits];
    if (probe.related) [[unlikely]]
      return relate(packet, found);
    if (request_.force && request_.commit && found.direction == Direction::Reply) [[unlikely]]
      return renew(packet, probe, found);
    const Verdict verdict = advance(entry, packet, found.direction, check_sequence_);
    if (verdict.outcome == Outcome::Invalid) [[unlikely]] {
      entry.unlock();
      return invalidate(packet, verdict.reason);
    }
    if (verdict.outcome == Outcome::Reopen) [[unlikely]]
      return renew(packet, probe, found);

    if (coarse_now_.since(entry.last_seen) > 0) entry.last_seen = coarse_now_;
    entry.count(found.direction, datagram_bytes(packet));
    const bool reply = found.direction == Direction::Reply;
    // One branch that goes the same way for both directions.
    static_assert(Entry::kSeenReply == 1u << 3);
    if (static_cast<unsigned>(reply) > (entry.flag_bits() >> 3 & 1u)) [[unlikely]]
      entry.set_flag(Entry::kSeenReply, true);
    if (request_.commit) commit(entry);
    describe(packet.meta.ct, found, state_of(verdict.outcome, found.direction), reply);
    entry.unlock();
    return true;
  }

  /// An ICMP error about a packet of this connection. Unlocks the entry.
  [[gnu::noinline]] bool relate(Packet& packet, const Found& found) {
    // It travels against the packet that it quotes.
    const bool reply = found.direction == Direction::Original;
    const unsigned state = ct_state::kTracked | ct_state::kRelated | (reply ? ct_state::kReply : 0u);
    if (request_.commit) commit(*found.entry);
    describe(packet.meta.ct, found, static_cast<std::uint8_t>(state), reply);
    found.entry->unlock();
    return true;
  }
  [[gnu::noinline]] bool meet_late(Packet& packet, const Probe& probe, const Found& found) {
    return meet(packet, probe, found);
  }

  /// The packet opens a connection whose tuple a dead, closed or (force) opposite one has: commit puts the
  /// new one in its place. Unlocks the entry.
  [[gnu::noinline]] bool renew(Packet& packet, const Probe& probe, const Found& found) {
    Entry& entry = *found.entry;
    const bool forced = request_.force && request_.commit;
    if (probe.cannot_open != Reason::None) {
      if (forced) t_.retire(entry, found.name, counts_);
      entry.unlock();
      return invalidate(packet, probe.cannot_open);
    }
    if (!request_.commit) {
      entry.unlock();
      return describe_new(packet, probe);
    }
    if (ticks_left(entry, timeouts_, coarse_now_) <= 0 && !t_.is_flushed(entry)) ++counts_.events[kExpired];
    t_.discharge(entry, counts_);
    const Admission admission = t_.admit(request_.zone);
    if (admission.reason != Reason::None) {
      t_.remove(entry, found.name);
      entry.unlock();
      counts_.add(admission.reason);
      return false;
    }
    begin(entry, packet, probe, admission.zone_generation);
    finish_creation(packet, {&entry, found.name, Direction::Original});
    return true;
  }

  /// The packet's tuple is not in the table.
  [[gnu::noinline]] bool absent(Packet& packet, const Probe& probe) {
    if (probe.cannot_open != Reason::None) [[unlikely]]
      return invalidate(packet, probe.cannot_open);
    if (!request_.commit) return describe_new(packet, probe);
    Found found;
    {
      const TagIndex::HomeLock home(t_.index, probe.hash);
      if (!find(probe, found)) return create(packet, probe);
    }
    return meet_late(packet, probe, found);  // another worker was faster
  }

  /// The HomeLock is held.
  bool create(Packet& packet, const Probe& probe) {
    const Admission admission = t_.admit(request_.zone);
    if (admission.reason != Reason::None) [[unlikely]] {
      counts_.add(admission.reason);
      return false;
    }
    const auto hint = static_cast<std::uint32_t>(probe.hash >> 16);
    const std::uint32_t name = t_.slab.allocate(hint);
    if (name == kNone) [[unlikely]]
      return refuse(admission);
    Entry& entry = t_.slab[name];
    entry.lock();
    begin(entry, packet, probe, admission.zone_generation);
    if (!t_.index.insert(probe.hash, name)) [[unlikely]] {
      entry.set_flag(Entry::kLive, false);
      entry.unlock();
      t_.slab.release(name, hint);
      return refuse(admission);
    }
    t_.wheel.insert(name, due(entry), now_, hint);
    created_ = true;
    finish_creation(packet, {&entry, name, Direction::Original});
    return true;
  }

  /// No memory, although the maximum is not reached: what a flush left is not yet swept.
  bool refuse(const Admission& admission) {
    if (t_.zones.leave(request_.zone, admission.zone_generation))
      t_.total.fetch_sub(1, std::memory_order_relaxed);
    counts_.add(Reason::TableFull);
    return false;
  }

  /// Makes the locked entry the connection that this packet opens.
  void begin(Entry& entry, const Packet& packet, const Probe& probe, std::uint16_t zone_generation) {
    const std::uint32_t generation = entry.generation + 1;
    // All but generation and flags, which others read while they wait for the lock.
    entry.last_seen = coarse_now_;
    entry.src = probe.src;
    entry.dst = probe.dst;
    entry.ports = probe.ports;
    entry.proto = probe.proto;
    entry.zone = request_.zone;
    entry.zone_generation = zone_generation;
    entry.states = 0;
    entry.scales = 0;
    auto* const bytes = reinterpret_cast<std::uint8_t*>(&entry);
    std::memset(bytes + offsetof(Entry, seq_low), 0, offsetof(Entry, ipv6) - offsetof(Entry, seq_low));
    std::memset(bytes + offsetof(Entry, nat_address), 0, sizeof(Entry) - offsetof(Entry, nat_address));
    if (probe.is_ipv6()) std::memcpy(entry.ipv6, probe.ipv6, 32);
    entry.generation = generation;
    entry.id_helper =
        t_.next_id.fetch_add(1, std::memory_order_relaxed) << 8 | static_cast<std::uint8_t>(request_.helper);
    entry.start_parent = static_cast<std::uint64_t>(now_.ns) & ~std::uint64_t{0xffff};
    entry.cookie = request_.cookie;
    entry.set_flags(
        static_cast<std::uint8_t>(Entry::kLocked | Entry::kLive | (probe.is_ipv6() ? Entry::kIpv6 : 0)));
    open(entry, packet);
    entry.count(Direction::Original, datagram_bytes(packet));
  }

  void finish_creation(Packet& packet, const Found& found) {
    ++counts_.events[kCreated];
    commit(*found.entry);
    describe(packet.meta.ct, found, ct_state::kNew | ct_state::kTracked, false);
    found.entry->unlock();
  }

  Instant due(const Entry& entry) const {
    return now_ + Duration::nanoseconds(ticks_left(entry, timeouts_, coarse_now_) << CoarseTime::kShift);
  }

  /// A further ct in the same zone: the packet was counted and judged already.
  /// @return whether to keep the packet; nothing if it must be looked up anew: its connection is gone
  /// meanwhile, or to be forced.
  std::optional<bool> revisit(Packet& packet) {
    CtMetadata& meta = packet.meta.ct;
    if ((meta.state & ct_state::kInvalid) != 0) return true;
    if (meta.connection >= t_.slab.capacity()) return std::nullopt;
    Entry& entry = t_.slab[meta.connection];
    entry.lock();
    if (!entry.has(Entry::kLive) || entry.generation != meta.connection_generation ||
        entry.zone != request_.zone || t_.is_flushed(entry)) {
      entry.unlock();
      return std::nullopt;
    }
    const Found found{&entry, meta.connection, meta.reply ? Direction::Reply : Direction::Original};
    const bool related = (meta.state & ct_state::kRelated) != 0;
    if (request_.commit && request_.force && meta.reply && !related) {
      entry.unlock();  // the headers may have been rewritten: what to renew is looked up by what they are now
      return std::nullopt;
    }
    if (request_.commit) commit(entry);
    describe(meta, found, static_cast<std::uint8_t>(meta.state), meta.reply);
    entry.unlock();
    return true;
  }

  /// What a committing ct does to a connection, new or not.
  [[gnu::noinline]] void commit(Entry& entry) {
    ++counts_.events[kCommitted];
    entry.mark = (entry.mark & ~request_.mark_mask) | (request_.mark & request_.mark_mask);
    if (request_.label_mask.is_zero()) return;
    entry.label = (entry.label & ~request_.label_mask) | (request_.label & request_.label_mask);
    entry.set_flag(Entry::kHasLabel, !entry.label.is_zero());
  }

  [[gnu::always_inline]] void describe(CtMetadata& meta, const Found& found, std::uint8_t state,
                                       bool reply) const {
    const Entry& entry = *found.entry;
    const std::uint8_t flags = entry.flag_bits();
    const bool is_ipv6 = (flags & Entry::kIpv6) != 0;
    meta.state = state;
    meta.mark = entry.mark;
    meta.label = (flags & Entry::kHasLabel) != 0 ? entry.label : be128{};
    if (is_ipv6) {
      std::memcpy(&meta.original.src, entry.ipv6, 16);
      std::memcpy(&meta.original.dst, entry.ipv6 + 16, 16);
    } else {
      meta.original.src = net::v4_mapped(be32::from_raw(entry.src));
      meta.original.dst = net::v4_mapped(be32::from_raw(entry.dst));
    }
    if (entry.proto == (is_ipv6 ? net::ip_proto::kIcmpv6 : net::ip_proto::kIcmp)) [[unlikely]] {
      const PortBytes ports(entry.ports);
      meta.original.src_port = be16{ports.bytes[2]};
      meta.original.dst_port = be16{ports.bytes[3]};
    } else {
      meta.original.src_port = be16::from_raw(static_cast<std::uint16_t>(entry.ports));
      meta.original.dst_port = be16::from_raw(static_cast<std::uint16_t>(entry.ports >> 16));
    }
    meta.original.proto = entry.proto;
    meta.original.is_ipv6 = is_ipv6;
    meta.zone = request_.zone;
    meta.connection = found.name;
    meta.connection_generation = entry.generation;
    meta.reply = reply;
  }

  bool describe_new(Packet& packet, const Probe& probe) const {
    CtMetadata& meta = packet.meta.ct;
    meta = CtMetadata{};
    meta.state = ct_state::kNew | ct_state::kTracked;
    meta.zone = request_.zone;
    meta.original = tuple_of(packet, probe);
    return true;
  }

  bool invalidate(Packet& packet, Reason reason) {
    counts_.add(reason);
    packet.meta.ct = CtMetadata{};
    packet.meta.ct.state = ct_state::kInvalid | ct_state::kTracked;
    packet.meta.ct.zone = request_.zone;
    return true;
  }

  Impl& t_;
  const CtRequest& request_;
  const Instant now_;
  const CoarseTime coarse_now_;
  const TimeoutTicks& timeouts_;
  const bool check_sequence_;
  bool created_ = false;  ///< this batch put something into the index that the second round could not see
  LocalCounters counts_;
};

Tracker::Tracker(const TrackerOptions& options) : impl_(std::make_unique<Impl>(options)) {}
Tracker::~Tracker() = default;

void Tracker::process(packet::PacketBatch& batch, const CtRequest& request, Instant now,
                      packet::PacketBatch& dropped) {
  Impl::Pass(*impl_, request, now).run(batch, dropped);
}

PeekResult Tracker::peek(const Packet& packet, std::uint16_t zone, Instant now) const {
  Impl& t = *impl_;
  PeekResult result;
  const auto invalid = [&result](Reason reason) {
    result.state = ct_state::kInvalid | ct_state::kTracked;
    result.reason = reason;
    return result;
  };
  Probe probe;
  classify(packet, t.secret, zone, probe);
  if (probe.reason != Reason::None) return invalid(probe.reason);

  Entry copy{};
  Direction direction = Direction::Original;
  const std::uint32_t name = t.index.find(probe.hash, [&](std::uint32_t candidate) {
    Entry& entry = t.slab[candidate];
    entry.lock();
    const bool found = matches(entry, probe, zone, direction) && !t.is_flushed(entry) &&
                       Impl::ticks_left(entry, t.timeouts(zone), CoarseTime::of(now)) > 0;
    if (found) entry.copy_to(copy);
    entry.unlock();
    return found;
  });
  if (name == kNone) {
    if (probe.cannot_open != Reason::None) return invalid(probe.cannot_open);
    result.state = ct_state::kNew | ct_state::kTracked;
    return result;
  }
  result.connection = t.snapshot(copy, name, now);
  if (probe.related) {
    result.state =
        ct_state::kTracked | ct_state::kRelated | (direction == Direction::Original ? ct_state::kReply : 0);
    return result;
  }
  const Verdict verdict =
      advance(copy, packet, direction, t.tcp_sequence_check.load(std::memory_order_relaxed));
  if (verdict.outcome == Outcome::Invalid) return invalid(verdict.reason);
  if (verdict.outcome == Outcome::Reopen) {
    result.connection.reset();
    result.state = ct_state::kNew | ct_state::kTracked;
    return result;
  }
  result.state = state_of(verdict.outcome, direction);
  return result;
}

std::optional<Instant> Tracker::Impl::visit_due(std::uint32_t name, Instant now, LocalCounters& counts) {
  Entry& entry = slab[name];
  entry.lock();
  bool alive = entry.has(Entry::kLive);
  if (alive) {
    const std::int64_t left = ticks_left(entry, timeouts(entry.zone), CoarseTime::of(now));
    const bool flushed = is_flushed(entry);
    if (left > 0 && !flushed) {
      entry.unlock();
      return now + Duration::nanoseconds(left << CoarseTime::kShift);
    }
    if (!flushed) ++counts.events[kExpired];
    retire(entry, name, counts);
  }
  entry.unlock();
  slab.release(name, name);
  return std::nullopt;
}

bool Tracker::expire(Instant now, unsigned budget) {
  const std::unique_lock turn(impl_->expire_mutex, std::try_to_lock);
  if (!turn) return false;
  LocalCounters counts;
  const bool more = impl_->wheel.advance(
      now, budget, [this](std::uint32_t name) { __builtin_prefetch(&impl_->slab[name], 1); },
      [&](std::uint32_t name) { return impl_->visit_due(name, now, counts); });
  counts.add_to(impl_->cells(&counts));
  return more;
}

/// Retires every flushed entry now: before a zone's generation comes round again.
void Tracker::Impl::purge_flushed() {
  LocalCounters counts;
  for_each(0, slab.touched(), [&](Entry& entry, std::uint32_t name) {
    if (is_flushed(entry)) retire(entry, name, counts);
  });
}

void Tracker::flush(std::optional<std::uint16_t> zone) {
  bool purge = false;
  std::uint64_t destroyed = 0;
  const auto flush_one = [&](std::uint16_t z) {
    const ZoneTable::Flushed flushed = impl_->zones.flush(z);
    impl_->total.fetch_sub(flushed.connections, std::memory_order_relaxed);
    destroyed += flushed.connections;
    // Entries keep 16 bits of the generation.
    purge = purge || (flushed.generation & 0x7fff) == 0;
  };
  if (zone) {
    flush_one(*zone);
  } else {
    for (unsigned z = 0; z < ZoneTable::kZones; ++z)
      if (impl_->zones.connections(static_cast<std::uint16_t>(z)) != 0)
        flush_one(static_cast<std::uint16_t>(z));
  }
  impl_->cells(&destroyed).events[kDestroyed].fetch_add(destroyed, std::memory_order_relaxed);
  if (purge) impl_->purge_flushed();
  impl_->wheel.sweep();
}

std::uint64_t Tracker::flush_matching(const Filter& filter) {
  LocalCounters counts;
  std::uint64_t flushed = 0;
  impl_->for_each(0, impl_->slab.touched(), [&](Entry& entry, std::uint32_t name) {
    if (impl_->is_flushed(entry) || !filter.matches(impl_->snapshot(entry, name, Instant{}))) return;
    impl_->retire(entry, name, counts);
    ++flushed;
  });
  counts.add_to(impl_->cells(&counts));
  if (flushed != 0) impl_->wheel.sweep();
  return flushed;
}

ConnectionSnapshot Tracker::Impl::snapshot(const Entry& entry, std::uint32_t name, Instant now) const {
  ConnectionSnapshot c;
  c.original = original_tuple(entry);
  c.reply = reversed(c.original);
  c.id = entry.id_helper >> 8;
  c.helper = static_cast<std::uint8_t>(entry.id_helper);
  c.cookie = entry.cookie;
  c.zone = entry.zone;
  c.mark = entry.mark;
  c.label = entry.label;
  c.index = name;
  c.generation = entry.generation;
  c.seen_reply = entry.has(Entry::kSeenReply);
  for (const Direction d : {Direction::Original, Direction::Reply}) {
    const auto i = static_cast<unsigned>(d);
    c.state[i] = entry.state(d);
    c.packets[i] = entry.total_packets(d);
    c.bytes[i] = entry.total_bytes(d);
    if (entry.proto != net::ip_proto::kTcp) continue;
    const std::uint8_t scale = entry.scale(d);
    if (scale == Entry::kUnknownScale) {
      c.tcp_flags[i] = ConnectionSnapshot::kLiberal;
    } else if (scale != Entry::kNoScale) {
      c.tcp_flags[i] = ConnectionSnapshot::kWindowScale;
      c.window_scale[i] = scale;
    }
  }
  c.start_ns = static_cast<std::int64_t>(entry.start_parent & ~std::uint64_t{0xffff});
  const CoarseTime coarse = CoarseTime::of(now);
  c.last_seen_ns = now.ns - (std::int64_t{coarse.since(entry.last_seen)} << CoarseTime::kShift);
  c.expires_in_ns = ticks_left(entry, timeouts(entry.zone), coarse) << CoarseTime::kShift;
  return c;
}

std::uint64_t Tracker::dump(std::uint64_t cursor, unsigned max, Instant now,
                            std::vector<ConnectionSnapshot>& out) const {
  constexpr std::uint32_t kSliceEntries = 4096;
  const std::uint32_t end = impl_->slab.touched();
  auto name = static_cast<std::uint32_t>(std::min<std::uint64_t>(cursor, end));
  const std::uint32_t slice_end = end - name > kSliceEntries ? name + kSliceEntries : end;
  unsigned taken = 0;
  for (; name < slice_end && taken < max; ++name)
    impl_->for_each(name, name + 1, [&](const Entry& entry, std::uint32_t) {
      if (impl_->is_flushed(entry)) return;
      ConnectionSnapshot snapshot = impl_->snapshot(entry, name, now);
      if (snapshot.expires_in_ns <= 0) return;
      out.push_back(snapshot);
      ++taken;
    });
  return name < end ? name : kDumpDone;
}

std::uint32_t Tracker::connections() const {
  const std::int64_t n = impl_->total.load(std::memory_order_relaxed);
  return n > 0 ? static_cast<std::uint32_t>(n) : 0;
}
std::uint32_t Tracker::connections_in_zone(std::uint16_t zone) const {
  return impl_->zones.connections(zone);
}
std::uint32_t Tracker::max_connections() const {
  return impl_->max_connections.load(std::memory_order_relaxed);
}
void Tracker::set_max_connections(std::uint32_t n) {
  const auto most =
      static_cast<std::uint32_t>(std::min<std::uint64_t>(std::uint64_t{impl_->capacity} * 2, 0x7fffffff));
  impl_->max_connections.store(std::min(n, most), std::memory_order_relaxed);
}
void Tracker::set_zone_limit(std::uint16_t zone, std::optional<std::uint32_t> limit) {
  impl_->zones.set_limit(zone, limit);
}
std::optional<std::uint32_t> Tracker::zone_limit(std::uint16_t zone) const {
  return impl_->zones.limit(zone);
}
void Tracker::set_default_zone_limit(std::uint32_t limit) {
  impl_->default_zone_limit.store(limit, std::memory_order_relaxed);
}
std::uint32_t Tracker::default_zone_limit() const {
  return impl_->default_zone_limit.load(std::memory_order_relaxed);
}

void Tracker::set_timeout_policy(std::uint16_t zone, const std::optional<TimeoutPolicy>& policy) {
  if (!policy) return impl_->zones.set_timeouts(zone, nullptr);
  const std::lock_guard guard(impl_->policy_mutex);
  auto& all = impl_->policies;
  auto known = std::find_if(all.begin(), all.end(), [&](const auto& row) { return row.first == *policy; });
  if (known == all.end())
    known = all.emplace(all.end(), *policy, std::make_unique<const TimeoutTicks>(*policy));
  impl_->zones.set_timeouts(zone, known->second.get());
}

bool Tracker::tcp_sequence_check() const {
  return impl_->tcp_sequence_check.load(std::memory_order_relaxed);
}
void Tracker::set_tcp_sequence_check(bool on) {
  impl_->tcp_sequence_check.store(on, std::memory_order_relaxed);
}

TrackerCounters Tracker::counters() const {
  TrackerCounters sum{};
  for (const Impl::Stripe& stripe : impl_->counters) {
    const auto event = [&stripe](Event e) { return stripe.events[e].load(std::memory_order_relaxed); };
    sum.created += event(kCreated);
    sum.destroyed += event(kDestroyed);
    sum.expired += event(kExpired);
    sum.committed += event(kCommitted);
    sum.lookups += event(kLookups);
    sum.hits += event(kHits);
    for (unsigned i = 0; i < kReasonCount; ++i)
      sum.by_reason[i] += stripe.reasons[i].load(std::memory_order_relaxed);
  }
  return sum;
}

std::size_t Tracker::memory_bytes() const {
  return impl_->index.bytes() + impl_->slab.touched_bytes() + impl_->wheel.touched_bytes();
}

Tracker::Census Tracker::census() const {
  Census census{0, 0};
  impl_->for_each(0, impl_->slab.touched(), [&](const Entry&, std::uint32_t) { ++census.live; });
  for (std::uint32_t b = 0; b < impl_->index.buckets(); ++b) census.indexed += impl_->index.occupied(b);
  return census;
}

}  // namespace sluice::conntrack
