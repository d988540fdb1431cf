// Newcomers: for each zone that has a limit, some of its connections that were unassured when they were made.
// Who must make room in a full zone looks here, where a search of the whole table would find too few of it.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "base/reserved_memory.h"
#include "conntrack/zone_table.h"

namespace sluice::conntrack {

/// Any thread; address space until a limited zone is used. What a name stands for may have changed since.
class Newcomers {
 public:
  Newcomers() : memory_(ZoneTable::kZones * sizeof(Row)) {}

  bool has_memory() const { return static_cast<bool>(memory_); }

  /// Remembers the name in a place that `hash` chooses, unless one is there that `is_stale` does not call
  /// stale: those who came first are to go first.
  template <typename IsStale>
  void offer(std::uint16_t zone, std::uint64_t hash, std::uint32_t name, IsStale&& is_stale) {
    std::atomic<std::uint32_t>& slot = row(zone)[hash % kSlots];
    const std::uint32_t old = slot.load(std::memory_order_relaxed);
    if (old == 0 || is_stale(old - 1)) slot.store(name + 1, std::memory_order_relaxed);
  }

  /// Calls visit(name) for remembered names until it returns true.
  template <typename Visit>
  void for_each(std::uint16_t zone, std::uint64_t hash, Visit&& visit) const {
    for (unsigned i = 0; i < kSlots; ++i)
      if (const std::uint32_t name = row(zone)[(hash + i) % kSlots].load(std::memory_order_relaxed);
          name != 0 && visit(name - 1))
        return;
  }

 private:
  static constexpr unsigned kSlots = 64;
  using Row = std::array<std::atomic<std::uint32_t>, kSlots>;  ///< name + 1; 0 = none

  Row& row(std::uint16_t zone) const { return static_cast<Row*>(memory_.data())[zone]; }

  ReservedMemory memory_;
};

}  // namespace sluice::conntrack
