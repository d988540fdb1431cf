// Packet -> FlowKey: what the datapath matches on, from the bytes, the Layout that walk() left and the
// Metadata.
//
// Semantics are those of ovs-vswitchd (ovs-fields(7), and observed with ovs-ofctl parse-pcap):
//   - what a fault hides is zero: a bad IPv4 header leaves only layer 2; an IPv6 extension header that does
//   not fit
//     leaves only the IPv6 addresses; a TCP header that does not fit leaves no ports;
//   - VLAN tags have CFI set; frames without an EtherType have 0x05ff; MPLS hides what is below it;
//   - later fragments have no layer 4, and nw_proto 44 in IPv6;
//   - ARP and RARP fields only for Ethernet and IPv4; an operation above 255 reads as 0;
//   - ND: both link-layer address options are read in NS and NA; an option given twice hides target and
//   options.
#pragma once

#include "flow/flow_key.h"
#include "packet/packet.h"
#include "packet/packet_pool.h"

namespace sluice::flow {

/// Fills all kDatapathBytes of the key; what is behind them is not touched. packet.layout must be that of its
/// bytes.
void extract(const packet::Packet& packet, FlowKey& key);

/// The key of a frame that is no packet yet; all zero if it is too short for Ethernet. Its bytes go through a
/// packet of the pool. False: a packet can't be so long, or the pool is empty.
bool extract_frame(Bytes frame, packet::PacketPool& pool, FlowKey& key);

/// Only the connection tracking part of the key, after ct() changed the packet's metadata and nothing else.
void patch_ct(FlowKey& key, const packet::CtMetadata& ct);

/// Only IP addresses and ports of the key, after NAT changed the packet's.
void patch_addresses(FlowKey& key, const packet::Packet& packet);

}  // namespace sluice::flow
