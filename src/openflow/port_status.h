// PORT_STATUS: a port came, went or changed. PORT_MOD changes one.
#pragma once

#include "openflow/port.h"

namespace sluice::openflow {

enum class PortReason : std::uint8_t { Add, Delete, Modify };

struct PortStatus {
  PortReason reason = PortReason::Add;
  PortDescription port;

  static std::span<const WireForm> wire_forms();
  static Status decode(ByteReader& body, const DecodeContext& context, PortStatus& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};

struct PortMod {
  std::uint32_t number = 0;
  net::Mac address;                    ///< the port's own, as a safeguard
  std::uint32_t config = 0, mask = 0;  ///< port_config bits
  std::uint32_t advertise = 0;         ///< port_feature bits; 0: unchanged

  static std::span<const WireForm> wire_forms();
  static Status decode(ByteReader& body, const DecodeContext& context, PortMod& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};

}  // namespace sluice::openflow
