// The spanning tree of one bridge: joins the protocol (l2/stp.h or l2/rstp.h) to the bridge's pipeline, whose
// ports forward by it, and to the datapath, which knows links.
//
// Owned by Switch; main only.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "bridge/config.h"
#include "datapath/datapath.h"
#include "l2/rstp.h"
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
  /// At most one; none: there is no tree, all ports forward.
  struct Settings {
    std::optional<l2::StpSettings> stp;
    std::optional<l2::RstpSettings> rstp;
  };
  /// Sends a frame by the OpenFlow port.
  using Send = std::function<void(std::uint32_t number, Bytes frame)>;

  SpanningTree(ofproto::Ofproto& bridge, datapath::Datapath& datapath, Send send)
      : bridge_(bridge), datapath_(datapath), send_(std::move(send)) {}

  /// @param system  address of the bridge, unless the settings have another
  void configure(Settings settings, const std::vector<Port>& ports, const net::Mac& system, Instant now);
  bool speaks() const { return stp_ || rstp_; }
  bool takes_part(std::uint32_t number) const { return dp_ports_.contains(number); }
  /// A BPDU that came in by the port. Its consequences wait for run().
  void receive(std::uint32_t number, Bytes frame, Instant now);
  void run(Instant now);

  /// Null: it is not spoken.
  const l2::Stp* stp() const { return stp_ ? &*stp_ : nullptr; }
  const l2::Rstp* rstp() const { return rstp_ ? &*rstp_ : nullptr; }
  void notice_topology_change(Instant now);
  std::optional<l2::Stp::Status> stp_status(std::uint32_t number, Instant now) const;
  std::optional<l2::Rstp::Status> rstp_status(std::uint32_t number, Instant now) const;

 private:
  bool is_up(std::uint32_t number, std::uint32_t dp_port) const;
  void apply();

  ofproto::Ofproto& bridge_;
  datapath::Datapath& datapath_;
  Send send_;
  std::optional<l2::Stp> stp_;
  std::optional<l2::Rstp> rstp_;
  std::map<std::uint32_t, std::uint32_t> dp_ports_;  ///< of the ports that take part
};

}  // namespace sluice::bridge
