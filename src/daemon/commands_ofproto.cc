// Bridges as OpenFlow sees them: flows, trace, MAC tables. Formats: ovs-appctl(8), and what ovs-vswitchd
// prints.
#include <fmt/core.h>

#include "daemon/commands.h"

namespace sluice::daemon {

namespace {

using unixctl::Args;

Result<std::string> flush_macs(bridge::Switch& device, Args args) {
  std::vector<ofproto::Ofproto*> bridges = device.bridges();
  if (!args.empty()) {
    auto* bridge = device.find_bridge(args[0]);
    if (!bridge) return fail("no such bridge");
    bridges = {bridge};
  }
  for (auto* bridge : bridges) bridge->pipeline().mac_table().flush();
  return "table successfully flushed";
}

Result<std::string> mac_stats(bridge::Switch& device, Args args) {
  auto* bridge = device.find_bridge(args[0]);
  if (!bridge) return fail("no such bridge");
  const auto& table = bridge->pipeline().mac_table();
  unsigned fixed = 0;
  for (const auto& entry : table.entries()) fixed += entry.is_static;
  return fmt::format(
      "Statistics for bridge \"{}\":\n"
      "  Current/maximum MAC entries in the table: {}/{}\n"
      "  Current static MAC entries in the table : {}\n",
      bridge->name(), table.size(), table.config().max_entries, fixed);
}

}  // namespace

void add_ofproto_commands(unixctl::CommandRegistry& commands, bridge::Switch& device) {
  commands.add("ofproto/list", "", 0, 0, [&device](Args) -> Result<std::string> {
    std::string text;
    for (const auto* bridge : device.bridges()) text += bridge->name() + "\n";
    return text;
  });
  commands.add("ofproto/trace", "{[dp_name] odp_flow | bridge br_flow} [OPTIONS...] [-generate|packet]", 1,
               unixctl::CommandRegistry::kAnyArgs, [&device](Args args) { return device.trace(args); });
  commands.add("bridge/dump-flows", "[--offload-stats] bridge", 1, 2,
               [&device](Args args) -> Result<std::string> {
                 auto* bridge = device.find_bridge(args.back());
                 if (!bridge) return fail("Unknown bridge");
                 return device.dump_flows(*bridge);
               });
  commands.add("fdb/show", "bridge", 1, 1, [&device](Args args) -> Result<std::string> {
    auto* bridge = device.find_bridge(args[0]);
    if (!bridge) return fail("no such bridge");
    device.push_stats();  // MAC entries live from the packets that use them
    return bridge->dump_macs(device.now());
  });
  commands.add("fdb/flush", "[bridge]", 0, 1, [&device](Args args) { return flush_macs(device, args); });
  commands.add("fdb/stats-show", "bridge", 1, 1, [&device](Args args) { return mac_stats(device, args); });
}

}  // namespace sluice::daemon
