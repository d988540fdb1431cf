// Zeroed address space that costs memory only where it is touched: tables are reserved whole at start, so
// that no packet ever waits for one to be resized. Asks for huge pages (madvise), which random access to
// large tables needs.
#pragma once

#include <cstddef>

namespace sluice {

class ReservedMemory {
 public:
  /// Aborts with a sentence when the machine refuses the address space.
  explicit ReservedMemory(std::size_t bytes);
  ~ReservedMemory();
  ReservedMemory(const ReservedMemory&) = delete;
  ReservedMemory& operator=(const ReservedMemory&) = delete;

  void* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  void* mapping_;
  std::size_t mapped_;
  void* data_;
  std::size_t size_;
};

}  // namespace sluice
