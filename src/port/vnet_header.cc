#include "port/vnet_header.h"

#include <cstring>

#include "net/endian.h"
#include "port/software_offload.h"

namespace sluice::port {
namespace {

using packet::Offload;
using packet::Packet;

std::uint8_t vnet_gso(Offload::Gso gso) {
  switch (gso) {
    case Offload::kTcp4:
      return VnetHeader::kTcp4;
    case Offload::kTcp6:
      return VnetHeader::kTcp6;
    case Offload::kUdp:
      return VnetHeader::kUdp;
    case Offload::kUdpL4:
      return VnetHeader::kUdpL4;
    case Offload::kNoGso:
      break;
  }
  return VnetHeader::kNone;
}

Offload::Gso gso_of(std::uint8_t vnet) {
  switch (vnet & ~VnetHeader::kEcn) {
    case VnetHeader::kTcp4:
      return Offload::kTcp4;
    case VnetHeader::kTcp6:
      return Offload::kTcp6;
    case VnetHeader::kUdp:
      return Offload::kUdp;
    case VnetHeader::kUdpL4:
      return Offload::kUdpL4;
    default:
      return Offload::kNoGso;
  }
}

/// Length of the headers in front of the first segment's payload.
std::uint32_t headers_length(const Packet& packet) {
  constexpr std::uint32_t kUdpHeader = 8, kTcpOffsetByte = 12;
  const Offload& offload = packet.meta.offload;
  if (offload.gso != Offload::kTcp4 && offload.gso != Offload::kTcp6)
    return offload.checksum_start + kUdpHeader;
  const std::uint32_t at = offload.checksum_start + kTcpOffsetByte;
  return at < packet.size() ? offload.checksum_start + (packet.data()[at] >> 4) * 4u : 0;
}

}  // namespace

Offload offload_of(const VnetHeader& header, std::uint32_t size) {
  Offload offload;
  offload.checksum_valid = (header.flags & VnetHeader::kDataValid) != 0;
  if ((header.flags & VnetHeader::kNeedsChecksum) != 0 &&
      std::uint32_t{header.csum_start} + header.csum_offset + 2 <= size) {
    offload.checksum_partial = true;
    offload.checksum_start = header.csum_start;
    offload.checksum_offset = header.csum_offset;
  }
  offload.gso = gso_of(header.gso_type);
  if (offload.gso != Offload::kNoGso && header.gso_size > 0 && offload.checksum_partial) {
    offload.gso_size = header.gso_size;
    offload.gso_ecn = (header.gso_type & VnetHeader::kEcn) != 0;
  } else {
    offload.gso = Offload::kNoGso;
  }
  return offload;
}

bool make_vnet_header(const Packet& packet, VnetHeader& header) {
  header = {};
  const Offload& offload = packet.meta.offload;
  if (!offload.checksum_partial) {
    if (offload.checksum_valid) header.flags = VnetHeader::kDataValid;
    return offload.gso == Offload::kNoGso;
  }
  if (is_sctp_checksum(offload)) return false;
  if (std::uint32_t{offload.checksum_start} + offload.checksum_offset + 2 > packet.size()) return false;
  header.flags = VnetHeader::kNeedsChecksum;
  header.csum_start = offload.checksum_start;
  header.csum_offset = offload.checksum_offset;
  if (offload.gso == Offload::kNoGso) return true;
  const std::uint32_t headers = headers_length(packet);
  if (headers == 0 || headers > packet.size() || offload.gso_size == 0) return false;
  header.gso_type =
      static_cast<std::uint8_t>(vnet_gso(offload.gso) | (offload.gso_ecn ? VnetHeader::kEcn : 0));
  header.gso_size = offload.gso_size;
  header.hdr_len = static_cast<std::uint16_t>(headers);
  return true;
}

bool insert_vlan(Packet& packet, std::uint16_t tpid, std::uint16_t tci) {
  constexpr std::uint32_t kTag = 4, kAddresses = 12;
  if (packet.size() < kAddresses || !packet.push_front(kTag)) return false;
  std::memmove(packet.data(), packet.data() + kTag, kAddresses);
  be16(tpid).store(packet.data() + kAddresses);
  be16(tci).store(packet.data() + kAddresses + 2);
  if (packet.meta.offload.checksum_partial)
    packet.meta.offload.checksum_start =
        static_cast<std::uint16_t>(packet.meta.offload.checksum_start + kTag);
  return true;
}

}  // namespace sluice::port
