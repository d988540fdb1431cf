// The bonds of one bridge: joins the state machines (l2/bond.h, l2/lacp.h) to the bridge's pipeline, which
// forwards by them, and to the datapath, which knows links and sends LACP's frames.
//
// Owned by Switch; main only.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "bridge/config.h"
#include "datapath/datapath.h"
#include "l2/bond.h"
#include "l2/lacp.h"
#include "ofproto/ofproto.h"

namespace sluice::bridge {

/// An open port that is a member of a bond.
struct BondPort {
  std::string name, bond;
  std::uint32_t number = 0, dp_port = 0;
  std::optional<std::uint16_t> lacp_number, lacp_priority;
};

class Bonds {
 public:
  Bonds(ofproto::Ofproto& bridge, datapath::Datapath& datapath) : bridge_(bridge), datapath_(datapath) {}

  /// @param system  address of the bridge: its name to partners unless the configuration has another
  void configure(const std::vector<BondConfig>& bonds, const std::vector<BondPort>& ports,
                 const net::Mac& system, Instant now);
  /// A frame of LACP that came in by the port. Its consequences wait for run() or run_heard().
  void receive(std::uint32_t number, Bytes frame, Instant now);
  /// Looks at links, lets the protocol speak, tells the pipeline what has changed.
  void run(Instant now);
  /// The same for the bonds that have received something.
  void run_heard(Instant now);
  /// Teaches neighbours of some addresses. @return whether there are more
  bool teach();

  struct Entry {
    std::string name;
    l2::Bond bond;
    std::optional<l2::Lacp> lacp;
    std::map<std::uint32_t, std::uint32_t> dp_ports;           ///< of the members
    std::optional<std::uint32_t> active;                       ///< since the last look
    bool was_active = false;                                   ///< a member, at any time
    bool heard = false;                                        ///< something since the last look
    std::vector<std::pair<net::Mac, std::uint16_t>> to_teach;  ///< addresses and their VLANs
    pipeline::FrozenRef by_hash;  ///< behind packets whose member is chosen by a hash; empty: none is

    bool bonded() const { return dp_ports.size() > 1; }
  };
  Entry* find(std::string_view name) const;
  const std::vector<std::unique_ptr<Entry>>& all() const { return bonds_; }
  /// Whether LACP hears the partner by this port; nothing: it does not speak there.
  std::optional<bool> lacp_current(std::uint32_t number) const;

 private:
  void run(Entry& entry, Instant now);
  void begin_to_teach(Entry& entry) const;
  void teach(const Entry& entry, const net::Mac& mac, std::uint16_t vlan);

  ofproto::Ofproto& bridge_;
  datapath::Datapath& datapath_;
  std::vector<std::unique_ptr<Entry>> bonds_;  ///< by name
};

}  // namespace sluice::bridge
