// What every table and group of the switch can do, as OpenFlow counts it.
#pragma once

#include <cstdint>

#include "openflow/codec.h"

namespace sluice::ofproto {

/// Tables that controllers see; Open vSwitch hides its last one, and so does everybody who counts them.
inline constexpr std::uint8_t kVisibleTables = 254;

/// Actions by their numbers in a version.
constexpr std::uint32_t action_bits(openflow::OfVersion version) {
  if (version == openflow::k10) return 0xfff;      // output to enqueue
  if (version == openflow::k11) return 0x1ffe7ff;  // all but copy_ttl_in and copy_ttl_out
  return 0x3ff8001;                                // output, set_mpls_ttl to set_field
}

}  // namespace sluice::ofproto
