// FLOW_REMOVED: a flow went away, and what it had counted.
#pragma once

#include "openflow/match.h"

namespace sluice::openflow {

enum class FlowRemovedReason : std::uint8_t {
  IdleTimeout,
  HardTimeout,
  Delete,
  GroupDelete,
  MeterDelete,
  Eviction
};
std::string format_reason(FlowRemovedReason reason);

struct FlowRemoved {
  flow::Match match;
  std::uint16_t priority = 0x8000;
  std::uint64_t cookie = 0;
  FlowRemovedReason reason = FlowRemovedReason::IdleTimeout;
  std::uint8_t table = action::kNoTable;  ///< kNoTable: not said (OpenFlow 1.0)
  std::uint32_t duration_s = 0, duration_ns = 0;
  std::uint16_t idle_timeout = 0, hard_timeout = 0;
  std::uint64_t packets = 0, bytes = 0;  ///< all ones: unknown

  static std::span<const WireForm> wire_forms();
  static Status decode(ByteReader& body, const DecodeContext& context, FlowRemoved& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};

}  // namespace sluice::openflow
