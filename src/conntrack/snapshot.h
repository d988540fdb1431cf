#pragma once
#include <cstdint>

#include "base/clock.h"
#include "conntrack/entry.h"
#include "conntrack/timeout.h"

namespace sluice::conntrack {

/// A copy of the locked entry for others to look at. @param timeouts  of its zone
ConnectionSnapshot snapshot_of(const Entry& entry, std::uint32_t name, const TimeoutTicks& timeouts,
                               Instant now);

/// Ticks until the entry's time is over, if no packet comes.
inline std::int64_t ticks_left(const Entry& entry, const TimeoutTicks& timeouts, CoarseTime now) {
  return std::int64_t{timeouts[timeout_class(entry)]} - now.since(entry.last_seen);
}

}  // namespace sluice::conntrack
