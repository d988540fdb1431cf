// Our own commands, answered in JSON, for the sluice program and other programs. Numbers are exact; times are
// seconds. Names and meanings of members are stable: docs of each subcommand of sluice show them with --json.
#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "base/limits.h"
#include "conntrack/dump.h"
#include "conntrack/tracker.h"
#include "daemon/commands.h"
#include "daemon/connection_json.h"
#include "daemon/conntrack_arguments.h"
#include "daemon/sliced_work.h"
#include "field/match_text.h"
#include "net/protocol.h"

namespace sluice::daemon {

namespace {

using unixctl::Args;

/// Connections in one answer at most.
constexpr unsigned kMaxConnectionsAnswered = 10'000;

double seconds(std::int64_t ns) {
  return static_cast<double>(ns) / 1e9;
}

Result<ofproto::Ofproto*> get_bridge(bridge::Switch& device, const std::string& name) {
  auto* bridge = device.find_bridge(name);
  if (!bridge) return fail(fmt::format("there is no bridge \"{}\"", name));
  return bridge;
}

Json json_of(const pipeline::FlowInfo& flow, Instant now) {
  Json json;
  json["table"] = flow.table;
  json["priority"] = flow.priority;
  json["match"] = field::format_match(flow.match);
  json["actions"] = action::format_actions(flow.actions);
  json["packets"] = flow.packets;
  json["bytes"] = flow.bytes;
  json["duration_s"] = seconds((now - flow.created).ns);
  json["idle_s"] = seconds((now - flow.last_used).ns);
  json["cookie"] = flow.cookie;
  json["idle_timeout"] = flow.idle_timeout;
  json["hard_timeout"] = flow.hard_timeout;
  return json;
}

class FlowDump final : public SlicedWork::Job {
 public:
  FlowDump(pipeline::FlowCursor cursor, Instant now, unixctl::Reply reply)
      : cursor_(std::move(cursor)), now_(now), reply_(std::move(reply)) {}

  bool step() override {
    pipeline::FlowInfo flow;
    for (unsigned n = 0; n < SlicedWork::kFlows; ++n) {
      if (!cursor_.next(flow)) {
        reply_(text_ + "]");
        return false;
      }
      if (text_.size() > 1) text_ += ",";
      text_ += text_of(json_of(flow, now_));
    }
    return true;
  }

 private:
  pipeline::FlowCursor cursor_;
  Instant now_;
  unixctl::Reply reply_;
  std::string text_ = "[";
};

std::string answer(const ofproto::FlowChange& change) {
  Json json;
  json["added"] = change.added;
  json["modified"] = change.modified;
  json["removed"] = change.removed;
  json["warnings"] = change.warnings;
  return text_of(json);
}

/// "[--strict] BRIDGE FLOW".
Result<std::string> change_flow(bridge::Switch& device, Args args, action::FlowCommand loose,
                                action::FlowCommand strict) {
  const bool is_strict = args[0] == "--strict";
  if (is_strict) args = args.subspan(1);
  if (args.empty()) return fail("expected a bridge");
  SLUICE_ASSIGN(auto* bridge, get_bridge(device, args[0]));
  if (args.size() > 2) return fail("expected a bridge and one flow");
  const std::string flow = args.size() == 2 ? args[1] : std::string();
  SLUICE_ASSIGN(const auto change, bridge->change_flow(flow, is_strict ? strict : loose, device.now()));
  return answer(change);
}

/// "BRIDGE FILE TEXT": the flows of a file that the caller has read.
Result<std::string> change_flows(bridge::Switch& device, Args args, bool replace) {
  SLUICE_ASSIGN(auto* bridge, get_bridge(device, args[0]));
  std::vector<std::string> warnings;
  SLUICE_ASSIGN(const auto flows, bridge->parse_file(args[2], args[1], &warnings));
  auto change = replace ? bridge->replace_flows(flows, ofproto::Ofproto::Replace::Everything, device.now())
                        : bridge->change_flows(flows, device.now());
  if (!change) return tl::unexpected<Error>(std::move(change).error());
  change->warnings = std::move(warnings);
  return answer(*change);
}

Json json_of(const bridge::PortStatus& port) {
  Json json;
  json["bridge"] = port.bridge;
  json["name"] = port.name;
  json["type"] = port.type;
  if (!port.number)
    json["number"] = nullptr;
  else if (*port.number == action::of_port::kLocal)
    json["number"] = "LOCAL";
  else
    json["number"] = *port.number;
  json["error"] = port.error;
  if (const auto& dp = port.datapath) {
    json["datapath_number"] = dp->number;
    json["mac"] = net::format_mac(dp->mac);
    json["mtu"] = dp->mtu;
    json["link_up"] = dp->link_up;
    json["worker"] = dp->worker;
    json["rx"] = {{"packets", dp->rx_packets},
                  {"bytes", dp->rx_bytes},
                  {"dropped", dp->rx_dropped},
                  {"errors", dp->rx_errors}};
    json["tx"] = {{"packets", dp->tx_packets},
                  {"bytes", dp->tx_bytes},
                  {"dropped", dp->tx_dropped},
                  {"errors", dp->tx_errors}};
  }
  return json;
}

/// "CURSOR MAX [FILTER]": connections from the cursor on, and where to go on.
Result<std::string> connections(bridge::Switch& device, Args args) {
  std::uint64_t numbers[2] = {0, 0};
  for (int i = 0; i < 2; ++i) {
    for (const char c : args[static_cast<std::size_t>(i)]) {
      if (c < '0' || c > '9') return fail("expected a cursor (0 at first) and a number of connections");
      numbers[i] = numbers[i] * 10 + static_cast<std::uint64_t>(c - '0');
    }
  }
  SLUICE_ASSIGN(const auto filter, parse_filter(args.subspan(2)));
  std::vector<conntrack::ConnectionSnapshot> slice;
  const auto most = static_cast<unsigned>(std::min<std::uint64_t>(numbers[1], kMaxConnectionsAnswered));
  const auto next = device.tracker().dump(numbers[0], most, device.now(), slice);
  Json json;
  if (next == conntrack::Tracker::kDumpDone)
    json["next"] = nullptr;
  else
    json["next"] = next;
  Json& list = json["connections"] = Json::array();
  for (const auto& connection : slice)
    if (filter.matches(connection)) list.push_back(daemon::json_of(connection, device.now()));
  return text_of(json);
}

std::string stats(bridge::Switch& device, Instant started) {
  Json json;
  json["uptime_s"] = seconds((device.now() - started).ns);
  json["workers"] = device.datapath().workers();

  const auto dp = device.datapath().stats();
  Json& datapath = json["datapath"];
  for (const auto& row : datapath::kCounters) datapath[std::string(row.name)] = dp[row.counter];
  datapath["megaflows"] = dp.megaflows;
  datapath["masks"] = dp.masks;
  datapath["dropped"] = dp.dropped();
  datapath["unaccounted"] = dp.unaccounted();
  Json& drops = json["drops"];
  for (const auto& row : packet::kDropReasons) drops[std::string(row.name)] = dp[row.reason];

  const auto& tracker = device.tracker();
  const auto ct = tracker.counters();
  Json& conntrack = json["conntrack"];
  conntrack["connections"] = tracker.connections();
  conntrack["max_connections"] = tracker.max_connections();
  conntrack["created"] = ct.created;
  conntrack["destroyed"] = ct.destroyed;
  conntrack["expired"] = ct.expired;
  conntrack["dropped_early"] = ct.dropped_early;
  conntrack["committed"] = ct.committed;
  conntrack["lookups"] = ct.lookups;
  conntrack["hits"] = ct.hits;
  conntrack["related"] = ct.related;
  conntrack["expected"] = ct.expected;
  conntrack["expectations_refused"] = ct.expectations_refused;
  conntrack["helpers_refused"] = ct.helpers_refused;
  Json& reasons = conntrack["reasons"];
  for (unsigned r = 1; r < conntrack::kReasonCount; ++r)
    reasons[std::string(conntrack::reason_name(static_cast<conntrack::Reason>(r)))] = ct.by_reason[r];
  json["memory"]["conntrack_bytes"] = tracker.memory_bytes();

  const auto& reassembler = tracker.reassembler();
  Json& fragments = json["fragments"];
  fragments["waiting"] = reassembler.fragments();
  fragments["datagrams"] = reassembler.datagrams();
  fragments["max_waiting"] = reassembler.max_fragments();
  for (const auto& [name, version] :
       {std::pair("ipv4", conntrack::IpVersion::V4), std::pair("ipv6", conntrack::IpVersion::V6)}) {
    const auto c = reassembler.counters(version);
    const auto add = [&, prefix = std::string(name)](const char* what, std::uint64_t n) {
      fragments[prefix + "_" + what] = n;
    };
    add("accepted", c.accepted);
    add("completed", c.completed);
    add("reassembled_packets", c.datagrams);
    add("expired", c.expired);
    add("too_small", c.too_small);
    add("overlapped", c.overlapped);
    add("duplicate", c.duplicate);
    add("malformed", c.malformed);
    add("too_long", c.too_long);
    add("dropped_for_memory", c.purged);
  }
  json["memory"]["fragment_bytes"] = reassembler.memory_bytes();

  json["packet_ins"] = {{"queued", device.upcalls().packet_ins().queued()},
                        {"dropped", device.upcalls().packet_ins().dropped()},
                        {"waiting", device.upcalls().packet_ins().waiting()}};
  Json& bridges = json["bridges"] = Json::array();
  for (auto* bridge : device.bridges())
    bridges.push_back({{"name", bridge->name()},
                       {"flows", bridge->pipeline().flow_count()},
                       {"ports", bridge->ports().size()},
                       {"mac_entries", bridge->pipeline().mac_table().size()}});
  const datapath::DatapathOptions limits;
  json["limits"] = {{"batch", limits::kBatchSize},
                    {"megaflows_per_worker", limits.max_megaflows},
                    {"masks_per_worker", limits.max_masks},
                    {"packets_per_worker", limits.max_packets},
                    {"fragment_bytes", limits::kReassemblyBytes},
                    {"megaflow_idle_s", limits.megaflow_idle.whole_seconds()},
                    {"packet_ins_waiting", ofproto::PacketInQueue::kMaxWaiting}};
  return text_of(json);
}

}  // namespace

void add_sluice_commands(unixctl::CommandRegistry& commands, bridge::Switch& device, SlicedWork& work,
                         Instant started) {
  using action::FlowCommand;
  commands.add_deferred("sluice/flows", "bridge [match]", 1, 2, [&](Args args, unixctl::Reply reply) {
    const auto bridge = get_bridge(device, args[0]);
    if (!bridge) return reply(tl::unexpected<Error>(bridge.error()));
    const auto filter = (*bridge)->parse_filter(args.size() == 2 ? args[1] : "");
    if (!filter) return reply(tl::unexpected<Error>(filter.error()));
    device.push_stats();
    work.start(
        std::make_unique<FlowDump>((*bridge)->pipeline().dump(*filter), device.now(), std::move(reply)));
  });
  commands.add("sluice/flow-add", "bridge flow", 2, 2, [&device](Args args) {
    return change_flow(device, args, FlowCommand::Add, FlowCommand::Add);
  });
  commands.add("sluice/flow-mod", "[--strict] bridge flow", 2, 3, [&device](Args args) {
    return change_flow(device, args, FlowCommand::Modify, FlowCommand::ModifyStrict);
  });
  commands.add("sluice/flow-del", "[--strict] bridge [match]", 1, 3, [&device](Args args) {
    return change_flow(device, args, FlowCommand::Delete, FlowCommand::DeleteStrict);
  });
  commands.add("sluice/flow-add-file", "bridge file text", 3, 3,
               [&device](Args args) { return change_flows(device, args, false); });
  commands.add("sluice/flow-replace", "bridge file text", 3, 3,
               [&device](Args args) { return change_flows(device, args, true); });
  commands.add("sluice/ports", "", 0, 0, [&device](Args) -> Result<std::string> {
    Json json = Json::array();
    for (const auto& port : device.ports()) json.push_back(json_of(port));
    return text_of(json);
  });
  commands.add("sluice/conntrack", "cursor max [filter]", 2, 8,
               [&device](Args args) { return connections(device, args); });
  commands.add("sluice/stats", "", 0, 0,
               [&device, started](Args) -> Result<std::string> { return stats(device, started); });
}

}  // namespace sluice::daemon
