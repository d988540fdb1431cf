// Large packets cut to what a port without offloads may send: GSO segmentation (TCP, UDP) and IP
// fragmentation.
//
// Both are cursors over a packet that stays as it is: next() writes one piece at a time into a packet of the
// caller, with right lengths, checksums and Layout, so nothing is allocated here.
//
//   Segmenter segments(packet);
//   while (segments.next(*piece)) transmit(*piece);
//
// Sources: RFC 9293 (a segment is a slice of the stream), RFC 3168 section 6.1.2 (CWR once), RFC 791
// section 3.2 and RFC 8200 section 4.5 (fragments).
#pragma once

#include <cstdint>

#include "packet/packet.h"

namespace sluice::packet {

/// Cuts an IPv4 or IPv6 packet into fragments of at most `mtu` bytes, IP header included. A partial checksum
/// is completed first. A packet that fits comes out whole; of a truncated one comes what is left of it. A
/// fragment may be cut further. Don't Fragment is the caller's to obey.
class Fragmenter {
 public:
  /// `id` is used where the packet has none: IPv6.
  Fragmenter(const Packet& packet, std::uint32_t mtu, std::uint32_t id);
  /// False if the packet is not IP, or the MTU has no room for eight bytes behind the headers.
  bool valid() const { return valid_; }
  /// The next fragment; false after the last, or if it has no room (a small packet of the pool holds an MTU
  /// of 1500).
  bool next(Packet& out);

 private:
  bool fill_whole(Packet& out);

  const Packet& packet_;
  std::uint32_t id_;
  std::uint32_t headers_ = 0;         // bytes before the fragmentable part, Ethernet included
  std::uint32_t next_header_at_ = 0;  // IPv6: where the Fragment header is named
  std::uint32_t slice_ = 0;           // bytes of the fragmentable part in each fragment
  std::uint32_t end_ = 0;             // of the datagram, or of a truncated packet
  std::uint32_t at_ = 0;              // offset in the packet of the next slice
  std::uint32_t checksum_at_ = 0;     // of a completed checksum, 0 if none
  be16 checksum_;
  bool ipv6_ = false, valid_ = false, whole_ = false, done_ = false;
};

/// Cuts a packet whose Offload says GSO as hardware would: TCP and UDP (kUdpL4) into segments of gso_size
/// bytes of payload, each with headers of its own; UDP (kUdp) into IP fragments.
class Segmenter {
 public:
  explicit Segmenter(const Packet& packet);
  /// False if the packet is not what its GSO type says, or gso_size is 0.
  bool valid() const { return valid_; }
  /// The next segment; false after the last, or if it has no room.
  bool next(Packet& out);

 private:
  const Packet& packet_;
  Fragmenter fragments_;
  std::uint32_t at_ = 0;
  std::uint16_t index_ = 0;
  bool valid_ = false;
};

}  // namespace sluice::packet
