// FLOW_MOD: adds, modifies or deletes flows. 1.0 has OpenFlow's own form and NXT_FLOW_MOD, which matches
// more.
#pragma once

#include "action/flow_spec.h"
#include "openflow/match.h"

namespace sluice::openflow {

/// The flow's actions have been settled and checked against its match when decode() gives them. What a
/// command does not use is not to be looked at: a delete has no actions.
struct FlowMod {
  action::FlowSpec flow;

  static std::span<const WireForm> wire_forms();
  static Status decode(ByteReader& body, const DecodeContext& context, FlowMod& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};

/// Flags as bits of flow_mods and of flow statistics; bits that the version lacks are left out.
std::uint16_t flow_flags_to_wire(const action::FlowFlags& flags, OfVersion version);
/// Errors: OFPFMFC_BAD_FLAGS for bits that the version lacks.
Result<action::FlowFlags> flow_flags_from_wire(std::uint16_t bits, OfVersion version);

}  // namespace sluice::openflow
