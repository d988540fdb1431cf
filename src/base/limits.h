// Every limit of the switch, with its unit and its reason. `sluice stats` shows them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sluice::limits {

/// Packets processed together: enough to hide memory latency, few enough to stay in the first cache level.
inline constexpr std::size_t kBatchSize = 32;

/// Objects retired before a writer waits for a grace period (rcu::retire).
inline constexpr std::size_t kRcuRetireBatch = 256;

}  // namespace sluice::limits
