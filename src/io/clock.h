// The real clocks. Only the I/O layer, the worker loop and the daemons may name them.
#pragma once

#include <atomic>

#include "base/clock.h"

namespace sluice::io {

/// CLOCK_MONOTONIC: nanoseconds since boot.
class MonotonicClock final : public Clock {
 public:
  Instant now() const override;
};

/// For tests of timeouts: goes with the monotonic clock until it is stopped, and is moved on by hand at any
/// time. now() is for any thread, the rest for one.
class WarpClock final : public Clock {
 public:
  Instant now() const override;
  void stop();
  void warp(Duration by) { warped_ns_.fetch_add(by.ns, std::memory_order_relaxed); }

 private:
  static constexpr std::int64_t kRunning = -1;
  MonotonicClock real_;
  std::atomic<std::int64_t> stopped_ns_{kRunning}, warped_ns_{0};
};

/// CLOCK_REALTIME: nanoseconds since 1970 (UTC). For time stamps that people read, and for log::Log.
std::int64_t wall_clock_ns();

}  // namespace sluice::io
