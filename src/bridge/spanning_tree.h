// The spanning tree of one bridge: joins the protocol (l2/stp.h) to the bridge's pipeline, whose ports
// forward by it, and to the datapath, which knows links and sends its frames.
//
// Owned by Switch; main only.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "bridge/config.h"
#include "datapath/datapath.h"
#include "l2/stp.h"
#include "ofproto/ofproto.h"

namespace sluice::bridge {

class SpanningTree {
 public:
  /// An open port that may take part.
  struct Port {
    std::string name;
    std::uint32_t number = 0, dp_port = 0;
    TreePortConfig config;
  };

  SpanningTree(ofproto::Ofproto& bridge, datapath::Datapath& datapath)
      : bridge_(bridge), datapath_(datapath) {}

  /// @param settings  nothing: there is no tree, all ports forward
  /// @param system  address of the bridge, unless the settings have another
  void configure(std::optional<l2::StpSettings> settings, const std::vector<Port>& ports,
                 const net::Mac& system, Instant now);
  /// A BPDU that came in by the port.
  void receive(std::uint32_t number, Bytes frame, Instant now);
  void run(Instant now);

  /// Null: there is none.
  const l2::Stp* stp() const { return stp_ ? &*stp_ : nullptr; }
  void notice_topology_change(Instant now) {
    if (stp_) stp_->notice_topology_change(now);
  }
  std::optional<l2::Stp::Status> status(std::uint32_t number, Instant now) const;

 private:
  void apply(Instant now);

  ofproto::Ofproto& bridge_;
  datapath::Datapath& datapath_;
  std::optional<l2::Stp> stp_;
  std::map<std::uint32_t, std::uint32_t> dp_ports_;  ///< of the ports that take part
};

}  // namespace sluice::bridge
