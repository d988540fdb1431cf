// PACKET_OUT: a packet to be sent by a list of actions.
#pragma once

#include "openflow/packet_in.h"

namespace sluice::openflow {

struct PacketOut {
  std::optional<std::uint32_t> buffer;  ///< of a packet that the switch keeps; else `packet`
  flow::Match metadata;                 ///< in_port, and in 1.5 what else the packet is to start with
  action::ActionList actions;
  std::vector<std::uint8_t> packet;

  std::uint32_t in_port() const { return metadata.value.in_port.host(); }

  static std::span<const WireForm> wire_forms();
  static Status decode(ByteReader& body, const DecodeContext& context, PacketOut& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};

}  // namespace sluice::openflow
