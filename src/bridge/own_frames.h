// Sends frames of protocols that the switch itself speaks.
#pragma once

#include "base/bytes.h"
#include "datapath/datapath.h"

namespace sluice::bridge {

/// By one port, past all flows. A frame for which there is no buffer is lost, as on a wire.
inline void send_frame(datapath::Datapath& datapath, std::uint32_t dp_port, Bytes frame) {
  const dp_action::Program program{dp_action::Output{dp_port}};
  packet::Metadata meta;
  meta.in_port = dp_port;
  (void)datapath.inject({.bytes = frame, .meta = meta, .program = &program});
}

}  // namespace sluice::bridge
