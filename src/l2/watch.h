// What vouches for a look-up: the version of what was looked at, taken before the look-up. While it stands,
// the look-up would find the same. A value; the table that it is of outlives it.
#pragma once

#include <atomic>
#include <cstdint>

namespace sluice::l2 {

struct Watch {
  const std::atomic<std::uint32_t>* version = nullptr;
  std::uint64_t seen = 0;  ///< as wide as the pointer: the value has no padding

  static Watch of(const std::atomic<std::uint32_t>& version) {
    return {&version, version.load(std::memory_order_acquire)};
  }
  bool unchanged() const { return version->load(std::memory_order_acquire) == seen; }
};

}  // namespace sluice::l2
