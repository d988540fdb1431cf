// The datapath actions that change a packet's bytes, one packet at a time: the layout is mended, checksums
// are updated.
#pragma once

#include "dp_action/program.h"
#include "packet/drop_reason.h"
#include "packet/packet.h"

namespace sluice::datapath {

/// True if done. False if the packet lacks the header (set, pop) or the room (push): the caller drops it.
bool set_header(packet::Packet& packet, const dp_action::SetHeader& action);
bool push_vlan(packet::Packet& packet, const dp_action::PushVlan& action);
bool pop_vlan(packet::Packet& packet);
bool push_mpls(packet::Packet& packet, const dp_action::PushMpls& action);
bool pop_mpls(packet::Packet& packet, const dp_action::PopMpls& action);
bool pop_eth(packet::Packet& packet);
bool push_eth(packet::Packet& packet, const dp_action::PushEth& action);

/// Raises the drop precedence of an IP packet's DSCP; a packet without one stays as it is.
bool raise_drop_precedence(packet::Packet& packet, std::uint8_t levels);

/// Hash of the 5-tuple; the same on every machine and run.
std::uint32_t hash_l4(const flow::FlowKey& key, const dp_action::Hash& action);

}  // namespace sluice::datapath
