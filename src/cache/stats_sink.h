// What the packets of a megaflow are counted into: rules, groups, tables. Implemented above the datapath.
#pragma once

#include <cstdint>

#include "base/clock.h"

namespace sluice::cache {

/// Owned by one megaflow; called on the worker that has it.
class StatsSink {
 public:
  virtual ~StatsSink() = default;
  /// Credits packets and bytes that went through the megaflow since the last call, when the last one came,
  /// and the TCP flags of all packets so far.
  virtual void credit(std::uint64_t packets, std::uint64_t bytes, Instant last_used,
                      std::uint16_t tcp_flags) = 0;
};

}  // namespace sluice::cache
