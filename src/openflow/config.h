// GET_CONFIG and SET_CONFIG: what the switch does with fragments, and how much of a packet without a match it
// sends.
#pragma once

#include "openflow/codec.h"

namespace sluice::openflow {

enum class FragmentHandling : std::uint8_t { Normal, Drop, Reassemble, NxMatch };

struct SwitchConfig {
  FragmentHandling fragments = FragmentHandling::Normal;
  bool invalid_ttl_to_controller = false;  ///< a flag in 1.1 and 1.2, and by extension in 1.0
  std::uint16_t miss_send_len = 0;

  static Status decode(ByteReader& body, const DecodeContext& context, SwitchConfig& out);
  void encode(Encoder& out) const;
  void format(Printer& out) const;
};

struct GetConfigRequest : Bodiless<GetConfigRequest> {
  static std::span<const WireForm> wire_forms();
};
struct GetConfigReply : SwitchConfig {
  static std::span<const WireForm> wire_forms();
};
struct SetConfig : SwitchConfig {
  static std::span<const WireForm> wire_forms();
};

}  // namespace sluice::openflow
