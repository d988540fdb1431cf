// TimerWheel: visits names of objects when they are due. Deadlines move lazily: the wheel holds each name
// once, in the slot of a time at or before its deadline, and asks at each visit when the next one should be.
// A busy connection thus costs the wheel nothing per packet.
//
// No deadline lies farther ahead than kHorizon in the wheel, so a deadline that moved closer is noticed after
// at most that time; users check the deadline of what they find, so nobody sees the delay. Idle names cost a
// visit per horizon.
//
//   shard (by hint): lock, clock, slots[128] -> chunks of 14 names, 64 bytes, linked
//
// Inserting is any thread's; advance() one thread's at a time. Work per advance() is bounded by its budget: a
// slot is detached as a whole and its names are visited as the budget allows.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/slab.h"
#include "base/spin_lock.h"

namespace sluice {

class TimerWheel {
 public:
  static constexpr Duration kTick = Duration::milliseconds(250);
  static constexpr Duration kHorizon = Duration::seconds(30);

  /// Room for `names` names, each of which is in the wheel at most once.
  explicit TimerWheel(std::uint32_t names)
      : chunks_(static_cast<std::uint32_t>(names / kChunkNames + 2 * kShards * (kSlots + 2) +
                                           Slab<Chunk>::kShards * 16)) {}

  bool has_memory() const { return chunks_.has_memory(); }

  void insert(std::uint32_t name, Instant due, Instant now, std::uint32_t hint) {
    Shard& shard = shards_[hint % kShards];
    const std::lock_guard guard(shard.lock);
    if (shard.clock == kNotStarted) shard.clock = tick_of(now);
    put(shard, name, due);
  }

  /// Visits what is due at `now`, and what sweep() asked for, at most `budget` names. `next(name)` returns
  /// the time of the next visit, or nothing when the name leaves the wheel; `prefetch(name)` is called some
  /// visits before.
  /// @return whether there is more to visit now.
  template <typename Prefetch, typename Next>
  bool advance(Instant now, unsigned budget, Prefetch&& prefetch, Next&& next) {
    for (unsigned i = 0; i < kShards; ++i, turn_ = (turn_ + 1) % kShards) {
      Shard& shard = shards_[turn_];
      while (shard.hand != kEmpty || detach_due(shard, now)) {
        if (budget == 0) return true;
        visit_chunk(shard, budget, prefetch, next);
      }
    }
    return false;
  }

  std::size_t touched_bytes() const { return chunks_.touched_bytes(); }

  /// Makes the coming advance() calls visit every name once, due or not.
  void sweep() {
    for (Shard& shard : shards_) {
      const std::lock_guard guard(shard.lock);
      shard.sweep = kSlots;
    }
  }

 private:
  static constexpr unsigned kShards = 16;
  static constexpr unsigned kSlots = 128;
  static constexpr unsigned kChunkNames = 14;
  static constexpr std::uint32_t kEmpty = Slab<int>::kNone;
  static constexpr std::int64_t kNotStarted = INT64_MIN;
  static_assert(kHorizon.ns / kTick.ns < kSlots - 1);

  struct Chunk {
    std::uint32_t next, count;
    std::uint32_t names[kChunkNames];
  };
  static_assert(sizeof(Chunk) == 64);

  struct alignas(64) Shard {
    Shard() { slots.fill(kEmpty); }
    SpinLock lock;
    std::int64_t clock = kNotStarted;  ///< slots up to this tick were detached
    unsigned sweep = 0;                ///< slots that sweep() still wants visited
    std::uint32_t hand = kEmpty;       ///< chunks detached and not yet visited; advance() only
    std::array<std::uint32_t, kSlots> slots;
  };

  static std::int64_t tick_of(Instant t) {
    return t.ns >= 0 ? t.ns / kTick.ns : -((-t.ns + kTick.ns - 1) / kTick.ns);
  }

  /// The shard's lock is held.
  void put(Shard& shard, std::uint32_t name, Instant due) {
    std::int64_t tick = tick_of(due) + 1;
    if (tick <= shard.clock) tick = shard.clock + 1;
    if (tick > shard.clock + kHorizon.ns / kTick.ns) tick = shard.clock + kHorizon.ns / kTick.ns;
    std::uint32_t& head = shard.slots[static_cast<std::uint64_t>(tick) % kSlots];
    if (head == kEmpty || chunks_[head].count == kChunkNames) {
      const std::uint32_t fresh = chunks_.allocate(static_cast<std::uint32_t>(&shard - shards_.data()));
      SLUICE_CHECK(fresh != kEmpty);
      chunks_[fresh].next = head;
      chunks_[fresh].count = 0;
      head = fresh;
    }
    Chunk& chunk = chunks_[head];
    chunk.names[chunk.count++] = name;
  }

  /// Takes the next slot that has names and is due, or to be swept, into the hand; false if there is none.
  bool detach_due(Shard& shard, Instant now) {
    const std::int64_t target = tick_of(now);
    const std::lock_guard guard(shard.lock);
    if (shard.clock == kNotStarted) shard.clock = target;
    if (target - shard.clock > kSlots) shard.clock = target - kSlots;  // every slot lies in between
    while (shard.hand == kEmpty && shard.clock < target)
      take_slot(shard, static_cast<std::uint64_t>(++shard.clock));
    while (shard.hand == kEmpty && shard.sweep > 0) take_slot(shard, --shard.sweep);
    return shard.hand != kEmpty;
  }
  static void take_slot(Shard& shard, std::uint64_t tick) {
    std::uint32_t& head = shard.slots[tick % kSlots];
    shard.hand = head;
    head = kEmpty;
  }

  template <typename Prefetch, typename Next>
  void visit_chunk(Shard& shard, unsigned& budget, Prefetch&& prefetch, Next&& next) {
    const std::uint32_t at = shard.hand;
    Chunk& chunk = chunks_[at];
    if (chunk.next != kEmpty) __builtin_prefetch(&chunks_[chunk.next]);
    for (std::uint32_t i = 0; i < chunk.count; ++i) prefetch(chunk.names[i]);
    while (chunk.count > 0 && budget > 0) {
      const std::uint32_t name = chunk.names[--chunk.count];
      --budget;
      if (const std::optional<Instant> due = next(name)) {
        const std::lock_guard guard(shard.lock);
        put(shard, name, *due);
      }
    }
    if (chunk.count > 0) return;
    shard.hand = chunk.next;
    chunks_.release(at, static_cast<std::uint32_t>(&shard - shards_.data()));
  }

  Slab<Chunk> chunks_;
  std::array<Shard, kShards> shards_;
  unsigned turn_ = 0;
};

}  // namespace sluice
