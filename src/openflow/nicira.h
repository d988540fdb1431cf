// Small messages of Nicira's that switch what a connection gets: flow format, table ids in 1.0, packet-in
// format, controller id; and NXT_FLOW_AGE, which a switch no longer needs but understands.
#pragma once

#include "openflow/codec.h"

namespace sluice::openflow {

enum class FlowFormat : std::uint32_t { OpenFlow10 = 0, Nxm = 2 };

struct SetFlowFormat {
  std::uint32_t format_code = 0;  ///< a FlowFormat, or what nobody knows

  static std::span<const WireForm> wire_forms();
  static Status decode(ByteReader& body, const DecodeContext& context, SetFlowFormat& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};

struct SetFlowModTableId {
  bool enable = false;

  static std::span<const WireForm> wire_forms();
  static Status decode(ByteReader& body, const DecodeContext& context, SetFlowModTableId& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};

struct SetPacketInFormat {
  Style style = Style::Standard;  ///< as Dialect::packet_in

  static std::span<const WireForm> wire_forms();
  static Status decode(ByteReader& body, const DecodeContext& context, SetPacketInFormat& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};

struct SetControllerId {
  std::uint16_t id = 0;

  static std::span<const WireForm> wire_forms();
  static Status decode(ByteReader& body, const DecodeContext& context, SetControllerId& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};

struct FlowAge : Bodiless<FlowAge> {
  static std::span<const WireForm> wire_forms();
};

}  // namespace sluice::openflow
