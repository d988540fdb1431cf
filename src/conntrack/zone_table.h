// The 65536 zones: how many connections, which limit, which timeouts. A flush of a zone is one store: it
// moves the zone's generation on, and every entry that carries another generation is gone; its memory is
// swept up later.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "base/reserved_memory.h"
#include "conntrack/strictness.h"
#include "conntrack/timeout.h"

namespace sluice::conntrack {

/// Any thread; address space until a zone is used.
class ZoneTable {
 public:
  static constexpr unsigned kZones = 65536;

  ZoneTable() : memory_(kZones * sizeof(Zone)) {}

  bool has_memory() const { return static_cast<bool>(memory_); }

  std::uint32_t connections(std::uint16_t zone) const {
    return static_cast<std::uint32_t>(at(zone).generation_count.load(std::memory_order_relaxed));
  }
  std::uint16_t generation(std::uint16_t zone) const {
    return generation_of(at(zone).generation_count.load(std::memory_order_relaxed));
  }

  /// Counts a connection in, unless the zone has `limit` already.
  /// @return the generation to keep in the entry.
  std::optional<std::uint16_t> enter(std::uint16_t zone, std::uint32_t limit) {
    auto& word = at(zone).generation_count;
    std::uint64_t seen = word.load(std::memory_order_relaxed);
    do {
      if (static_cast<std::uint32_t>(seen) >= limit) return std::nullopt;
    } while (!word.compare_exchange_weak(seen, seen + 1, std::memory_order_relaxed));
    return generation_of(seen);
  }

  /// Counts a connection out; false if a flush did already.
  bool leave(std::uint16_t zone, std::uint16_t generation) {
    auto& word = at(zone).generation_count;
    std::uint64_t seen = word.load(std::memory_order_relaxed);
    do {
      if (generation_of(seen) != generation) return false;
    } while (!word.compare_exchange_weak(seen, seen - 1, std::memory_order_relaxed));
    at(zone).departures.fetch_add(1, std::memory_order_release);
    return true;
  }
  /// Moves on whenever connections have left the zone, after they have.
  std::uint32_t departures(std::uint16_t zone) const {
    return at(zone).departures.load(std::memory_order_acquire);
  }

  struct Flushed {
    std::uint32_t connections;
    std::uint16_t generation;  ///< the new one
  };
  Flushed flush(std::uint16_t zone) {
    auto& word = at(zone).generation_count;
    std::uint64_t seen = word.load(std::memory_order_relaxed);
    std::uint64_t next;
    do {
      next = ((seen >> 32) + 1) << 32;
    } while (!word.compare_exchange_weak(seen, next, std::memory_order_acq_rel));
    at(zone).departures.fetch_add(1, std::memory_order_release);
    return {static_cast<std::uint32_t>(seen), generation_of(next)};
  }

  std::optional<std::uint32_t> limit(std::uint16_t zone) const {
    const std::uint64_t stored = at(zone).limit.load(std::memory_order_relaxed);
    if (stored == 0) return std::nullopt;
    return static_cast<std::uint32_t>(stored - 1);
  }
  void set_limit(std::uint16_t zone, std::optional<std::uint32_t> limit) {
    at(zone).limit.store(limit ? std::uint64_t{*limit} + 1 : 0, std::memory_order_relaxed);
  }

  const TimeoutTicks& timeouts(std::uint16_t zone) const {
    const TimeoutTicks* const own = at(zone).timeouts.load(std::memory_order_acquire);
    return own != nullptr ? *own : default_timeouts_;
  }
  /// Null = the defaults. The policy outlives the table.
  void set_timeouts(std::uint16_t zone, const TimeoutTicks* policy) {
    at(zone).timeouts.store(policy, std::memory_order_release);
  }

  Strictness strictness(std::uint16_t zone) const {
    return Strictness::decoded(at(zone).strictness.load(std::memory_order_relaxed));
  }
  void set_strictness(std::uint16_t zone, Strictness strictness) {
    at(zone).strictness.store(strictness.encoded(), std::memory_order_relaxed);
  }

 private:
  struct alignas(32) Zone {
    std::atomic<std::uint64_t> generation_count;  ///< generation in the upper half, connections in the lower
    std::atomic<std::uint64_t> limit;             ///< + 1; 0 = none of its own
    std::atomic<const TimeoutTicks*> timeouts;
    std::atomic<std::uint32_t> departures;
    std::atomic<std::uint8_t> strictness;  ///< Strictness::encoded()
  };

  static std::uint16_t generation_of(std::uint64_t word) { return static_cast<std::uint16_t>(word >> 32); }
  Zone& at(std::uint16_t zone) const { return static_cast<Zone*>(memory_.data())[zone]; }

  ReservedMemory memory_;
  const TimeoutTicks default_timeouts_{TimeoutPolicy{}};
};

}  // namespace sluice::conntrack
