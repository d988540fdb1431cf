// DESC: who made the switch.
#pragma once

#include "openflow/codec.h"

namespace sluice::openflow {

struct DescRequest : Bodiless<DescRequest> {
  static std::span<const WireForm> wire_forms();
};

struct DescReply {
  std::string manufacturer, hardware, software, serial, datapath;

  static std::span<const WireForm> wire_forms();
  static Status decode(ByteReader& body, const DecodeContext& context, DescReply& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};

}  // namespace sluice::openflow
