// Counts allocations of the whole program by replacing operator new. For one .cc of a benchmark program only.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace sluice::testing {

inline std::atomic<std::uint64_t> allocations{0};

inline void* counted_new(std::size_t size, std::size_t alignment) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  void* const p = std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  if (p == nullptr) std::abort();
  return p;
}

}  // namespace sluice::testing

void* operator new(std::size_t size) {
  return sluice::testing::counted_new(size, 16);
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  return sluice::testing::counted_new(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* p) noexcept {
  std::free(p);
}
void operator delete(void* p, std::size_t) noexcept {
  std::free(p);
}
void operator delete(void* p, std::align_val_t) noexcept {
  std::free(p);
}
void operator delete(void* p, std::size_t, std::align_val_t) noexcept {
  std::free(p);
}
