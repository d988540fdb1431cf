// VLAN modes of ports, as ovs-vswitchd.conf.db(5) defines them for the Port table (vlan_mode, tag, trunks,
// cvlans): which VLAN a packet that came in belongs to, and how it leaves. Used by NORMAL and by mirrors
// only.
//
// Inside the switch a packet is a VLAN and what is behind it: of a tunnel port that is the packet with all
// the tags that it came with, of any other port what is left when its outermost tag is off.
#pragma once

#include <bitset>
#include <cstdint>
#include <optional>
#include <string>

#include "net/endian.h"

namespace sluice::l2 {

enum class VlanMode : std::uint8_t {
  Trunk,           ///< carries the VLANs of `trunks` tagged, VLAN 0 untagged
  Access,          ///< one VLAN, untagged on the wire
  NativeTagged,    ///< trunk; untagged packets that come in belong to `tag`, and go out tagged
  NativeUntagged,  ///< trunk; untagged packets that come in belong to `tag`, and go out untagged
  Tunnel,          ///< dot1q-tunnel: one VLAN, whose tag goes around the customer's own
};

inline constexpr std::uint16_t kVlanCount = 4096;
using VlanSet = std::bitset<kVlanCount>;

struct VlanConfig {
  VlanMode mode = VlanMode::Trunk;
  std::uint16_t tag = 0;  ///< of all modes but trunk
  VlanSet trunks;         ///< empty: all VLANs
  VlanSet customers;      ///< of a tunnel: VLANs that packets may have behind its own; empty: all
  std::uint16_t tunnel_type = 0x88a8;  ///< of a tunnel: EtherType of the tag that goes around
  /// Keep an 802.1Q header that says only a priority: for packets that would leave untagged with a PCP that
  /// is not 0. ovs-vswitchd has "if-nonzero" and "always", and treats both so.
  bool priority_tags = false;

  bool operator==(const VlanConfig&) const = default;
  /// Whether packets of this VLAN may enter or leave here. `customer`: the VLAN behind it, 0 if none.
  bool carries(std::uint16_t vlan, std::uint16_t customer = 0) const;
  /// Whether the outermost tag of a packet that comes in says the VLAN, and is not the customer's.
  bool owns_tags() const { return mode != VlanMode::Tunnel; }
};

/// The VLAN of a packet that came in with this outermost TCI (0x1000 clear: untagged); nothing if the port
/// does not accept it.
std::optional<std::uint16_t> input_vlan(const VlanConfig& port, be16 tci);

/// The TCI that a packet of `vlan` leaves with, before what is behind it; 0 = untagged. `pcp` is the priority
/// of the tag that it came with.
be16 output_tci(const VlanConfig& port, std::uint16_t vlan, unsigned pcp);

/// Why input_vlan() refused, as a sentence of ofproto/trace.
std::string describe_refusal(const std::string& name, const VlanConfig& port, be16 tci);

}  // namespace sluice::l2
