// Inside of OpenFlowAgent: a packet that a controller sends, on its way.
#pragma once

#include "ofproto/openflow_agent.h"
#include "packet/packet.h"

namespace sluice::ofproto {

struct OpenFlowAgent::Outgoing {
  Bytes bytes;                                  ///< of the message, or of `kept`
  const action::ActionList* actions = nullptr;  ///< of the message
  flow::FlowKey key;
  packet::Metadata meta;
  pipeline::TranslationResult result;
  std::vector<std::uint8_t> kept;

  /// The message goes; the actions, which are translated, are needed no more.
  void keep_bytes() {
    kept.assign(bytes.begin(), bytes.end());
    bytes = kept;
    actions = nullptr;
  }
};

/// No buffer is known: packets are not kept.
tl::unexpected<Error> unknown_buffer(std::uint32_t buffer);

/// Reasons of request-forwards (OpenFlow 1.4.0 section 7.4.6).
inline constexpr unsigned kForwardGroup = 0, kForwardMeter = 1;

}  // namespace sluice::ofproto
