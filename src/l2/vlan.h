// VLAN modes of ports, as ovs-vswitchd.conf.db(5) defines them for the Port table (vlan_mode, tag, trunks):
// which VLAN a packet that came in belongs to, and how it leaves. Used by NORMAL and FLOOD-like decisions
// only.
#pragma once

#include <bitset>
#include <cstdint>
#include <optional>
#include <string_view>

#include "net/endian.h"

namespace sluice::l2 {

enum class VlanMode : std::uint8_t {
  Trunk,           ///< carries the VLANs of `trunks` tagged, VLAN 0 untagged
  Access,          ///< one VLAN, untagged on the wire
  NativeTagged,    ///< trunk; untagged packets that come in belong to `tag`, and go out tagged
  NativeUntagged,  ///< trunk; untagged packets that come in belong to `tag`, and go out untagged
};

inline constexpr std::uint16_t kVlanCount = 4096;

struct VlanConfig {
  VlanMode mode = VlanMode::Trunk;
  std::uint16_t tag = 0;           ///< of access and native modes
  std::bitset<kVlanCount> trunks;  ///< empty: all VLANs
  /// Keep an 802.1Q header that says only a priority: for packets that would leave untagged with a PCP.
  bool priority_tags = false;

  bool operator==(const VlanConfig&) const = default;
  bool is_trunk_like() const { return mode != VlanMode::Access; }
  /// Whether packets of this VLAN may enter or leave here.
  bool carries(std::uint16_t vlan) const;
};

/// The VLAN of a packet that came in with this outermost TCI (0x1000 clear: untagged); nothing if the port
/// does not accept it.
std::optional<std::uint16_t> input_vlan(const VlanConfig& port, be16 tci);

/// The TCI that a packet of `vlan` leaves with; 0 = untagged. `pcp` is the priority of the tag that it came
/// with.
be16 output_tci(const VlanConfig& port, std::uint16_t vlan, unsigned pcp);

/// Why input_vlan() refused, as a sentence of ofproto/trace.
std::string_view describe_refusal(const VlanConfig& port, be16 tci);

}  // namespace sluice::l2
