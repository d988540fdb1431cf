// BARRIER_REQUEST and BARRIER_REPLY: all that came before is done (1.1 renumbered them).
#pragma once

#include "openflow/codec.h"

namespace sluice::openflow {

struct BarrierRequest : Bodiless<BarrierRequest> {
  static std::span<const WireForm> wire_forms();
};
struct BarrierReply : Bodiless<BarrierReply> {
  static std::span<const WireForm> wire_forms();
};

}  // namespace sluice::openflow
