// Bridges as OpenFlow sees them: flows, trace, MAC tables. Formats: ovs-appctl(8), and what ovs-vswitchd
// prints.
#include <fmt/core.h>

#include <algorithm>
#include <charconv>

#include "daemon/commands.h"
#include "daemon/sliced_work.h"

namespace sluice::daemon {

namespace {

using unixctl::Args;

/// bridge/dump-flows, sent as its client reads.
class FlowLines final : public SlicedWork::Job {
 public:
  FlowLines(pipeline::FlowCursor cursor, Instant now, bool offloads, unixctl::Reply reply)
      : cursor_(std::move(cursor)), now_(now), offloads_(offloads), reply_(std::move(reply)) {}

  bool ready() const override { return reply_.waiting().value_or(0) < SlicedWork::kMaxWaiting; }
  bool step() override {
    if (!reply_.waiting()) return false;  // the client has gone
    std::string text;
    pipeline::FlowInfo flow;
    for (unsigned n = 0; n < SlicedWork::kFlows; ++n) {
      if (!cursor_.next(flow)) {
        reply_(std::move(text));
        return false;
      }
      ofproto::append_flow(text, flow, now_, offloads_);
    }
    reply_.append(std::move(text));
    return true;
  }

 private:
  pipeline::FlowCursor cursor_;
  Instant now_;
  bool offloads_;
  unixctl::Reply reply_;
};

/// The bridge that is named, or all.
Result<std::vector<ofproto::Ofproto*>> bridges_of(bridge::Switch& device, Args args) {
  if (args.empty()) return device.bridges();
  auto* bridge = device.find_bridge(args[0]);
  if (!bridge) return fail("no such bridge");
  return std::vector{bridge};
}

Result<std::string> flush_macs(bridge::Switch& device, Args args) {
  SLUICE_ASSIGN(const auto bridges, bridges_of(device, args));
  for (auto* bridge : bridges) bridge->pipeline().mac_table().flush();
  return "table successfully flushed";
}

Result<std::string> clear_mac_stats(bridge::Switch& device, Args args) {
  SLUICE_ASSIGN(const auto bridges, bridges_of(device, args));
  for (auto* bridge : bridges) bridge->pipeline().mac_table().clear_counts();
  return "statistics successfully cleared";
}

/// The fixed addresses of a bridge's table: fdb/add bridge port vlan mac, fdb/del bridge vlan mac.
Result<std::string> change_fixed_mac(bridge::Switch& device, Args args, bool add) {
  auto* bridge = device.find_bridge(args[0]);
  if (!bridge) return fail("no such bridge");
  std::optional<std::uint32_t> port;
  if (add) {
    port = bridge->port_number(args[1]);
    if (!port) return fail("software error, odp port is present but no ofp port");
  }
  const std::string& vlan_text = args[args.size() - 2];
  std::uint16_t vlan = 0;
  const char* end = vlan_text.data() + vlan_text.size();
  const auto [parsed, error] = std::from_chars(vlan_text.data(), end, vlan);
  if (error != std::errc{} || parsed != end || vlan >= l2::kVlanCount)
    return fail(fmt::format("bad VLAN \"{}\": expected 0 to {}", vlan_text, l2::kVlanCount - 1));
  const auto mac = net::parse_mac(args.back());
  if (!mac) return fail("bad MAC address");
  auto& table = bridge->pipeline().mac_table();
  if (add) {
    const auto replaced = table.add_static(*mac, vlan, *port);
    if (!replaced || (replaced->is_static && replaced->port == *port)) return "";
    return fmt::format("Overriding already existing {} entry on {}\n",
                       replaced->is_static ? "static" : "dynamic", replaced->port);
  }
  const auto entries = table.entries();
  if (std::none_of(entries.begin(), entries.end(), [&](const l2::MacEntry& entry) {
        return entry.is_static && entry.mac == *mac && entry.vlan == vlan;
      }))
    return fail("could not find static mac entry");
  table.remove(*mac, vlan);
  return "";
}

Result<std::string> mac_stats(bridge::Switch& device, Args args) {
  auto* bridge = device.find_bridge(args[0]);
  if (!bridge) return fail("no such bridge");
  const auto& table = bridge->pipeline().mac_table();
  unsigned fixed = 0;
  for (const auto& entry : table.entries()) fixed += entry.is_static;
  const auto counts = table.counts();
  return fmt::format(
      "Statistics for bridge \"{}\":\n"
      "  Current/maximum MAC entries in the table: {}/{}\n"
      "  Current static MAC entries in the table : {}\n"
      "  Total number of learned MAC entries     : {}\n"
      "  Total number of expired MAC entries     : {}\n"
      "  Total number of evicted MAC entries     : {}\n"
      "  Total number of port moved MAC entries  : {}\n",
      bridge->name(), table.size(), table.config().max_entries, fixed, counts.learned, counts.expired,
      counts.evicted, counts.moved);
}

}  // namespace

void add_ofproto_commands(unixctl::CommandRegistry& commands, bridge::Switch& device, SlicedWork& work) {
  commands.add("ofproto/list", "", 0, 0, [&device](Args) -> Result<std::string> {
    std::string text;
    for (const auto* bridge : device.bridges()) text += bridge->name() + "\n";
    return text;
  });
  commands.add("ofproto/trace", "{[dp_name] odp_flow | bridge br_flow} [OPTIONS...] [-generate|packet]", 1,
               unixctl::CommandRegistry::kAnyArgs, [&device](Args args) { return device.trace(args); });
  commands.add("ofproto/trace-packet-out",
               "[-consistent] {[dp_name] odp_flow | bridge br_flow} [OPTIONS...] [-generate|packet] actions",
               2, unixctl::CommandRegistry::kAnyArgs,
               [&device](Args args) { return device.trace(args, ofproto::TraceKind::PacketOut); });
  commands.add_deferred(
      "bridge/dump-flows", "[--offload-stats] bridge", 1, 2, [&](Args args, unixctl::Reply reply) {
        auto* bridge = device.find_bridge(args.back());
        if (!bridge) return reply(fail("Unknown bridge"));
        device.push_stats();
        work.start(std::make_unique<FlowLines>(bridge->pipeline().dump(), device.now(),
                                               args.front() == "--offload-stats", std::move(reply)));
      });
  commands.add("fdb/show", "bridge", 1, 1, [&device](Args args) -> Result<std::string> {
    auto* bridge = device.find_bridge(args[0]);
    if (!bridge) return fail("no such bridge");
    device.push_stats();  // MAC entries live from the packets that use them
    return bridge->dump_macs(device.now());
  });
  commands.add("fdb/flush", "[bridge]", 0, 1, [&device](Args args) { return flush_macs(device, args); });
  commands.add("fdb/add", "bridge port vlan mac", 4, 4,
               [&device](Args args) { return change_fixed_mac(device, args, true); });
  commands.add("fdb/del", "bridge vlan mac", 3, 3,
               [&device](Args args) { return change_fixed_mac(device, args, false); });
  commands.add("fdb/stats-clear", "[bridge]", 0, 1,
               [&device](Args args) { return clear_mac_stats(device, args); });
  commands.add("fdb/stats-show", "bridge", 1, 1, [&device](Args args) { return mac_stats(device, args); });
}

}  // namespace sluice::daemon
