// OpenFlow connections of bridges. bridge/reconnect is ovs-vswitchd's; sluice/controllers tells as JSON what
// the Controller table of ovs-vswitchd.conf.db(5) has columns for, and what goes beyond it under names of its
// own.
#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "daemon/commands.h"
#include "ofproto/connections.h"

namespace sluice::daemon {

namespace {

using nlohmann::json;
using unixctl::Args;

/// The bridge that is named, all without a name; nothing if there is none of this name.
std::optional<std::vector<ofproto::Ofproto*>> bridges_of(bridge::Switch& device, Args args) {
  if (args.empty()) return device.bridges();
  auto* bridge = device.find_bridge(args[0]);
  if (!bridge) return std::nullopt;
  return std::vector{bridge};
}

void add_pacing(json& status, const char* type,
                const std::optional<ofproto::ControllerStatus::Pacing>& pacing) {
  if (!pacing) return;
  const auto name = [&](const char* what) { return fmt::format("packet-in-{}-{}", type, what); };
  status[name("bypassed")] = pacing->counters.bypassed;
  status[name("queued")] = pacing->counters.queued;
  status[name("dropped")] = pacing->counters.dropped;
  status[name("backlog")] = pacing->backlog;
}

json to_json(const ofproto::ControllerStatus& controller) {
  json status = {{"state", controller.state}};
  if (!controller.last_error.empty()) status["last_error"] = controller.last_error;
  if (controller.seconds_since_connect) status["sec_since_connect"] = *controller.seconds_since_connect;
  if (controller.seconds_since_disconnect)
    status["sec_since_disconnect"] = *controller.seconds_since_disconnect;
  add_pacing(status, "miss", controller.miss);
  add_pacing(status, "action", controller.action);
  json result = {{"target", controller.target},
                 {"is_connected", controller.is_connected},
                 {"status", std::move(status)},
                 {"attempts", controller.attempts},
                 {"successes", controller.successes},
                 {"async_sent", controller.async_sent},
                 {"async_dropped", controller.async_dropped}};
  if (controller.listening_port != 0) result["port"] = controller.listening_port;
  if (!controller.role.empty()) result["role"] = controller.role;
  if (!controller.version.empty()) result["version"] = controller.version;
  return result;
}

}  // namespace

void add_openflow_commands(unixctl::CommandRegistry& commands, bridge::Switch& device) {
  commands.add("bridge/reconnect", "[bridge]", 0, 1, [&device](Args args) -> Result<std::string> {
    const auto bridges = bridges_of(device, args);
    if (!bridges) return fail("Unknown bridge");
    for (const auto* bridge : *bridges)
      if (auto* connections = device.connections(*bridge)) connections->reconnect();
    return "";
  });
  commands.add("sluice/controllers", "[bridge]", 0, 1, [&device](Args args) -> Result<std::string> {
    const auto bridges = bridges_of(device, args);
    if (!bridges) return fail("Unknown bridge");
    json all = json::array();
    for (const auto* bridge : *bridges) {
      json one = {{"bridge", bridge->name()}, {"controllers", json::array()}};
      if (const auto* connections = device.connections(*bridge)) {
        for (const auto& controller : connections->status())
          one["controllers"].push_back(to_json(controller));
        one["standing_alone"] = connections->standing_alone();
      }
      all.push_back(std::move(one));
    }
    return all.dump() + "\n";
  });
}

}  // namespace sluice::daemon
