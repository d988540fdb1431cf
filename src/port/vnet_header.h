// packet::Offload as the kernel's virtio_net_hdr says it, at both AF_PACKET sockets (PACKET_VNET_HDR) and TAP
// devices (IFF_VNET_HDR): the header of 10 bytes, in the machine's byte order. Source: virtio 1.2
// section 5.1.6, packet(7), linux/virtio_net.h.
#pragma once

#include <cstdint>

#include "packet/packet.h"

namespace sluice::port {

/// struct virtio_net_hdr.
struct VnetHeader {
  static constexpr std::uint8_t kNeedsChecksum = 1, kDataValid = 2;                     // flags
  static constexpr std::uint8_t kNone = 0, kTcp4 = 1, kUdp = 3, kTcp6 = 4, kUdpL4 = 5;  // gso_type
  static constexpr std::uint8_t kEcn = 0x80;                                            // added to gso_type

  std::uint8_t flags = 0, gso_type = kNone;
  std::uint16_t hdr_len = 0;  ///< Ethernet, IP and transport headers together
  std::uint16_t gso_size = 0;
  std::uint16_t csum_start = 0, csum_offset = 0;
};
static_assert(sizeof(VnetHeader) == 10);

/// What the header tells; a header that does not fit the frame of `size` bytes tells nothing.
packet::Offload offload_of(const VnetHeader& header, std::uint32_t size);

/// The header for the packet as its metadata tells. False if the kernel can't be told (an SCTP checksum, for
/// which virtio has no word; offsets out of the packet): then the work must be done in software.
bool make_vnet_header(const packet::Packet& packet, VnetHeader& header);

/// Frames scattered on receive: bytes in `first`, the rest in spill memory; and a tag that the kernel
/// stripped. Inserts a VLAN tag behind the MAC addresses, offsets of the offload included. False if there is
/// no room.
bool insert_vlan(packet::Packet& packet, std::uint16_t tpid, std::uint16_t tci);

}  // namespace sluice::port
