#include "packet/rewrite.h"

#include <algorithm>

#include "wire/ethernet.h"
#include "wire/mpls.h"
#include "wire/walk.h"

namespace sluice::packet {
namespace {

using wire::Layout;
constexpr std::uint32_t kEntryBytes = 4;  // a VLAN tag, an MPLS label stack entry
constexpr std::uint32_t kTypeAt = wire::EthernetHeader<std::uint8_t>::kTypeAt;

void shift(std::uint16_t& offset, int by) {
  if (offset != Layout::kNone) offset = static_cast<std::uint16_t>(offset + by);
}

void shift_offload(Packet& packet, int by) {
  Offload& offload = packet.meta.offload;
  if (offload.checksum_partial)
    offload.checksum_start = static_cast<std::uint16_t>(offload.checksum_start + by);
}

void shift_headers(Layout& layout, int by) {
  shift(layout.l2_5, by);
  shift(layout.l3, by);
  shift(layout.l4, by);
  shift(layout.payload, by);
  shift(layout.ipv6_fragment, by);
  if (layout.l3_end != 0) layout.l3_end = static_cast<std::uint32_t>(static_cast<int>(layout.l3_end) + by);
}

/// Opens a gap of kEntryBytes at `at` by moving what is before it to the front.
bool open_gap(Packet& packet, std::uint32_t at) {
  if (!packet.push_front(kEntryBytes)) return false;
  std::memmove(packet.data(), packet.data() + kEntryBytes, at);
  shift_offload(packet, kEntryBytes);
  return true;
}

void close_gap(Packet& packet, std::uint32_t at) {
  std::memmove(packet.data() + kEntryBytes, packet.data(), at);
  packet.pull_front(kEntryBytes);
  shift_offload(packet, -static_cast<int>(kEntryBytes));
}

/// Where the EtherType of what follows the tags lies; 0 if the frame has none.
std::uint32_t ether_type_at(const Packet& packet) {
  const Layout& layout = packet.layout;
  if (layout.fault == wire::ParseFault::EthernetTruncated || layout.eth_type == be16{net::ethertype::kNone})
    return 0;
  const std::uint32_t at = kTypeAt + layout.vlans * kEntryBytes;
  const bool is_snap = be16::load(packet.data() + at).host() < net::ethertype::kMinimum;
  return is_snap ? at + 2 + 6 : at;
}

}  // namespace

bool push_vlan(Packet& packet, be16 tpid, be16 tci) {
  if (packet.size() < wire::EthernetHeader<std::uint8_t>::kBytes || !open_gap(packet, kTypeAt)) return false;
  const wire::VlanHeader tag(packet.data() + kTypeAt);
  tag.set_tpid(tpid);
  tag.set_tci(tci);
  Layout& layout = packet.layout;
  if (layout.vlans < Layout::kMaxVlans && wire::is_vlan_type(tpid) &&
      layout.fault != wire::ParseFault::EthernetTruncated) {
    ++layout.vlans;
    shift_headers(layout, kEntryBytes);
  } else {
    layout = wire::walk(packet.bytes());  // more tags than are looked into
  }
  return true;
}

bool pop_vlan(Packet& packet) {
  Layout& layout = packet.layout;
  if (layout.vlans == 0) return false;
  close_gap(packet, kTypeAt);
  if (wire::is_vlan_type(layout.eth_type)) {
    layout = wire::walk(packet.bytes());  // a third tag comes into sight
  } else {
    --layout.vlans;
    shift_headers(layout, -static_cast<int>(kEntryBytes));
  }
  return true;
}

bool push_mpls(Packet& packet, be16 eth_type, be32 lse) {
  const std::uint32_t type_at = ether_type_at(packet);
  if (type_at == 0 || !open_gap(packet, type_at + 2)) return false;
  eth_type.store(packet.data() + type_at);
  lse.store(packet.data() + type_at + 2);
  packet.layout = wire::walk(packet.bytes());
  return true;
}

bool pop_mpls(Packet& packet, be16 eth_type) {
  if (packet.layout.mpls_labels == 0) return false;
  const std::uint32_t at = packet.layout.l2_5;
  close_gap(packet, at);
  eth_type.store(packet.data() + at - 2);
  packet.layout = wire::walk(packet.bytes());
  return true;
}

bool pop_eth(Packet& packet) {
  if (packet.meta.bare || packet.layout.vlans != 0) return false;
  packet.meta.bare = true;
  set_eth_dst(frame_of(packet), {});
  set_eth_src(frame_of(packet), {});
  return true;
}

bool push_eth(Packet& packet, const net::Mac& src, const net::Mac& dst) {
  if (!packet.meta.bare) return false;
  packet.meta.bare = false;
  set_eth_dst(frame_of(packet), dst);
  set_eth_src(frame_of(packet), src);
  return true;
}

}  // namespace sluice::packet
