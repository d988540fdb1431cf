// MpscRing<T>: a bounded queue that any thread may push into and one takes from, lock-free. Full means that
// push() fails at once: producers never wait, whoever loses something counts it.
//
// Every cell has a turn number: it is free for the producer whose ticket equals it, and filled for the
// consumer when it is one more (Dmitry Vyukov, "Bounded MPMC queue", 2010, with one consumer). A producer
// that is interrupted between ticket and filling holds up the consumer at its cell, not other producers.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>

namespace sluice {

template <typename T>
class MpscRing {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  /// @param capacity  rounded up to a power of two
  explicit MpscRing(std::size_t capacity)
      : mask_(std::bit_ceil(capacity) - 1), cells_(std::make_unique<Cell[]>(mask_ + 1)) {
    for (std::size_t i = 0; i <= mask_; ++i) cells_[i].turn.store(i, std::memory_order_relaxed);
  }

  std::size_t capacity() const { return mask_ + 1; }

  /// False if the ring is full.
  bool push(const T& value) {
    std::size_t ticket = tail_.load(std::memory_order_relaxed);
    for (;;) {
      Cell& cell = cells_[ticket & mask_];
      const std::size_t turn = cell.turn.load(std::memory_order_acquire);
      const auto ahead = static_cast<std::ptrdiff_t>(turn - ticket);
      if (ahead < 0) return false;
      if (ahead > 0) {
        ticket = tail_.load(std::memory_order_relaxed);
      } else if (tail_.compare_exchange_weak(ticket, ticket + 1, std::memory_order_relaxed)) {
        cell.value = value;
        cell.turn.store(ticket + 1, std::memory_order_release);
        return true;
      }
    }
  }

  /// The one consumer only. False if there is nothing to take.
  bool pop(T& value) {
    Cell& cell = cells_[head_ & mask_];
    if (cell.turn.load(std::memory_order_acquire) != head_ + 1) return false;
    value = cell.value;
    cell.turn.store(head_ + mask_ + 1, std::memory_order_release);
    ++head_;
    return true;
  }

 private:
  struct Cell {
    std::atomic<std::size_t> turn;
    T value;
  };

  const std::size_t mask_;
  const std::unique_ptr<Cell[]> cells_;
  alignas(64) std::atomic<std::size_t> tail_{0};
  alignas(64) std::size_t head_ = 0;
};

}  // namespace sluice
