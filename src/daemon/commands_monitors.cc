// Protocols that watch a path or announce the switch, of which none can be configured yet: bfd/…, cfm/…,
// autoattach/…. The answers are those of ovs-vswitchd when no interface uses them.
#include "daemon/commands.h"

namespace sluice::daemon {

namespace {

using unixctl::Args;

/// bfd/set-forwarding and cfm/set-fault: of one interface, or of all that there are.
Result<std::string> set_fault(Args args, const char* what) {
  const std::string& state = args.back();
  if (state != "true" && state != "false" && state != "normal") return fail("unknown fault string");
  if (args.size() > 1) return fail(std::string("no such ") + what + " object");
  return "OK";
}

Result<std::string> show(Args args, const char* what) {
  if (!args.empty()) return fail(std::string("no such ") + what + " object");
  return "";
}

}  // namespace

void add_monitor_commands(unixctl::CommandRegistry& commands) {
  commands.add("bfd/show", "[interface]", 0, 1, [](Args args) { return show(args, "bfd"); });
  commands.add("bfd/set-forwarding", "[interface] normal|false|true", 1, 2,
               [](Args args) { return set_fault(args, "BFD"); });
  commands.add("cfm/show", "[interface]", 0, 1, [](Args args) { return show(args, "CFM"); });
  commands.add("cfm/set-fault", "[interface] normal|false|true", 1, 2,
               [](Args args) { return set_fault(args, "CFM"); });
  for (const char* name : {"autoattach/show-isid", "autoattach/statistics", "autoattach/status"})
    commands.add(name, "[bridge]", 0, 1, [](Args) -> Result<std::string> { return ""; });
}

}  // namespace sluice::daemon
