// Quality of service of interfaces. Formats and errors: what ovs-vswitchd prints.
#include <fmt/core.h>

#include "daemon/commands.h"
#include "port/interface.h"
#include "port/qos.h"

namespace sluice::daemon {

namespace {

using unixctl::Args;

Result<bridge::PortStatus> find_interface(bridge::Switch& device, const std::string& name) {
  for (const auto* bridge : device.bridges())
    if (auto status = device.port(bridge->name(), name)) return *std::move(status);
  return fail("no such interface");
}

Result<std::string> show_types(bridge::Switch& device, Args args) {
  SLUICE_ASSIGN(const auto port, find_interface(device, args[0]));
  if (port.type != "system") return fmt::format("No QoS types supported for interface: {}\n", args[0]);
  std::string text;
  for (const auto type : port::qos_types()) text += fmt::format("QoS type: {}\n", type);
  return text;
}

Result<std::string> show(bridge::Switch& device, Args args) {
  SLUICE_ASSIGN(const auto port, find_interface(device, args[0]));
  if (!port.qos || port.qos->type == "linux-noop") return fmt::format("QoS not configured on {}\n", args[0]);
  std::string text = fmt::format("QoS: {} {}\n", args[0], port.qos->type);
  if (!port::has_queues(port.qos->type)) {
    for (const auto& [key, value] : port.qos->options) text += fmt::format("{}: {}\n", key, value);
    return text;
  }
  const auto facts = port::interface_facts(args[0]);
  const std::uint64_t link = facts ? facts->bits_per_second.value_or(0) : 0;
  text += fmt::format("max-rate: {}\n", port::qos_max_rate(*port.qos, link));
  SLUICE_ASSIGN(const auto states, port::read_queues(args[0]));
  for (const auto& [number, queue] : port::effective_queues(*port.qos, link)) {
    text += number == 0 ? "\nDefault:\n" : fmt::format("\nQueue {}:\n", number);
    if (queue.burst) text += fmt::format("  burst: {}\n", *queue.burst);
    if (queue.priority != 0) text += fmt::format("  priority: {}\n", queue.priority);
    text += fmt::format("  min-rate: {}\n  max-rate: {}\n", *queue.min_rate, *queue.max_rate);
    for (const auto& state : states)
      if (state.number == number)
        text += fmt::format("  tx_packets: {}\n  tx_bytes: {}\n  tx_errors: {}\n", state.tx_packets,
                            state.tx_bytes, state.tx_errors);
  }
  return text;
}

}  // namespace

void add_qos_commands(unixctl::CommandRegistry& commands, bridge::Switch& device) {
  commands.add("qos/show", "interface", 1, 1, [&device](Args args) { return show(device, args); });
  commands.add("qos/show-types", "interface", 1, 1,
               [&device](Args args) { return show_types(device, args); });
}

}  // namespace sluice::daemon
