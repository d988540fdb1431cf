// Packet buffers, allocated once: taking and returning a packet is a pointer move. Two sizes: a frame of up
// to an MTU of 1500 with tags, and a large one for GSO packets and reassembled datagrams (64 KiB).
//
// A packet's descriptor lies directly before its buffer, in blocks mapped as they are first needed (huge
// pages where the machine gives them). Free packets are a stack: the one given back last, still in cache, is
// taken first. The stride of a block is no power of two, so that the headers of a batch do not compete for
// the same cache sets.
//
// Under AddressSanitizer a packet in the pool is poisoned: using one that was given back is reported.
#pragma once

#include <cstdint>
#include <vector>

#include "packet/packet.h"

#if defined(__SANITIZE_ADDRESS__)
#define SLUICE_POOL_POISONS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SLUICE_POOL_POISONS 1
#endif
#endif

namespace sluice::packet {

/// Owned by one thread (a worker); packets return to the pool they came from on that thread.
class PacketPool {
 public:
  static constexpr std::uint32_t kSmallBytes = 2048;
  static constexpr std::uint32_t kLargeBytes = 65536 + 512;

  /// Reserves nothing yet: buffers are made in blocks as they are first needed, at most `max_packets` of each
  /// size.
  explicit PacketPool(std::uint32_t max_packets);
  ~PacketPool();
  PacketPool(const PacketPool&) = delete;
  PacketPool& operator=(const PacketPool&) = delete;

  /// An empty packet with room for `size` bytes behind the standard headroom; nullptr if the pool is
  /// exhausted or size is beyond kLargeBytes.
  Packet* take(std::uint32_t size) {
    SizeClass& from = size <= kSmallBytes ? small_ : large_;
    if (size > kLargeBytes || (from.free_count == 0 && !grow(from))) [[unlikely]]
      return nullptr;
    Packet* const packet = from.free[--from.free_count];
    unpoison(packet, from);
    packet->reset();
    ++in_use_;
    return packet;
  }
  /// A copy of bytes, layout and metadata; nullptr as for take().
  Packet* clone(const Packet& original);
  void give(Packet* packet) {
    SLUICE_DCHECK(packet->size_ != kInPool);
    SizeClass& to = packet->capacity_ == small_.capacity ? small_ : large_;
    packet->size_ = kInPool;
    poison(packet, to);
    to.free[to.free_count++] = packet;
    --in_use_;
  }
  void give(PacketBatch& batch) {
    for (Packet* p : batch) give(p);
    batch.clear();
  }

  std::uint32_t in_use() const { return in_use_; }

 private:
  static constexpr std::uint32_t kInPool = 0xffffffff;  // Packet::size_ of a packet that nobody has

  struct Block {
    void* base;
    std::size_t bytes;
  };
  struct SizeClass {
    std::uint32_t capacity;  // of a packet's buffer, headroom included
    std::uint32_t made = 0;
    std::size_t free_count = 0;
    std::vector<Packet*> free;  // a stack of free_count pointers, as long as `made`
    std::vector<Block> blocks;
  };

  bool grow(SizeClass& size_class);
#if defined(SLUICE_POOL_POISONS)
  static void poison(Packet* packet, const SizeClass& size_class);
  static void unpoison(Packet* packet, const SizeClass& size_class);
#else
  static void poison(Packet*, const SizeClass&) {}
  static void unpoison(Packet*, const SizeClass&) {}
#endif

  SizeClass small_, large_;
  const std::uint32_t max_packets_;
  std::uint32_t in_use_ = 0;
};

}  // namespace sluice::packet
