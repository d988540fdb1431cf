// From what a worker queued for controllers to the message that they get: where the packet was, which flow
// sent it, and the fields that are not in its bytes.
#pragma once

#include "ofproto/packet_in.h"
#include "ofproto/peer.h"

namespace sluice::pipeline {
struct FrozenData;
}

namespace sluice::ofproto {

/// @param state  the packet's frozen state; null if it is no more
PacketInMessage packet_in_message(const PacketIn& packet, const pipeline::FrozenData* state);

}  // namespace sluice::ofproto
