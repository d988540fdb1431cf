// REQUESTFORWARD: a group_mod or meter_mod of one controller, told to the others (1.4+, and as an
// extension 1.3).
#pragma once

#include "openflow/message.h"

namespace sluice::openflow {

struct RequestForward {
  std::vector<std::uint8_t> request;  ///< the message, encoded

  static std::span<const WireForm> wire_forms();
  /// Errors: OFPBFC_MSG_UNSUP for what is neither of the two.
  static Status decode(ByteReader& body, const DecodeContext& context, RequestForward& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};

}  // namespace sluice::openflow
