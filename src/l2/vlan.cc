#include "l2/vlan.h"

#include <fmt/core.h>

namespace sluice::l2 {
namespace {

constexpr std::uint16_t kPresent = 0x1000;

std::uint16_t vid_of(be16 tci) {
  return static_cast<std::uint16_t>(tci.host() & 0x0fff);
}

bool in_set(const VlanSet& set, std::uint16_t vlan) {
  return set.none() || set[vlan];
}

}  // namespace

bool VlanConfig::carries(std::uint16_t vlan, std::uint16_t customer) const {
  switch (mode) {
    case VlanMode::Access:
      return vlan == tag && customer == 0;
    case VlanMode::Tunnel:
      return vlan == tag && in_set(customers, customer);
    case VlanMode::Trunk:
      return in_set(trunks, vlan);
    case VlanMode::NativeTagged:
    case VlanMode::NativeUntagged:
      return vlan == tag || in_set(trunks, vlan);
  }
  return false;
}

std::optional<std::uint16_t> input_vlan(const VlanConfig& port, be16 tci) {
  const std::uint16_t vid = vid_of(tci);
  switch (port.mode) {
    case VlanMode::Access:
      if (vid != 0) return std::nullopt;
      return port.tag;
    case VlanMode::Tunnel:
      if (!in_set(port.customers, vid)) return std::nullopt;
      return port.tag;
    case VlanMode::Trunk:
      break;
    case VlanMode::NativeTagged:
    case VlanMode::NativeUntagged:
      if (vid == 0) return port.tag;
      break;
  }
  if (!port.carries(vid)) return std::nullopt;
  return vid;
}

be16 output_tci(const VlanConfig& port, std::uint16_t vlan, unsigned pcp) {
  const bool untagged = port.mode == VlanMode::Access || port.mode == VlanMode::Tunnel || vlan == 0 ||
                        (port.mode == VlanMode::NativeUntagged && vlan == port.tag);
  const auto priority = static_cast<std::uint16_t>((pcp & 7) << 13);
  if (!untagged) return be16{static_cast<std::uint16_t>(vlan | priority | kPresent)};
  return port.priority_tags && priority != 0 ? be16{static_cast<std::uint16_t>(priority | kPresent)} : be16{};
}

std::string describe_refusal(const std::string& name, const VlanConfig& port, be16 tci) {
  const std::uint16_t vid = vid_of(tci);
  switch (port.mode) {
    case VlanMode::Access:
      return fmt::format(
          "dropping VLAN {} tagged packet received on port {} configured as VLAN {} access port", vid, name,
          port.tag);
    case VlanMode::Tunnel:
      return fmt::format("dropping VLAN {} packet received on dot1q-tunnel port {} that excludes this VLAN",
                         vid, name);
    default:
      return fmt::format("dropping VLAN {} packet received on port {} not configured for trunking VLAN {}",
                         vid, name, vid);
  }
}

}  // namespace sluice::l2
