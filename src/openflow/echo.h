// ECHO_REQUEST and ECHO_REPLY: whether the other side lives.
#pragma once

#include "openflow/codec.h"

namespace sluice::openflow {

struct Echo {
  std::vector<std::uint8_t> data;

  static Status decode(ByteReader& body, const DecodeContext& context, Echo& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};

struct EchoRequest : Echo {
  static std::span<const WireForm> wire_forms();
};
/// Holds what the request held.
struct EchoReply : Echo {
  static std::span<const WireForm> wire_forms();
};

}  // namespace sluice::openflow
