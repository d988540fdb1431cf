// The spanning tree. Formats and errors: what ovs-vswitchd prints.
#include <fmt/core.h>

#include "bridge/spanning_tree.h"
#include "daemon/commands.h"

namespace sluice::daemon {

namespace {

using unixctl::Args;

Result<std::string> show(bridge::Switch& device, Args args) {
  std::string text;
  for (const auto* bridge : device.bridges()) {
    const auto* stp = device.tree(*bridge).stp();
    if (!stp || (!args.empty() && args[0] != bridge->name())) continue;
    text += fmt::format("---- {} ----\n{}", bridge->name(), stp->show());
  }
  if (!args.empty() && text.empty()) return fail("no such stp object");
  return text;
}

Result<std::string> change_topology(bridge::Switch& device, Args args) {
  bool any = false;
  for (const auto* bridge : device.bridges()) {
    auto& tree = device.tree(*bridge);
    if (!tree.stp() || (!args.empty() && args[0] != bridge->name())) continue;
    any = true;
    tree.notice_topology_change(device.now());
  }
  if (!args.empty() && !any) return fail("no such stp object");
  return "OK";
}

}  // namespace

void add_stp_commands(unixctl::CommandRegistry& commands, bridge::Switch& device) {
  commands.add("stp/show", "[bridge]", 0, 1, [&device](Args args) { return show(device, args); });
  commands.add("stp/tcn", "[bridge]", 0, 1, [&device](Args args) { return change_topology(device, args); });
}

}  // namespace sluice::daemon
