#include "packet/tcp_payload.h"

#include <algorithm>
#include <span>

#include "net/checksum.h"
#include "net/protocol.h"
#include "wire/checksum_verify.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/tcp.h"

namespace sluice::packet {
namespace {

constexpr std::uint32_t kMaxLength = 0xffff;  // of the IP length field
/// No path takes less in one piece (RFC 8200 section 5; IPv4 has no such bound above 68, but no link with
/// TCP on it lies between).
constexpr std::uint32_t kAlwaysFits = 1280;

bool is_ipv6(const Packet& packet) {
  return packet.layout.eth_type == be16{net::ethertype::kIpv6};
}
/// What the IP length field counts from.
std::uint32_t length_from(const Packet& packet) {
  return packet.layout.l3 +
         (is_ipv6(packet) ? static_cast<std::uint32_t>(wire::Ipv6Header<std::uint8_t>::kBytes) : 0);
}

}  // namespace

std::uint32_t tcp_payload_room(const Packet& packet) {
  const std::uint32_t in_buffer = packet.size() + packet.tailroom() - packet.layout.payload;
  return std::min(in_buffer, kMaxLength - (packet.layout.payload - length_from(packet)));
}

void set_tcp_payload(Packet& packet, std::uint32_t bytes) {
  wire::Layout& layout = packet.layout;
  Offload& offload = packet.meta.offload;
  const std::uint32_t before = layout.l3_end - layout.payload;
  packet.resize(layout.payload + bytes);
  layout.l3_end = layout.payload + bytes;
  std::uint8_t* const l3 = packet.data() + layout.l3;
  const be16 length{static_cast<std::uint16_t>(layout.l3_end - length_from(packet))};
  if (is_ipv6(packet)) {
    wire::Ipv6Header(l3).set_payload_length(length);
  } else {
    wire::Ipv4Header(l3).set_total_length(length);
    wire::fill_ipv4_checksum(l3);
  }

  if (offload.gso != Offload::kNoGso) {
    if (bytes <= offload.gso_size) {
      offload.gso = Offload::kNoGso;
      offload.gso_size = 0;
    }
  } else if (bytes > before && before != 0 && layout.l3_end - layout.l3 > kAlwaysFits) {
    offload.gso = is_ipv6(packet) ? Offload::kTcp6 : Offload::kTcp4;
    offload.gso_size = static_cast<std::uint16_t>(before);
    offload.checksum_partial = true;
    offload.checksum_start = layout.l4;
    offload.checksum_offset = wire::TcpHeader<std::uint8_t>::kChecksumAt;
  }

  const wire::TcpHeader tcp(packet.data() + layout.l4);
  tcp.set_checksum(be16{});
  net::ChecksumSum sum;
  const Bytes segment(packet.data() + layout.l4, layout.l3_end - layout.l4);
  if (!wire::add_pseudo_header(sum, packet.bytes(), layout, static_cast<std::uint32_t>(segment.size())))
    return;
  if (offload.checksum_partial) {
    tcp.set_checksum(sum.partial());
    return;
  }
  sum.add(segment);
  tcp.set_checksum(sum.finish());
}

}  // namespace sluice::packet
