// Slab<T>: objects of one size in a flat array, named by 32-bit index. No pointer inside, so the array can be
// a mapped file; a name stays valid memory for the life of the slab, whoever holds it, so readers may look at
// an object that is being freed and find out by its own generation.
//
// Indices are handed out by shards, each with a spin lock and a free list of its own: freed indices first
// (the last freed is the warmest), then fresh ones in blocks, then what other shards have to spare. Memory is
// touched in index order as the slab fills. Any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <type_traits>

#include "base/check.h"
#include "base/reserved_memory.h"
#include "base/spin_lock.h"

namespace sluice {

template <typename T>
class Slab {
  static_assert(std::is_trivially_destructible_v<T> && std::is_trivially_copyable_v<T>,
                "objects of a slab begin as zeros and are never destroyed");

 public:
  static constexpr std::uint32_t kNone = 0xffffffff;
  static constexpr unsigned kShards = 16;

  explicit Slab(std::uint32_t capacity)
      : capacity_(capacity),
        objects_(std::size_t{capacity} * sizeof(T)),
        next_(std::size_t{capacity} * sizeof(std::uint32_t)) {}

  /// Whether the machine had the address space; without it nothing else may be called.
  bool has_memory() const { return objects_ && next_; }

  T& operator[](std::uint32_t index) {
    SLUICE_DCHECK(index < capacity_);
    return static_cast<T*>(objects_.data())[index];
  }
  const T& operator[](std::uint32_t index) const {
    SLUICE_DCHECK(index < capacity_);
    return static_cast<const T*>(objects_.data())[index];
  }
  std::uint32_t capacity() const { return capacity_; }
  /// Every index ever handed out is below this.
  std::uint32_t touched() const {
    const std::uint32_t fresh = fresh_.load(std::memory_order_acquire);
    return fresh < capacity_ ? fresh : capacity_;
  }

  std::size_t touched_bytes() const { return std::size_t{touched()} * (sizeof(T) + sizeof(std::uint32_t)); }

  /// An index that nobody holds, or kNone if the slab is full. The object is as its last holder left it.
  /// Calls with different hints (a hash, a thread number) do not wait for each other.
  std::uint32_t allocate(std::uint32_t hint) {
    for (unsigned i = 0; i < kShards; ++i) {
      const std::uint32_t index = allocate_from(shards_[(hint + i) % kShards]);
      if (index != kNone) return index;
    }
    return kNone;
  }

  void release(std::uint32_t index, std::uint32_t hint) {
    Shard& shard = shards_[hint % kShards];
    const std::lock_guard guard(shard.lock);
    free_link(index) = shard.free;
    shard.free = index + 1;
  }

 private:
  static constexpr std::uint32_t kBlock = 16;

  struct alignas(64) Shard {
    SpinLock lock;
    std::uint32_t free = 0;  ///< index + 1 of the first free one, 0 = none
    std::uint32_t fresh = 0, fresh_end = 0;
  };

  std::uint32_t& free_link(std::uint32_t index) { return static_cast<std::uint32_t*>(next_.data())[index]; }

  std::uint32_t allocate_from(Shard& shard) {
    const std::lock_guard guard(shard.lock);
    if (shard.free != 0) {
      const std::uint32_t index = shard.free - 1;
      shard.free = free_link(index);
      return index;
    }
    if (shard.fresh == shard.fresh_end) {
      if (fresh_.load(std::memory_order_relaxed) >= capacity_) return kNone;
      const std::uint32_t begin = fresh_.fetch_add(kBlock, std::memory_order_acq_rel);
      if (begin >= capacity_) return kNone;
      shard.fresh = begin;
      shard.fresh_end = capacity_ - begin < kBlock ? capacity_ : begin + kBlock;
    }
    return shard.fresh++;
  }

  std::uint32_t capacity_;
  ReservedMemory objects_;
  ReservedMemory next_;
  std::array<Shard, kShards> shards_;
  alignas(64) std::atomic<std::uint32_t> fresh_{0};
};

}  // namespace sluice
