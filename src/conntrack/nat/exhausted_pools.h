// ExhaustedPools: searches that ended in vain, so that a flood of packets that want a pool in which nothing
// is free does not look through all of it for each of them.
//
// A search in vain stays in vain until a connection leaves the zone, or time goes on and one expires: it is
// remembered together with the zone's count of departures and the time, and forgotten as soon as either
// moves. So nothing that became free is overlooked.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "base/hash.h"
#include "conntrack/timeout.h"

namespace sluice::conntrack::nat {

/// Any thread.
class ExhaustedPools {
 public:
  /// A pool at a time, as it was before the search began.
  struct Moment {
    std::uint64_t pool;  ///< Search::pool_name()
    std::uint32_t departures;
    CoarseTime now;
  };
  bool has(const Moment& moment) const {
    return slots_[moment.pool % kSlots].load(std::memory_order_relaxed) == name(moment);
  }
  void remember(const Moment& moment) {
    slots_[moment.pool % kSlots].store(name(moment), std::memory_order_relaxed);
  }

 private:
  static constexpr unsigned kSlots = 1024;

  static std::uint64_t name(const Moment& moment) {
    return hash_mix(moment.pool, std::uint64_t{moment.departures} << 32 | moment.now.ticks);
  }

  std::array<std::atomic<std::uint64_t>, kSlots> slots_{};
};

}  // namespace sluice::conntrack::nat
