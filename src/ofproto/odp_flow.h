// Reads a datapath flow's match in odp syntax, as ovs-appctl dpctl/dump-flows prints it and ofproto/trace
// takes it:
// "recirc_id(0),in_port(1),eth(src=..,dst=..),eth_type(0x0800),ipv4(src=10.0.0.1,…),tcp(src=1,dst=2)".
#pragma once

#include <string_view>

#include "base/result.h"
#include "field/field.h"
#include "flow/flow_key.h"

namespace sluice::ofproto {

/// The key that the text describes, in_port a datapath port. Masks are read and applied: bits outside are
/// zero. The error names the key that could not be read. `ports` resolves names in in_port().
Result<flow::FlowKey> parse_odp_flow(std::string_view text, const field::NameResolver* ports = nullptr);

/// Whether the text has an eth(): without one an eth_type() tells the type of a packet that begins there.
bool names_ethernet(std::string_view text);

}  // namespace sluice::ofproto
