#include "base/reserved_memory.h"

#include <sys/mman.h>

#include <cstdint>

namespace sluice {
namespace {

constexpr std::size_t kHugePage = 2u << 20;

std::size_t round_up(std::size_t n, std::size_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

}  // namespace

ReservedMemory::ReservedMemory(std::size_t bytes) {
  // A table smaller than a huge page is left to ordinary pages: it need not cost two megabytes.
  const bool huge = bytes >= kHugePage;
  size_ = round_up(bytes, huge ? kHugePage : 4096);
  mapped_ = size_ + (huge ? kHugePage : 0);
  mapping_ =
      ::mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping_ == MAP_FAILED) return;
  const auto address = reinterpret_cast<std::uintptr_t>(mapping_);
  data_ = static_cast<std::byte*>(mapping_) + (huge ? round_up(address, kHugePage) - address : 0);
  if (huge) ::madvise(data_, size_, MADV_HUGEPAGE);  // advice: without huge pages all works, only slower
}

ReservedMemory::~ReservedMemory() {
  if (data_ != nullptr) ::munmap(mapping_, mapped_);
}

}  // namespace sluice
