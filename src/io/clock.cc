#include "io/clock.h"

#include <ctime>

namespace sluice::io {
namespace {

std::int64_t read_clock(clockid_t id) {
  timespec t{};
  clock_gettime(id, &t);
  return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

}  // namespace

Instant MonotonicClock::now() const {
  return Instant{read_clock(CLOCK_MONOTONIC)};
}

std::int64_t wall_clock_ns() {
  return read_clock(CLOCK_REALTIME);
}

Instant WarpClock::now() const {
  const std::int64_t stopped = stopped_ns_.load(std::memory_order_relaxed);
  const Instant base = stopped == kRunning ? real_.now() : Instant{stopped};
  return base + Duration::nanoseconds(warped_ns_.load(std::memory_order_relaxed));
}

void WarpClock::stop() {
  if (stopped_ns_.load(std::memory_order_relaxed) == kRunning)
    stopped_ns_.store(real_.now().ns, std::memory_order_relaxed);
}

}  // namespace sluice::io
