// Zeroed address space that costs memory only where it is touched: tables are reserved whole at start, so
// that no packet ever waits for one to be resized. Asks for huge pages (madvise), which random access to
// large tables needs.
#pragma once

#include <cstddef>

namespace sluice {

class ReservedMemory {
 public:
  explicit ReservedMemory(std::size_t bytes);
  ~ReservedMemory();
  ReservedMemory(const ReservedMemory&) = delete;
  ReservedMemory& operator=(const ReservedMemory&) = delete;

  /// False if the machine refused the address space: then there is nothing to touch. Owners hand the question
  /// on (has_memory()) to whoever builds them at start and can say what was too much.
  explicit operator bool() const { return data_ != nullptr; }

  void* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  void* mapping_;
  std::size_t mapped_;
  void* data_ = nullptr;
  std::size_t size_;
};

}  // namespace sluice
