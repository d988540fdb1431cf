#include "ofproto/ofproto.h"

#include <fmt/core.h>

#include <algorithm>
#include <unordered_map>

#include "base/hash.h"
#include "field/match_text.h"

namespace sluice::ofproto {

namespace {

using action::of_port::kLocal;

std::uint8_t effective_table(const action::FlowSpec& flow) {
  return flow.table == action::kNoTable && flow.command == action::FlowCommand::Add ? 0 : flow.table;
}

/// What makes two flows the same flow to OpenFlow: table, priority and match.
struct FlowIdentity {
  std::uint8_t table;
  std::uint16_t priority;
  const flow::Match* match;

  bool operator==(const FlowIdentity& other) const {
    return table == other.table && priority == other.priority && *match == *other.match;
  }
};
struct FlowIdentityHash {
  std::size_t operator()(const FlowIdentity& flow) const {
    std::uint64_t hash = std::uint64_t{flow.table} << 16 | flow.priority;
    for (std::size_t i = 0; i < flow::kKeyWords; ++i) {
      hash = hash_mix(hash, flow::word_at(flow.match->value, i));
      hash = hash_mix(hash, flow::word_at(flow.match->mask.bits, i));
    }
    return hash;
  }
};

FlowIdentity identity_of(const action::FlowSpec& flow) {
  return {effective_table(flow), flow.priority, &flow.match};
}

bool same_content(const pipeline::FlowInfo& there, const action::FlowSpec& wanted) {
  return there.actions == wanted.actions && there.cookie == wanted.new_cookie.value_or(0) &&
         there.idle_timeout == wanted.idle_timeout && there.hard_timeout == wanted.hard_timeout &&
         there.importance == wanted.importance && there.flags == wanted.flags;
}

FlowChange summary(const pipeline::FlowModResult& result) {
  return {.added = result.added,
          .modified = result.modified,
          .removed = static_cast<unsigned>(result.removed.size()),
          .warnings = {}};
}

/// Numbers of the lines that hold more than blanks and a comment.
std::vector<unsigned> lines_with_content(std::string_view text) {
  std::vector<unsigned> numbers;
  unsigned line = 0;
  while (!text.empty()) {
    ++line;
    const auto end = std::min(text.find('\n'), text.size());
    auto content = text.substr(0, end);
    content = content.substr(0, std::min(content.find('#'), content.size()));
    if (content.find_first_not_of(" \t\r\v\f") != std::string_view::npos) numbers.push_back(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return numbers;
}

}  // namespace

Status check_flow(const action::FlowSpec& flow) {
  if (flow.command == action::FlowCommand::Delete || flow.command == action::FlowCommand::DeleteStrict)
    return {};
  SLUICE_TRY(action::check(flow.actions, flow.match, {.table = effective_table(flow)}));
  return action::check_executable(flow.actions);
}

Result<std::vector<FileFlow>> parse_flow_text(std::string_view text, const std::string& file,
                                              const action::Names& names,
                                              std::vector<std::string>* warnings) {
  action::FlowFile parsed = action::parse_flow_file(text, file, {.names = names});
  if (!parsed.errors.empty()) return tl::unexpected<Error>(std::move(parsed.errors.front()));
  const auto lines = lines_with_content(text);
  std::vector<FileFlow> flows;
  flows.reserve(parsed.flows.size());
  for (std::size_t i = 0; i < parsed.flows.size(); ++i) {
    FileFlow& flow = flows.emplace_back();
    flow.spec = std::move(parsed.flows[i]);
    flow.place = i < lines.size() ? fmt::format("{}:{}", file, lines[i]) : file;
    if (auto status = check_flow(flow.spec); !status) {
      status.error().message = flow.place + ": " + status.error().message;
      return tl::unexpected<Error>(std::move(status).error());
    }
    if (warnings)
      for (const auto& warning : flow.spec.warnings) warnings->push_back(flow.place + ": " + warning);
  }
  return flows;
}

Ofproto::Ofproto(std::uint64_t secret, pipeline::BridgeConfig config, pipeline::FrozenStore* frozen)
    : name_(config.name), pipeline_(secret, std::move(config), frozen) {}

void Ofproto::add_port(const Port& port) {
  ports_[port.number] = port;
  pipeline::PortInfo info;
  info.dp_port = port.dp_port;
  info.name = port.name;
  if (port.dp_port == pipeline::kNoDpPort) {
    const auto counters = [] { return pipeline::Ref<pipeline::RuleStats>::adopt(new pipeline::RuleStats); };
    info.patch = {.mac = port.patch_mac, .received = counters(), .sent = counters()};
  }
  apply_settings(port, info);
  // Where trees are spoken, a port waits until the tree has it.
  info.tree_learns = info.tree_forwards = !pipeline_.config().spanning_tree;
  pipeline_.set_port(port.number, std::move(info));
}

void Ofproto::apply_settings(const Port& port, pipeline::PortInfo& info) {
  info.vlan = port.vlan;
  info.bundle = port.bond;
  info.is_protected = port.is_protected;
  info.speaks_lacp = port.speaks_lacp;
  info.wants_multicast = port.wants_multicast;
  info.wants_reports = port.wants_reports;
  info.queue_dscp = port.queue_dscp;
}

void Ofproto::set_port(const Port& port) {
  change_port(port.number, [&](pipeline::PortInfo& info) { apply_settings(port, info); });
  ports_[port.number] = port;
}

void Ofproto::join_patch(std::uint32_t number, Ofproto* peer, std::uint32_t peer_number) {
  change_port(number, [&](pipeline::PortInfo& info) {
    info.patch->peer = peer ? &peer->pipeline_ : nullptr;
    info.patch->peer_port = peer_number;
  });
}

void Ofproto::set_tree_state(std::uint32_t number, bool learns, bool forwards) {
  change_port(number, [&](pipeline::PortInfo& info) {
    info.tree_learns = learns;
    info.tree_forwards = forwards;
  });
}

/// Publishes the port anew only if the change makes a difference.
void Ofproto::change_port(std::uint32_t number, const std::function<void(pipeline::PortInfo&)>& change) {
  const auto before = pipeline_.port(number);
  if (!before) return;
  pipeline::PortInfo after = *before;
  change(after);
  if (!(after == *before)) pipeline_.set_port(number, std::move(after));
}

void Ofproto::remove_port(std::uint32_t number) {
  ports_.erase(number);
  pipeline_.remove_port(number);
}

void Ofproto::set_port_live(std::uint32_t number, bool live) {
  change_port(number, [&](pipeline::PortInfo& info) { info.live = live; });
}

std::vector<Ofproto::Port> Ofproto::ports() const {
  std::vector<Port> ports;
  for (const auto& [number, port] : ports_) ports.push_back(port);
  return ports;
}

std::uint32_t Ofproto::free_number() const {
  std::uint32_t number = 1;
  while (ports_.contains(number)) ++number;
  return number;
}

std::optional<std::uint32_t> Ofproto::port_number(std::string_view name) const {
  for (const auto& [number, port] : ports_)
    if (port.name == name) return number;
  return std::nullopt;
}

std::optional<std::string> Ofproto::port_name(std::uint32_t number) const {
  const auto it = ports_.find(number);
  if (it == ports_.end()) return std::nullopt;
  return it->second.name;
}

Result<pipeline::FlowModResult> Ofproto::concluded(Result<pipeline::FlowModResult> result) {
  if (result && listener_) listener_(*result);
  return result;
}

void Ofproto::expire(Instant now) {
  const auto result = pipeline_.expire(now);
  if (listener_) listener_(result);
}

Result<FlowChange> Ofproto::change_flow(std::string_view text, action::FlowCommand command, Instant now) {
  SLUICE_ASSIGN(const auto flow, action::parse_flow(text, {.command = command, .names = names()}));
  SLUICE_TRY(check_flow(flow));
  SLUICE_ASSIGN(const auto result, concluded(pipeline_.apply(flow, now)));
  FlowChange change = summary(result);
  change.warnings = flow.warnings;
  return change;
}

Result<FlowChange> Ofproto::change_flows(const std::vector<FileFlow>& flows, Instant now) {
  std::vector<action::FlowSpec> specs;
  specs.reserve(flows.size());
  for (const auto& flow : flows) specs.push_back(flow.spec);
  std::size_t failed = 0;
  auto result = concluded(pipeline_.apply(specs, now, &failed));
  if (!result) {
    Error error = std::move(result).error();
    if (failed < flows.size()) error.message = flows[failed].place + ": " + error.message;
    return tl::unexpected<Error>(std::move(error));
  }
  return summary(*result);
}

Result<FlowChange> Ofproto::replace_flows(const std::vector<FileFlow>& flows, Replace scope, Instant now) {
  std::unordered_map<FlowIdentity, const FileFlow*, FlowIdentityHash> wanted;
  std::unordered_set<std::uint64_t> loading;
  for (const auto& flow : flows) {
    if (flow.spec.command != action::FlowCommand::Add)
      return fail(flow.place + ": expected a flow to add: the flows are replaced as a whole");
    const auto identity = identity_of(flow.spec);
    wanted.insert_or_assign(identity, &flow);
    loading.insert(FlowIdentityHash{}(identity));
  }
  // Removals come first, so that the tables never hold more flows than before or after.
  std::vector<FileFlow> changes;
  pipeline::FlowInfo there;
  for (auto cursor = pipeline_.dump(); cursor.next(there);) {
    const FlowIdentity identity{there.table, there.priority, &there.match};
    const auto it = wanted.find(identity);
    if (it != wanted.end()) {
      if (same_content(there, it->second->spec)) wanted.erase(it);
      continue;
    }
    if (scope == Replace::Loaded && !loaded_.contains(FlowIdentityHash{}(identity))) continue;
    FileFlow& removal = changes.emplace_back();
    removal.spec.command = action::FlowCommand::DeleteStrict;
    removal.spec.table = there.table;
    removal.spec.priority = there.priority;
    removal.spec.match = there.match;
    removal.place = "replacing flows";
  }
  for (const auto& flow : flows) {
    const auto it = wanted.find(identity_of(flow.spec));
    if (it != wanted.end() && it->second == &flow) changes.push_back(flow);
  }
  SLUICE_ASSIGN(auto change, change_flows(changes, now));
  loaded_ = std::move(loading);
  return change;
}

Result<std::vector<FileFlow>> Ofproto::parse_file(std::string_view text, const std::string& file,
                                                  std::vector<std::string>* warnings) const {
  return parse_flow_text(text, file, names(), warnings);
}

Result<pipeline::FlowFilter> Ofproto::parse_filter(std::string_view text) const {
  SLUICE_ASSIGN(const auto flow,
                action::parse_flow(text, {.command = action::FlowCommand::Delete, .names = names()}));
  pipeline::FlowFilter filter;
  filter.table = flow.table;
  filter.match = flow.match;
  filter.cookie = flow.cookie;
  filter.cookie_mask = flow.cookie_mask;
  filter.out_port = flow.out_port;
  filter.out_group = flow.out_group;
  return filter;
}

void append_flow(std::string& text, const pipeline::FlowInfo& flow, Instant now, bool offloads) {
  if (flow.table != 0) text += fmt::format("table_id={}, ", flow.table);
  text += fmt::format("duration={}s, n_packets={}, n_bytes={}, ", (now - flow.created).whole_seconds(),
                      flow.packets, flow.bytes);
  if (offloads) text += "n_offload_packets=0, n_offload_bytes=0, ";
  const bool has_priority = flow.priority != action::kDefaultPriority;
  if (has_priority) text += fmt::format("priority={}", flow.priority);
  const std::string match = field::format_match(flow.match);
  if (has_priority && !match.empty()) text += ',';
  text += match;
  text += ",actions=" + action::format_actions(flow.actions) + '\n';
}

std::string Ofproto::dump_flows(Instant now) const {
  std::string text;
  pipeline::FlowInfo flow;
  for (auto cursor = pipeline_.dump(); cursor.next(flow);) append_flow(text, flow, now);
  return text;
}

namespace {

std::string port_text(std::uint32_t port) {
  return port == kLocal ? "LOCAL" : std::to_string(port);
}

}  // namespace

std::string Ofproto::dump_multicast(Instant now) const {
  const auto& table = pipeline_.multicast_table();
  std::string text = " port  VLAN  GROUP                Age\n";
  const auto seconds = [&](const auto& entry) { return (now - entry.last_heard).whole_seconds(); };
  for (const auto& entry : table.entries()) {
    const std::string group = net::is_v4_mapped(entry.group) ? net::format_ipv4(net::v4_of(entry.group))
                                                             : net::format_ipv6(entry.group);
    text += fmt::format("{:>5}  {:>4}  {}         {:>3}\n", port_text(entry.port), entry.vlan, group,
                        seconds(entry));
  }
  for (const auto& entry : table.router_entries())
    text += fmt::format("{:>5}  {:>4}  querier             {:>3}\n", port_text(entry.port), entry.vlan,
                        seconds(entry));
  return text;
}

std::string Ofproto::dump_macs(Instant now) {
  std::string text = " port  VLAN  MAC                Age\n";
  for (const auto& entry : pipeline_.mac_table().entries()) {
    const std::string age =
        entry.is_static ? "static" : std::to_string((now - entry.last_seen).whole_seconds());
    text += fmt::format("{:>5}  {:>4}  {}  {:>3}\n", port_text(entry.port), entry.vlan,
                        net::format_mac(entry.mac), age);
  }
  return text;
}

}  // namespace sluice::ofproto
