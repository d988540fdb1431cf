// Rewrites that change a packet's length: VLAN tags and MPLS labels. Each keeps the Layout (it is what walk()
// would find) and the offload offsets right.
#pragma once

#include "packet/packet.h"
#include "wire/rewrite.h"

namespace sluice::packet {

/// The packet as wire/rewrite.h takes it.
inline wire::MutableFrame frame_of(Packet& packet) {
  return {packet.data(), packet.size(), packet.layout, packet.meta.offload.checksum_partial};
}

/// Puts a tag outside of all others. The CFI bit of tci goes out as it is given. False if there is no
/// headroom left or the packet is no Ethernet frame: the packet is unchanged.
bool push_vlan(Packet& packet, be16 tpid, be16 tci);
/// Takes the outermost tag off; false if there is none.
bool pop_vlan(Packet& packet);

/// Puts a label stack entry outside of all others, behind the VLAN tags; eth_type is MPLS's or multicast
/// MPLS's. False without headroom, for frames without an EtherType and for packets with a fault in the
/// Ethernet header.
bool push_mpls(Packet& packet, be16 eth_type, be32 lse);
/// Takes the outermost entry off; what is below has EtherType `eth_type`. False if there is none.
bool pop_mpls(Packet& packet, be16 eth_type);

/// Takes the Ethernet header off, which makes the packet bare. False if it is already, or has VLAN tags.
bool pop_eth(Packet& packet);
/// Gives a bare packet an Ethernet header; false for one that has it.
bool push_eth(Packet& packet, const net::Mac& src, const net::Mac& dst);

}  // namespace sluice::packet
