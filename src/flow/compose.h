// FlowKey -> packet: the smallest well-formed packet that a key describes, with right lengths and checksums.
// For tracing a described packet and for tests: extracting the result gives the key back, as far as bytes can
// say it.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "flow/flow_key.h"

namespace sluice::flow {

/// The bytes of a packet with the key's headers, then `payload`. Members that the packet's protocol has no
/// place for are ignored. What bytes cannot express is approximated: an IPv6 nw_proto that names an extension
/// header becomes 59 (no next header), the first MPLS labels end at the first that is bottom of stack, or at
/// the last that is not zero.
std::vector<std::uint8_t> compose(const FlowKey& key, Bytes payload = {});

}  // namespace sluice::flow
