// Link-layer addresses of the hosts to which packets of tunnels would go (tnl/neigh/…): set by hand; each is
// forgotten when its time is over. Main thread.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "base/clock.h"
#include "net/address.h"

namespace sluice::tunnel {

struct Neighbour {
  std::string bridge;
  be128 address;  ///< IPv4 as mapped
  net::Mac mac;
  Instant expires;
};

class NeighbourTable {
 public:
  static constexpr Duration kDefaultAgeing = Duration::seconds(900), kMaxAgeing = Duration::seconds(3600);

  /// Replaces what was known of the address at the bridge.
  void set(std::string bridge, const be128& address, const net::Mac& mac, Instant now) {
    std::erase_if(all_, [&](const Neighbour& n) { return n.bridge == bridge && n.address == address; });
    all_.push_back({std::move(bridge), address, mac, now + ageing_});
  }
  void flush() { all_.clear(); }
  /// In the order in which they were set.
  const std::vector<Neighbour>& at(Instant now) {
    std::erase_if(all_, [&](const Neighbour& n) { return n.expires <= now; });
    return all_;
  }
  Duration ageing() const { return ageing_; }
  /// Of those that are set from now on.
  void set_ageing(Duration ageing) { ageing_ = ageing; }

 private:
  std::vector<Neighbour> all_;
  Duration ageing_ = kDefaultAgeing;
};

}  // namespace sluice::tunnel
