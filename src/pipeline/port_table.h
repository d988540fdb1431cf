// The ports of a bridge and its settings as one immutable snapshot, published to workers under RCU.
//
// OpenFlow knows ports, NORMAL knows bundles: a bundle is one port, or the members of a bond. Mirrors belong
// to bundles, too.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "l2/bond_view.h"
#include "l2/vlan.h"
#include "pipeline/rule.h"
#include "pipeline/table.h"

namespace sluice::pipeline {

class Pipeline;

/// Instead of a datapath port: a patch port has none.
inline constexpr std::uint32_t kNoDpPort = 0xffffffff;

/// One end of a pair of patch ports. What goes out at one end comes in at the other, in the same translation.
struct PatchEnd {
  Pipeline* peer = nullptr;  ///< null: there is no other end
  std::uint32_t peer_port = 0;
  net::Mac mac;
  Ref<RuleStats> received, sent;

  bool operator==(const PatchEnd&) const = default;
};

/// What the pipeline must know of an OpenFlow port. Keyed by OpenFlow port number (action::of_port::kLocal
/// included).
struct PortInfo {
  std::uint32_t dp_port = 0;
  std::string name;
  bool forward = true;        ///< false: OFPPC_NO_FWD, or the link is down
  bool live = true;           ///< false: groups and bundles choose another way
  bool receive = true;        ///< false: OFPPC_NO_RECV; frames of spanning trees have the next
  bool receive_stp = true;    ///< false: OFPPC_NO_RECV_STP (OpenFlow 1.0)
  bool stp = true;            ///< false: OFPPC_NO_STP (OpenFlow 1.0), which is kept and told
  bool flood = true;          ///< false: OFPPC_NO_FLOOD
  bool packet_in = true;      ///< false: OFPPC_NO_PACKET_IN
  bool down = false;          ///< OFPPC_PORT_DOWN: neither live nor receiving nor forwarding
  l2::VlanConfig vlan;        ///< for NORMAL
  std::string bundle{};       ///< the bond that it is a member of; empty: it is a bundle by itself
  bool is_protected = false;  ///< NORMAL does not forward between protected ports
  std::optional<PatchEnd> patch{};
  bool speaks_lacp = false;  ///< frames of LACP are for the switch
  // With multicast snooping: gets all multicast; all reports.
  bool wants_multicast = false, wants_reports = false;
  /// Codepoints of differentiated services that IP packets get which leave by a queue.
  std::map<std::uint32_t, std::uint8_t> queue_dscp{};
  // What a spanning tree says.
  bool tree_learns = true, tree_forwards = true;

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

/// A mirror (ovs-vswitchd.conf.db(5)): copies of packets that come in or leave by some bundles.
struct Mirror {
  std::string name;
  bool all_ports = false;
  std::vector<std::string> sources, destinations;  ///< bundles
  l2::VlanSet vlans;                               ///< none: all
  std::string output;                              ///< bundle; empty: `output_vlan`
  std::optional<std::uint16_t> output_vlan;
  std::uint16_t snaplen = 0;  ///< bytes of a copy; 0: whole
  Ref<RuleStats> copied;

  bool operator==(const Mirror&) const = default;
};
/// A set of mirrors has a bit for each.
using MirrorSet = std::uint32_t;
inline constexpr std::size_t kMaxMirrors = 32;

struct BridgeConfig {
  std::string name = "br0";
  TableMiss default_miss =
      TableMiss::Drop;  ///< Controller: as OpenFlow 1.0 to 1.2 have it; Drop: 1.3 and later
  /// Forward packets to 01:80:c2:00:00:0x with NORMAL (other_config:forward-bpdu).
  bool forward_bpdu = false;
  /// A packet whose TTL runs out at dec_ttl goes to a controller (OFPC_INVALID_TTL_TO_CONTROLLER of
  /// OpenFlow 1.1 and 1.2); else it is dropped.
  bool invalid_ttl_to_controller = false;
  /// No controller answers (fail_mode standalone): table 0 is NORMAL, whatever flows it has.
  bool stands_alone = false;
  FragmentMode fragments = FragmentMode::Normal;
  bool spanning_tree = false;  ///< frames of STP and RSTP are for the switch
  l2::VlanSet flood_vlans;     ///< NORMAL learns no addresses in these
  /// NORMAL sends multicast to who wants it, not to everybody.
  struct Multicast {
    bool floods_unregistered = true;  ///< what nobody has asked for goes to all; else to routers
    bool operator==(const Multicast&) const = default;
  };
  std::optional<Multicast> multicast{};
  /// A dropping translation says Drop with its reason (packet::DropReason) instead of being empty.
  bool explicit_drop = false;
  bool operator==(const BridgeConfig&) const = default;
};

struct PortTable {
  struct Port {
    std::uint32_t of_port;
    PortInfo info;
  };
  struct Bond : l2::BondView {
    std::vector<Ref<RuleStats>> traffic;  ///< of each share, if the bond balances

    bool operator==(const Bond&) const = default;
  };
  struct Bundle {
    std::string name;
    std::vector<std::uint32_t> members;  ///< OpenFlow ports, ascending; the first stands for it in MAC tables
    bool floods = true;                  ///< all members take part in floods
    const Bond* bond = nullptr;          ///< into `bonds`
    const PortInfo* info = nullptr;      ///< of the first member: VLANs are the same for all
    MirrorSet sources = 0, destinations = 0;  ///< mirrors that choose what comes in or leaves here
    bool is_mirror_output = false;            ///< reserved for copies

    const l2::VlanConfig& vlan() const { return info->vlan; }
    std::uint32_t id() const { return members.front(); }
  };
  PortTable() = default;
  PortTable(const PortTable& other)
      : config(other.config),
        ports(other.ports),
        bonds(other.bonds),
        mirrors(other.mirrors),
        by_of_port(other.by_of_port) {}
  PortTable& operator=(const PortTable&) = delete;

  BridgeConfig config;
  std::vector<Port> ports;  ///< ascending; LOCAL, the highest number, first: floods go out in this order
  std::map<std::string, Bond> bonds;
  std::vector<Mirror> mirrors;                                  ///< at most kMaxMirrors
  std::unordered_map<std::uint32_t, std::uint32_t> by_of_port;  ///< to the index in `ports`
  // Made by index() of what is above.
  std::unordered_map<std::uint32_t, std::uint32_t> by_dp_port;  ///< to the index in `ports`
  std::vector<Bundle> bundles;                                  ///< in the order of `ports`
  std::vector<std::uint32_t> bundle_of_port;                    ///< for each of `ports`

  const PortInfo* find(std::uint32_t of_port) const {
    const auto it = by_of_port.find(of_port);
    return it == by_of_port.end() ? nullptr : &ports[it->second].info;
  }
  // Changes, after which index() is due. Until then `ports` is in any order.
  void put(std::uint32_t of_port, PortInfo info) {
    const auto [it, is_new] = by_of_port.try_emplace(of_port, static_cast<std::uint32_t>(ports.size()));
    if (is_new)
      ports.push_back({of_port, std::move(info)});
    else
      ports[it->second].info = std::move(info);
  }
  void erase(std::uint32_t of_port) {
    const auto it = by_of_port.find(of_port);
    if (it == by_of_port.end()) return;
    const std::uint32_t place = it->second;
    by_of_port.erase(it);
    if (place + 1 != ports.size()) {
      ports[place] = std::move(ports.back());
      by_of_port[ports[place].of_port] = place;
    }
    ports.pop_back();
  }
  const Bundle* bundle_of(std::uint32_t of_port) const {
    const auto it = by_of_port.find(of_port);
    return it == by_of_port.end() ? nullptr : &bundles[bundle_of_port[it->second]];
  }
  const Bundle* find_bundle(const std::string& name) const {
    const auto it =
        std::find_if(bundles.begin(), bundles.end(), [&](const Bundle& b) { return b.name == name; });
    return it == bundles.end() ? nullptr : &*it;
  }
  /// To be called after anything changed.
  void index() {
    const auto rank = [](const Port& port) {
      return port.of_port == action::of_port::kLocal ? 0 : port.of_port;
    };
    const auto before = [&](const Port& a, const Port& b) { return rank(a) < rank(b); };
    if (!std::is_sorted(ports.begin(), ports.end(), before)) std::sort(ports.begin(), ports.end(), before);
    by_of_port.clear();
    by_dp_port.clear();
    for (std::uint32_t i = 0; i < ports.size(); ++i) {
      by_of_port[ports[i].of_port] = i;
      if (ports[i].info.dp_port != kNoDpPort) by_dp_port[ports[i].info.dp_port] = i;
    }
    index_bundles();
    index_mirrors();
  }

 private:
  void index_bundles() {
    bundles.clear();
    bundle_of_port.clear();
    for (const Port& port : ports) {
      const std::string& name = port.info.bundle.empty() ? port.info.name : port.info.bundle;
      const auto same =
          port.info.bundle.empty()
              ? bundles.end()
              : std::find_if(bundles.begin(), bundles.end(), [&](const Bundle& b) { return b.name == name; });
      bundle_of_port.push_back(static_cast<std::uint32_t>(same - bundles.begin()));
      if (same != bundles.end()) {
        same->members.push_back(port.of_port);
        same->floods = same->floods && port.info.flood;
        continue;
      }
      Bundle& bundle = bundles.emplace_back();
      bundle.name = name;
      bundle.members = {port.of_port};
      bundle.floods = port.info.flood;
      bundle.info = &port.info;
      if (const auto bond = bonds.find(name); bond != bonds.end()) bundle.bond = &bond->second;
    }
  }
  void index_mirrors() {
    for (std::size_t i = 0; i < mirrors.size(); ++i) {
      const Mirror& mirror = mirrors[i];
      const MirrorSet bit = MirrorSet{1} << i;
      const auto has = [](const std::vector<std::string>& names, const std::string& name) {
        return std::find(names.begin(), names.end(), name) != names.end();
      };
      for (Bundle& bundle : bundles) {
        if (bundle.name == mirror.output) {
          bundle.is_mirror_output = true;
          continue;
        }
        if (mirror.all_ports || has(mirror.sources, bundle.name)) bundle.sources |= bit;
        if (mirror.all_ports || has(mirror.destinations, bundle.name)) bundle.destinations |= bit;
      }
    }
  }
};

}  // namespace sluice::pipeline
