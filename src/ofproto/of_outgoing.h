// Inside of OpenFlowAgent: a packet that a controller sends, on its way.
#pragma once

#include "ofproto/openflow_agent.h"
#include "packet/packet.h"

namespace sluice::ofproto {

struct OpenFlowAgent::Outgoing {
  Bytes bytes;  ///< of the message, which outlives this
  const action::ActionList* actions = nullptr;
  flow::FlowKey key;
  packet::Metadata meta;
  pipeline::TranslationResult result;
};

/// Reasons of request-forwards (OpenFlow 1.4.0 section 7.4.6).
inline constexpr unsigned kForwardGroup = 0, kForwardMeter = 1;

}  // namespace sluice::ofproto
