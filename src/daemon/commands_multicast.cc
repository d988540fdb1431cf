// Multicast groups. Formats and errors: what ovs-vswitchd prints.
#include "daemon/commands.h"

namespace sluice::daemon {

namespace {

using unixctl::Args;

/// The bridge, if it snoops.
Result<ofproto::Ofproto*> find_snooping(bridge::Switch& device, const std::string& name) {
  auto* bridge = device.find_bridge(name);
  if (!bridge) return fail("no such bridge");
  if (!bridge->pipeline().config().multicast) return fail("multicast snooping is disabled");
  return bridge;
}

Result<std::string> show(bridge::Switch& device, Args args) {
  SLUICE_ASSIGN(const auto* bridge, find_snooping(device, args[0]));
  device.deliver_memberships();  // what has come in so far
  return bridge->dump_multicast(device.now());
}

Result<std::string> flush(bridge::Switch& device, Args args) {
  std::vector<ofproto::Ofproto*> bridges = device.bridges();
  if (!args.empty()) {
    SLUICE_ASSIGN(auto* bridge, find_snooping(device, args[0]));
    bridges = {bridge};
  }
  device.deliver_memberships();
  for (auto* bridge : bridges) bridge->pipeline().multicast_table().flush();
  return "table successfully flushed";
}

}  // namespace

void add_multicast_commands(unixctl::CommandRegistry& commands, bridge::Switch& device) {
  commands.add("mdb/show", "bridge", 1, 1, [&device](Args args) { return show(device, args); });
  commands.add("mdb/flush", "[bridge]", 0, 1, [&device](Args args) { return flush(device, args); });
}

}  // namespace sluice::daemon
