// ofproto/trace: the path of an imaginary packet through a bridge, rule by rule, up to the datapath actions.
// It changes nothing: no connection, no counter; no MAC entry either, unless a packet is given or --generate
// asks for its side effects.
//
// Where the packet meets ct(), the real connection table is asked what it would say (Tracker::peek), unless
// --ct-next says it by hand. A packet given as bytes is judged in full; one given as a flow is composed
// without payload, and its TCP sequence numbers are not held against it.
//
// Main thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "action/action.h"
#include "base/clock.h"
#include "base/result.h"
#include "field/field.h"
#include "flow/flow_key.h"

namespace sluice::conntrack {
class Tracker;
}

namespace sluice::ofproto {

class Ofproto;
class Upcalls;

/// What is needed of the switch around.
struct TraceEnvironment {
  std::span<Ofproto* const> bridges;
  const Upcalls& upcalls;
  const conntrack::Tracker& tracker;
  const field::NameResolver* dp_ports = nullptr;  ///< for odp flows; may be null
  Instant now;
};

struct TraceRequest {
  Ofproto* bridge = nullptr;
  flow::FlowKey key;                 ///< in_port an OpenFlow port
  std::vector<std::uint8_t> packet;  ///< empty: none was given
  std::vector<std::uint32_t>
      ct_next;  ///< ct_state of the first, second … ct(); the table is asked for the rest
  std::vector<std::uint8_t> payload;  ///< behind the headers of a packet that has to be composed
  bool port_names = false;
  bool generate = false;       ///< as if there were a packet: MAC addresses are learned
  action::ActionList actions;  ///< instead of the flow tables; empty: these
  bool consistent = false;     ///< the actions must fit the packet, as from OpenFlow 1.1 on
};

enum class TraceKind : std::uint8_t { Packet, PacketOut };

/// Reads the arguments of ofproto/trace: "{[DP] ODP_FLOW | BRIDGE FLOW} [--ct-next FLAGS]… [--names]
/// [--l7 HEX | --l7-len N] [--generate | PACKET]"; of ofproto/trace-packet-out with "[--consistent]" and,
/// last, actions. Errors are worded as ovs-vswitchd words them.
Result<TraceRequest> parse_trace(std::span<const std::string> arguments, const TraceEnvironment& environment,
                                 TraceKind kind = TraceKind::Packet);

std::string trace(const TraceRequest& request, const TraceEnvironment& environment);

/// "est|rpl|trk"; "0" for none.
std::string format_ct_state(std::uint32_t state);
/// "trk,est" or "trk|est" or "trk est" to bits; the error names the flag.
Result<std::uint32_t> parse_ct_next(std::string_view text);

}  // namespace sluice::ofproto
