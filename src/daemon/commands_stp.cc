// Spanning trees, STP and RSTP. Formats and errors: what ovs-vswitchd prints.
#include <fmt/core.h>

#include "bridge/spanning_tree.h"
#include "daemon/commands.h"

namespace sluice::daemon {

namespace {

using bridge::SpanningTree;
using unixctl::Args;

/// One of the protocols.
struct Family {
  std::string_view name, nobody;
  /// Null: the tree does not speak it.
  std::optional<std::string> (*describe)(const SpanningTree& tree);
};
constexpr Family kStp{"stp", "no such stp object", [](const SpanningTree& tree) {
                        return tree.stp() ? std::optional(tree.stp()->show()) : std::nullopt;
                      }};
constexpr Family kRstp{"rstp", "No such RSTP object", [](const SpanningTree& tree) {
                         return tree.rstp() ? std::optional(tree.rstp()->show()) : std::nullopt;
                       }};

Result<std::string> show(bridge::Switch& device, const Family& family, Args args) {
  std::string text;
  for (const auto* bridge : device.bridges()) {
    if (!args.empty() && args[0] != bridge->name()) continue;
    if (const auto shown = family.describe(device.tree(*bridge)))
      text += fmt::format("---- {} ----\n{}", bridge->name(), *shown);
  }
  if (!args.empty() && text.empty()) return fail(std::string(family.nobody));
  return text;
}

Result<std::string> change_topology(bridge::Switch& device, const Family& family, Args args) {
  bool any = false;
  for (const auto* bridge : device.bridges()) {
    auto& tree = device.tree(*bridge);
    if ((!args.empty() && args[0] != bridge->name()) || !family.describe(tree)) continue;
    any = true;
    tree.notice_topology_change(device.now());
  }
  if (!args.empty() && !any) return fail(std::string(family.nobody));
  return "OK";
}

}  // namespace

void add_stp_commands(unixctl::CommandRegistry& commands, bridge::Switch& device) {
  for (const Family* family : {&kStp, &kRstp}) {
    const std::string name(family->name);
    commands.add(name + "/show", "[bridge]", 0, 1,
                 [&device, family](Args args) { return show(device, *family, args); });
    commands.add(name + "/tcn", "[bridge]", 0, 1,
                 [&device, family](Args args) { return change_topology(device, *family, args); });
  }
}

}  // namespace sluice::daemon
