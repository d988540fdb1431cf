// The payload of a TCP segment changed in place: by helpers that replace text in control connections.
//
//   const std::uint32_t room = tcp_payload_room(packet);
//   … write at most `room` bytes from layout.payload on, and whatever in the TCP header …
//   set_tcp_payload(packet, bytes);
//
// A segment that grows may become longer than the path takes: what was a full segment is then left to
// segmentation, in pieces of the size that it had.
#pragma once

#include <cstdint>

#include "packet/packet.h"

namespace sluice::packet {

/// How many bytes of payload the packet has room for, in its buffer and in its IP length.
std::uint32_t tcp_payload_room(const Packet& packet);

/// The payload is `bytes` long now, at most tcp_payload_room(). Sets lengths, Layout, offload and checksums
/// (from nothing: the segment's own was verified or vouched for before it was changed). Padding behind the
/// datagram goes.
void set_tcp_payload(Packet& packet, std::uint32_t bytes);

}  // namespace sluice::packet
