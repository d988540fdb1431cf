// Packet buffers, allocated once: taking and returning a packet is a pointer move. Two sizes: a frame of up to an MTU
// of 1500 with tags, and a large one for GSO packets and reassembled datagrams (64 KiB).
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "packet/packet.h"

namespace sluice::packet {

/// Owned by one thread (a worker); packets return to the pool they came from on that thread.
class PacketPool {
 public:
  static constexpr std::uint32_t kSmallBytes = 2048;
  static constexpr std::uint32_t kLargeBytes = 65536 + 512;

  /// Reserves nothing yet: buffers are made in blocks as they are first needed, at most `max_packets` of each size.
  explicit PacketPool(std::uint32_t max_packets);
  ~PacketPool();
  PacketPool(const PacketPool&) = delete;
  PacketPool& operator=(const PacketPool&) = delete;

  /// An empty packet with room for `size` bytes behind the standard headroom; nullptr if the pool is exhausted or
  /// size is beyond kLargeBytes.
  Packet* take(std::uint32_t size);
  /// A copy of bytes, layout and metadata; nullptr as for take().
  Packet* clone(const Packet& original);
  void give(Packet* packet);
  void give(PacketBatch& batch) {
    for (Packet* p : batch) give(p);
    batch.clear();
  }

  std::uint32_t in_use() const { return in_use_; }

 private:
  struct Class;
  std::unique_ptr<Class> small_, large_;
  std::uint32_t in_use_ = 0;
};

}  // namespace sluice::packet
