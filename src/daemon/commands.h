// The commands of the control socket: ovs-vswitchd's, with its formats and errors, and our own under sluice/,
// which answer JSON. Each family has a file; this is the list of families.
//
// Everything is registered for the main thread. The switch and the registry outlive each other's use: the
// daemon owns both.
#pragma once

#include <functional>
#include <span>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "bridge/switch.h"
#include "unixctl/command.h"

namespace sluice::daemon {

class Coverage;
class PmdStats;
class SlicedWork;
struct TunnelState;
}  // namespace sluice::daemon

namespace sluice::io {
class EventLoop;
class WarpClock;
}  // namespace sluice::io

namespace sluice::daemon {

/// ofproto/list, ofproto/trace, bridge/dump-flows, fdb/…
void add_ofproto_commands(unixctl::CommandRegistry& commands, bridge::Switch& device, SlicedWork& work);
/// mdb/…
void add_multicast_commands(unixctl::CommandRegistry& commands, bridge::Switch& device);
/// qos/…
void add_qos_commands(unixctl::CommandRegistry& commands, bridge::Switch& device);
/// stp/…, rstp/…
void add_stp_commands(unixctl::CommandRegistry& commands, bridge::Switch& device);
/// bond/…, lacp/…
void add_bond_commands(unixctl::CommandRegistry& commands, bridge::Switch& device);
/// bridge/reconnect, sluice/controllers
void add_openflow_commands(unixctl::CommandRegistry& commands, bridge::Switch& device);
/// sluice/group-…, sluice/meter-…
void add_group_commands(unixctl::CommandRegistry& commands, bridge::Switch& device);
/// dpif/…, dpctl/show, dpctl/dump-dps, dpctl/dump-flows, dpctl/del-flows, revalidator/…, upcall/show
void add_datapath_commands(unixctl::CommandRegistry& commands, bridge::Switch& device);
/// dpif-netdev/pmd-…
void add_pmd_commands(unixctl::CommandRegistry& commands, bridge::Switch& device, PmdStats& stats);
/// dpctl/dump-conntrack, dpctl/flush-conntrack, dpctl/ct-…
void add_conntrack_commands(unixctl::CommandRegistry& commands, bridge::Switch& device, SlicedWork& work);
/// bfd/…, cfm/…, autoattach/…
void add_monitor_commands(unixctl::CommandRegistry& commands);
/// ovs/route/…, tnl/…, ofproto/list-tunnels
void add_tunnel_commands(unixctl::CommandRegistry& commands, bridge::Switch& device, TunnelState& state);
/// dpctl/ipf-…
void add_fragment_commands(unixctl::CommandRegistry& commands, bridge::Switch& device);
/// sluice/ct-…: reasons, events, zones, flush by more than dpctl/ knows. JSON.
/// @param events_path  where EventStream listens
void add_conntrack_json_commands(unixctl::CommandRegistry& commands, bridge::Switch& device,
                                 const std::string& events_path);
/// netdev-dummy/…: for tests.
void add_dummy_commands(unixctl::CommandRegistry& commands, bridge::Switch& device);
/// time/…: for tests. `clock` is the one that the switch goes by.
void add_time_commands(unixctl::CommandRegistry& commands, io::WarpClock& clock, io::EventLoop& loop,
                       bridge::Switch& device, SlicedWork& work);
/// coverage/…, memory/show
void add_stats_commands(unixctl::CommandRegistry& commands, bridge::Switch& device, Coverage& coverage);
/// sluice/…: JSON. @param started  when the daemon came up, for the uptime.
void add_sluice_commands(unixctl::CommandRegistry& commands, bridge::Switch& device, SlicedWork& work,
                         Instant started);

}  // namespace sluice::daemon
