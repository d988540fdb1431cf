// A packet: its bytes with room before and after, where its headers are, and what is known about it besides.
//
// Packets are owned by the PacketPool they came from; whoever takes one from a batch frees it or passes it
// on.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

#include "base/bytes.h"
#include "base/check.h"
#include "base/limits.h"
#include "net/endian.h"
#include "wire/layout.h"

namespace sluice::packet {

/// The tuple that created a connection, as ct_nw_src … ct_tp_dst show it: before any NAT; for related packets
/// the parent's. IPv4 addresses are v4-mapped. ICMP: type in src_port, code in dst_port.
struct CtTuple {
  be128 src, dst;
  be16 src_port, dst_port;
  std::uint8_t proto = 0;
  bool is_ipv6 = false;
};

/// What connection tracking says of a packet. All zero = never tracked (or cleared).
struct CtMetadata {
  std::uint32_t state = 0;  ///< ct_state bits (spec: +new 0x01 … +dnat 0x80)
  std::uint32_t mark = 0;
  be128 label;
  CtTuple original;
  std::uint16_t zone = 0;
  /// The connection met last, as the tracker names it; kNoConnection if none. Valid only with the generation.
  std::uint32_t connection = kNoConnection;
  std::uint32_t connection_generation = 0;
  bool reply = false;

  static constexpr std::uint32_t kNoConnection = 0xffffffff;
};

/// Work that a sender or receiver left to hardware, as virtio_net_hdr tells it.
struct Offload {
  enum Gso : std::uint8_t { kNoGso, kTcp4, kTcp6, kUdp, kUdpL4 };
  bool checksum_partial = false;  ///< the L4 checksum field holds only the pseudo-header sum
  bool checksum_valid = false;    ///< the receiver verified the L4 checksum
  std::uint16_t checksum_start = 0, checksum_offset = 0;
  Gso gso = kNoGso;
  bool gso_ecn = false;
  std::uint16_t gso_size = 0;  ///< segment payload in bytes
};

struct Metadata {
  std::uint32_t in_port = 0;  ///< datapath port
  std::uint32_t recirc_id = 0;
  std::uint32_t dp_hash = 0;
  std::uint32_t pkt_mark = 0;
  std::uint32_t skb_priority = 0;
  std::uint32_t rss_hash = 0;  ///< of the 5-tuple if the receiver computed one, else 0
  /// Of a reassembled packet: its largest fragment in bytes from the IP header on, else 0. On output it is
  /// cut to this size again.
  std::uint16_t mru = 0;
  std::uint32_t fragment_id = 0;  ///< of the IPv6 fragments that it came as and leaves as
  /// Without its Ethernet header: the first 14 bytes are room where one can be put again, and nobody sees
  /// them.
  bool bare = false;
  CtMetadata ct;
  Offload offload;
};

/// What a packet starts with: copied as vectors, where building a temporary costs several times as much.
inline constexpr wire::Layout kNoLayout{};
inline constexpr Metadata kNoMetadata{};

class Packet {
 public:
  Packet(const Packet&) = delete;
  Packet& operator=(const Packet&) = delete;

  std::uint8_t* data() { return buffer_ + offset_; }
  const std::uint8_t* data() const { return buffer_ + offset_; }
  std::uint32_t size() const { return size_; }
  Bytes bytes() const { return {data(), size_}; }
  /// What somebody outside would get: without the room before a bare packet.
  Bytes contents() const { return bytes().subspan(meta.bare ? kEthernetBytes : 0); }
  std::uint32_t headroom() const { return offset_; }
  std::uint32_t tailroom() const { return capacity_ - offset_ - size_; }

  /// Makes room before the first byte; false if there is none left.
  bool push_front(std::uint32_t n) {
    if (n > offset_) return false;
    offset_ -= n;
    size_ += n;
    return true;
  }
  void pull_front(std::uint32_t n) {
    SLUICE_DCHECK(n <= size_);
    offset_ += n;
    size_ -= n;
  }
  /// Grows or shrinks at the end; false if the buffer is too small.
  bool resize(std::uint32_t n) {
    if (n > capacity_ - offset_) return false;
    size_ = n;
    return true;
  }
  /// Empties the packet and leaves `headroom` bytes before it; layout and metadata are reset.
  void reset(std::uint32_t headroom = kHeadroom) {
    SLUICE_DCHECK(headroom <= capacity_);
    offset_ = headroom;
    size_ = 0;
    layout = kNoLayout;
    meta = kNoMetadata;
  }
  bool assign(Bytes bytes) {
    if (!resize(static_cast<std::uint32_t>(bytes.size()))) return false;
    if (!bytes.empty()) std::memcpy(data(), bytes.data(), bytes.size());
    return true;
  }

  static constexpr std::uint32_t kEthernetBytes = 14;
  /// Room before a received packet for pushed headers.
  static constexpr std::uint32_t kHeadroom = 128;

  wire::Layout layout;
  Metadata meta;

 private:
  friend class PacketPool;
  Packet(std::uint8_t* buffer, std::uint32_t capacity) : buffer_(buffer), capacity_(capacity) {}

  std::uint8_t* buffer_;
  std::uint32_t capacity_;
  std::uint32_t offset_ = kHeadroom;
  std::uint32_t size_ = 0;
};

/// Up to limits::kBatchSize packets that travel together. Does not own them.
class PacketBatch {
 public:
  unsigned size() const { return size_; }
  bool empty() const { return size_ == 0; }
  bool full() const { return size_ == limits::kBatchSize; }
  void clear() { size_ = 0; }
  void push(Packet* p) {
    SLUICE_DCHECK(!full());
    packets_[size_++] = p;
  }
  Packet*& operator[](unsigned i) { return packets_[i]; }
  Packet* operator[](unsigned i) const { return packets_[i]; }
  Packet** begin() { return packets_.data(); }
  Packet** end() { return packets_.data() + size_; }
  Packet* const* begin() const { return packets_.data(); }
  Packet* const* end() const { return packets_.data() + size_; }

 private:
  std::array<Packet*, limits::kBatchSize> packets_;
  unsigned size_ = 0;
};

}  // namespace sluice::packet
