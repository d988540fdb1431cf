#include "packet/packet_pool.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <new>

#if defined(SLUICE_POOL_POISONS)
#include <sanitizer/asan_interface.h>
#endif

namespace sluice::packet {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr std::size_t kCacheLine = 64;

constexpr std::size_t round_up(std::size_t n, std::size_t to) {
  return (n + to - 1) / to * to;
}
constexpr std::size_t stride_of(std::uint32_t capacity) {
  return round_up(sizeof(Packet), kCacheLine) + round_up(capacity, kCacheLine);
}

/// Maps `bytes` (a multiple of the huge page size) at a huge page boundary; nullptr if the machine has no
/// memory left.
void* map_block(std::size_t bytes) {
  const std::size_t mapped = bytes + kHugePage;
  void* const start = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (start == MAP_FAILED) return nullptr;
  const auto address = reinterpret_cast<std::uintptr_t>(start);
  const std::size_t before = round_up(address, kHugePage) - address;
  char* const base = static_cast<char*>(start) + before;
  if (before > 0) munmap(start, before);
  munmap(base + bytes, mapped - before - bytes);
  madvise(base, bytes, MADV_HUGEPAGE);
  return base;
}

}  // namespace

PacketPool::PacketPool(std::uint32_t max_packets)
    : small_{.capacity = Packet::kHeadroom + kSmallBytes, .free = {}, .blocks = {}},
      large_{.capacity = Packet::kHeadroom + kLargeBytes, .free = {}, .blocks = {}},
      max_packets_(max_packets) {}

PacketPool::~PacketPool() {
  for (const SizeClass* size_class : {&small_, &large_}) {
    for (const Block& block : size_class->blocks) {
#if defined(SLUICE_POOL_POISONS)
      ASAN_UNPOISON_MEMORY_REGION(block.base, block.bytes);
#endif
      munmap(block.base, block.bytes);
    }
  }
}

bool PacketPool::grow(SizeClass& size_class) {
  const std::size_t stride = stride_of(size_class.capacity);
  const std::size_t count = std::min<std::size_t>(kHugePage / stride, max_packets_ - size_class.made);
  if (count == 0) return false;
  void* const base = map_block(kHugePage);
  if (base == nullptr) return false;
  size_class.blocks.push_back({base, kHugePage});
  size_class.made += static_cast<std::uint32_t>(count);
  size_class.free.resize(size_class.made);
  for (std::size_t i = count; i-- > 0;) {
    auto* const at = static_cast<std::uint8_t*>(base) + i * stride;
    auto* const packet = new (at) Packet(at + round_up(sizeof(Packet), kCacheLine), size_class.capacity);
    packet->size_ = kInPool;
    poison(packet, size_class);
    size_class.free[size_class.free_count++] = packet;
  }
  return true;
}

Packet* PacketPool::clone(const Packet& original) {
  Packet* const copy = take(original.size());
  if (copy == nullptr) return nullptr;
  copy->assign(original.bytes());
  copy->layout = original.layout;
  copy->meta = original.meta;
  return copy;
}

#if defined(SLUICE_POOL_POISONS)
void PacketPool::poison(Packet* packet, const SizeClass& size_class) {
  ASAN_POISON_MEMORY_REGION(packet, stride_of(size_class.capacity));
}
void PacketPool::unpoison(Packet* packet, const SizeClass& size_class) {
  ASAN_UNPOISON_MEMORY_REGION(packet, stride_of(size_class.capacity));
}
#endif

}  // namespace sluice::packet
