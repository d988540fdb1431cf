// The real clocks. Only the I/O layer, the worker loop and the daemons may name them.
#pragma once

#include "base/clock.h"

namespace sluice::io {

/// CLOCK_MONOTONIC: nanoseconds since boot.
class MonotonicClock final : public Clock {
 public:
  Instant now() const override;
};

/// CLOCK_REALTIME: nanoseconds since 1970 (UTC). For time stamps that people read, and for log::Log.
std::int64_t wall_clock_ns();

}  // namespace sluice::io
