// Meters: what packets beyond a rate are dropped or marked (OpenFlow 1.5.1 section 5.11).
//
// A band is a token bucket in the form of the generic cell rate algorithm (ITU-T I.371): one number says
// until when the bucket is used up; a packet that would put that further ahead of now than the burst allows
// exceeds the band. So a band costs a compare-and-swap, and workers share it without a lock. A packet goes
// through all bands; of those that it exceeds the one with the highest rate takes effect. Without a burst
// size a band may be ahead by one second, as in Open vSwitch. Time is that of the batch.
//
// Threads: measure() by any worker under RCU; the rest by main.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/clock.h"
#include "base/rcu.h"
#include "packet/packet.h"

namespace sluice::datapath {

struct MeterConfig {
  struct Band {
    std::uint32_t rate = 0;   ///< kbit/s or packets/s
    std::uint32_t burst = 0;  ///< kbit or packets; 0: one second's worth
    std::uint8_t raise = 0;   ///< drop precedence levels; 0: the band drops
  };
  bool packets = false;  ///< rates count packets, not kilobits
  std::vector<Band> bands;
};

class Meter {
 public:
  struct Traffic {
    std::uint64_t packets = 0, bytes = 0;
  };
  struct Stats {
    Traffic in;
    std::vector<Traffic> bands;
    Instant created;
  };
  /// What becomes of a packet: passes if both are zero.
  struct Verdict {
    bool drop = false;
    std::uint8_t raise = 0;
  };

  Meter(const MeterConfig& config, Instant created);

  Verdict measure(std::uint32_t bytes, Instant now);
  Stats stats() const;

 private:
  struct Band {
    std::uint32_t rate;
    std::uint8_t raise;
    std::int64_t tolerance;                ///< in ticks
    std::atomic<std::int64_t> busy_until;  ///< in ticks since `created`
    std::atomic<std::uint64_t> packets{0}, bytes{0};
  };
  /// Parts of a nanosecond: a packet of 64 bytes at 400 Gbit/s takes 82.
  static constexpr std::int64_t kTicks = 64;

  std::int64_t cost(const Band& band, std::uint32_t bytes) const;

  const bool packets_;
  const Instant created_;
  const std::size_t count_;
  const std::unique_ptr<Band[]> bands_;  ///< by falling rate
  std::vector<std::uint8_t> order_;      ///< place in bands_ of each band of the configuration
  std::atomic<std::uint64_t> packets_in_{0}, bytes_in_{0};
};

class MeterTable {
 public:
  /// Meters of all bridges.
  static constexpr std::uint32_t kMaxMeters = 65'536;

  MeterTable() = default;
  ~MeterTable();
  MeterTable(const MeterTable&) = delete;
  MeterTable& operator=(const MeterTable&) = delete;

  /// Null if there is none.
  Meter* find(std::uint32_t number) const {
    if (number >= kMaxMeters) return nullptr;
    const Chunk* chunk = chunks_[number / kPerChunk].load(std::memory_order_acquire);
    return chunk ? (*chunk)[number % kPerChunk].load(std::memory_order_acquire) : nullptr;
  }

  // --- Main

  /// The lowest free number; nothing if all are taken.
  std::optional<std::uint32_t> add(const MeterConfig& config, Instant now);
  /// Another meter under the same number: counters and buckets begin anew.
  void replace(std::uint32_t number, const MeterConfig& config, Instant now);
  void remove(std::uint32_t number) { remove({&number, 1}); }
  /// One grace period for all of them.
  void remove(std::span<const std::uint32_t> numbers);
  std::optional<Meter::Stats> stats(std::uint32_t number) const;

 private:
  static constexpr std::uint32_t kPerChunk = 256, kPerWord = 64;
  using Chunk = std::array<std::atomic<Meter*>, kPerChunk>;
  /// @return the meter that was there
  Meter* put(std::uint32_t number, Meter* meter);
  /// Made when the first of its numbers is given, for good.
  std::array<std::atomic<Chunk*>, kMaxMeters / kPerChunk> chunks_{};
  std::array<std::uint64_t, kMaxMeters / kPerWord> taken_{};  ///< a bit for each number
};

/// The drop precedence of an assured-forwarding class (RFC 2597 section 6) raised by so many levels, at most
/// to the highest; other code points stay as they are.
std::uint8_t raised_dscp(std::uint8_t dscp, std::uint8_t levels);

}  // namespace sluice::datapath
