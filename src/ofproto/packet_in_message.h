// From what a worker queued for controllers to the message that they get: where the packet was, which flow
// sent it, the fields that are not in its bytes, and, if it is paused, how it goes on.
#pragma once

#include "ofproto/packet_in.h"
#include "ofproto/peer.h"

namespace sluice::pipeline {
struct FrozenData;
}

namespace sluice::ofproto {

class Ofproto;

PacketInMessage packet_in_message(const PacketIn& packet, const Ofproto& bridge);

/// The frozen state as a continuation carries it, and what of it a resumed packet goes on from: the fields of
/// the packet (registers, metadata, in_port) travel beside it.
openflow::Continuation to_continuation(const pipeline::FrozenData& data, const Ofproto& bridge);
/// Continuations of another bridge are refused.
Result<pipeline::FrozenData> from_continuation(const openflow::Continuation& continuation,
                                               const Ofproto& bridge);

}  // namespace sluice::ofproto
