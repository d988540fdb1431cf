#include "l2/vlan.h"

namespace sluice::l2 {
namespace {

constexpr std::uint16_t kPresent = 0x1000;

bool in_trunks(const VlanConfig& port, std::uint16_t vlan) {
  return port.trunks.none() || port.trunks[vlan];
}

}  // namespace

bool VlanConfig::carries(std::uint16_t vlan) const {
  switch (mode) {
    case VlanMode::Access:
      return vlan == tag;
    case VlanMode::Trunk:
      return in_trunks(*this, vlan);
    case VlanMode::NativeTagged:
    case VlanMode::NativeUntagged:
      return vlan == tag || in_trunks(*this, vlan);
  }
  return false;
}

std::optional<std::uint16_t> input_vlan(const VlanConfig& port, be16 tci) {
  const auto vid = static_cast<std::uint16_t>(tci.host() & 0x0fff);
  switch (port.mode) {
    case VlanMode::Access:
      if (vid != 0) return std::nullopt;
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
  const bool untagged = port.mode == VlanMode::Access || vlan == 0 ||
                        (port.mode == VlanMode::NativeUntagged && vlan == port.tag);
  const auto priority = static_cast<std::uint16_t>((pcp & 7) << 13);
  if (!untagged) return be16{static_cast<std::uint16_t>(vlan | priority | kPresent)};
  if (port.priority_tags && priority != 0) return be16{static_cast<std::uint16_t>(priority | kPresent)};
  return be16{};
}

std::string_view describe_refusal(const VlanConfig& port, be16 tci) {
  const bool tagged = (tci.host() & 0x0fff) != 0;
  if (port.mode == VlanMode::Access && tagged)
    return "dropping VLAN tagged packet received on an access port";
  return "dropping packet of a VLAN that the port does not trunk";
}

}  // namespace sluice::l2
