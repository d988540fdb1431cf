// A frame that a FlowKey describes: what ofproto/trace shows to the connection tracker when it was given a
// flow instead of a packet.
#pragma once

#include <cstdint>
#include <vector>

#include "flow/flow_key.h"

namespace sluice::ofproto {

/// The shortest frame with these headers, no payload, correct lengths and checksums. What a key can't tell is
/// zero (TCP sequence numbers, ICMP identifiers); extracting the key of the result gives the header fields
/// back.
std::vector<std::uint8_t> compose_frame(const flow::FlowKey& key);

}  // namespace sluice::ofproto
