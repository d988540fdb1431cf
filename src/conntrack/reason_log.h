// ReasonLog: which packets got +inv or were dropped for want of a connection, in which zone and why.
//
//   counts   exact, per zone and reason, for as many pairs as there are rows; what comes when all rows are
//            taken is counted per reason
//   samples  the last packet of each row, and a ring of the last ones of all, at most one per reason in 4 ms
//            and thread: a flood of one reason neither costs more nor hides the others
//
// Counting is one addition per call of the tracker and reason. Samples are left out, never waited for, where
// another thread is at the same place. Any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "conntrack/reason.h"
#include "conntrack/timeout.h"
#include "conntrack/tuple.h"
#include "packet/packet.h"

namespace sluice::conntrack {

/// One packet that was not as it should be.
struct ReasonSample {
  std::int64_t time_ns = 0;
  std::uint16_t zone = 0;
  Reason reason = Reason::None;
  bool dropped = false;       ///< for want of a connection; else it went on with +inv
  std::uint32_t in_port = 0;  ///< datapath port
  Tuple tuple;                ///< as far as the packet could be read; all zero if it is not IP
  std::uint32_t bytes = 0;
  std::uint32_t tcp_seq = 0, tcp_ack = 0;
  std::uint16_t tcp_flags = 0;
};
/// What can be said of a packet however broken it is.
ReasonSample sample_of(const packet::Packet& packet, std::uint16_t zone, Reason reason, bool dropped,
                       Instant now);

struct ReasonReport {
  struct Row {
    std::uint16_t zone;
    Reason reason;
    std::uint64_t packets;
    ReasonSample last;
  };
  std::vector<Row> rows;                                  ///< by zone, then reason
  std::array<std::uint64_t, kReasonCount> other_zones{};  ///< those that found no row
  std::vector<ReasonSample> recent;                       ///< oldest first
};

class ReasonLog {
 public:
  static constexpr unsigned kRows = 4096, kStripes = 8, kRecent = 64;

  ReasonLog();
  ~ReasonLog();
  ReasonLog(const ReasonLog&) = delete;
  ReasonLog& operator=(const ReasonLog&) = delete;

  void count(std::uint16_t zone, Reason reason, std::uint32_t packets);
  /// Whether a sample is due; the one who asks has to give it.
  bool wants(unsigned stripe, Reason reason, Instant now) {
    auto& last = last_tick_[stripe][static_cast<unsigned>(reason)];
    // Tick 0 is before the first sample.
    const std::uint32_t tick = CoarseTime::of(now).ticks | 1;
    if (last.load(std::memory_order_relaxed) == tick) return false;
    last.store(tick, std::memory_order_relaxed);
    return true;
  }
  void add(unsigned stripe, const ReasonSample& sample);

  ReasonReport report(std::optional<std::uint16_t> zone) const;

 private:
  struct Row;
  struct Stripe;

  /// The row of a zone and reason, taken if there is none; null if none is left.
  Row* row_of(std::uint16_t zone, Reason reason);

  std::unique_ptr<Row[]> rows_;
  std::unique_ptr<Stripe[]> stripes_;
  std::array<std::atomic<std::uint64_t>, kReasonCount> other_zones_{};
  std::array<std::array<std::atomic<std::uint32_t>, kReasonCount>, kStripes> last_tick_{};
};

}  // namespace sluice::conntrack
