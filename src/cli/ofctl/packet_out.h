// A packet to be sent, as text: "in_port=1 packet=ffff… reg0=5 actions=output:2" (ovs-ofctl(8) "Packet-Out
// Syntax").
#pragma once

#include "action/protocols.h"
#include "openflow/packet_out.h"

namespace sluice::cli::ofctl {

struct PacketOutText {
  openflow::PacketOut message;
  action::Protocols usable;
};
Result<PacketOutText> parse_packet_out(std::string_view text, const action::Names& names);

}  // namespace sluice::cli::ofctl
