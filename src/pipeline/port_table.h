// The ports of a bridge and its settings as one immutable snapshot, published to workers under RCU.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "l2/vlan.h"
#include "pipeline/table.h"

namespace sluice::pipeline {

/// What the pipeline must know of an OpenFlow port. Keyed by OpenFlow port number (action::of_port::kLocal
/// included).
struct PortInfo {
  std::uint32_t dp_port = 0;
  std::string name;
  bool forward = true;    ///< false: OFPPC_NO_FWD, or the link is down
  bool live = true;       ///< false: groups and bundles choose another way
  bool receive = true;    ///< false: OFPPC_NO_RECV
  bool flood = true;      ///< false: OFPPC_NO_FLOOD
  bool packet_in = true;  ///< false: OFPPC_NO_PACKET_IN
  bool down = false;      ///< OFPPC_PORT_DOWN: neither live nor receiving nor forwarding
  l2::VlanConfig vlan;    ///< for NORMAL

  bool receives() const { return receive && !down; }
  bool forwards() const { return forward && !down; }
  bool is_live() const { return live && !down; }
  bool operator==(const PortInfo&) const = default;
};

/// What flows see of an IP fragment (OpenFlow's OFPC_FRAG_*).
enum class FragmentMode : std::uint8_t {
  Normal,  ///< no ports: neither of the first fragment, though it has them
  Drop,    ///< nothing: fragments are dropped
  Match,   ///< the first fragment's ports (Nicira's nx-match)
};

struct BridgeConfig {
  std::string name = "br0";
  TableMiss default_miss =
      TableMiss::Drop;  ///< Controller: as OpenFlow 1.0 to 1.2 have it; Drop: 1.3 and later
  /// Forward packets to 01:80:c2:00:00:0x with NORMAL (other_config:forward-bpdu).
  bool forward_bpdu = false;
  /// A packet whose TTL runs out at dec_ttl goes to a controller (OFPC_INVALID_TTL_TO_CONTROLLER of
  /// OpenFlow 1.1 and 1.2); else it is dropped.
  bool invalid_ttl_to_controller = false;
  FragmentMode fragments = FragmentMode::Normal;
  /// A dropping translation says Drop with its reason (packet::DropReason) instead of being empty.
  bool explicit_drop = false;
  bool operator==(const BridgeConfig&) const = default;
};

struct PortTable {
  struct Port {
    std::uint32_t of_port;
    PortInfo info;
  };
  BridgeConfig config;
  std::vector<Port> ports;  ///< ascending; LOCAL, the highest number, first: floods go out in this order
  std::unordered_map<std::uint32_t, std::uint32_t> by_of_port, by_dp_port;  ///< to the index in `ports`

  const PortInfo* find(std::uint32_t of_port) const {
    const auto it = by_of_port.find(of_port);
    return it == by_of_port.end() ? nullptr : &ports[it->second].info;
  }
  /// To be called after `ports` changed.
  void index() {
    const auto rank = [](const Port& port) {
      return port.of_port == action::of_port::kLocal ? 0 : port.of_port;
    };
    std::sort(ports.begin(), ports.end(), [&](const Port& a, const Port& b) { return rank(a) < rank(b); });
    by_of_port.clear();
    by_dp_port.clear();
    for (std::uint32_t i = 0; i < ports.size(); ++i) {
      by_of_port[ports[i].of_port] = i;
      by_dp_port[ports[i].info.dp_port] = i;
    }
  }
};

}  // namespace sluice::pipeline
