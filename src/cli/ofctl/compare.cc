// replace-flows and diff-flows: the flows of a file and of a switch, or of any two sources, side by side.
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "action/codec.h"
#include "cli/ofctl/fetch_flows.h"
#include "cli/ofctl/files.h"
#include "cli/ofctl/flow_format.h"
#include "cli/ofctl/flow_messages.h"
#include "cli/ofctl/names.h"
#include "cli/ofctl/verbs.h"
#include "field/match_text.h"

namespace sluice::cli::ofctl {

using action::FlowCommand;
using action::FlowSpec;
using action::Protocols;

namespace {

/// What makes a flow that flow. The text of a match is as good as the match, and can be ordered.
using Identity = std::tuple<std::uint8_t, std::uint16_t, std::string>;

/// A flow in one source and in the other; either may lack it.
struct Pair {
  std::optional<FlowSpec> first, second;
};
using Comparison = std::map<Identity, Pair>;

enum Side : std::uint8_t { kFirst, kSecond };

void put(Comparison& comparison, FlowSpec flow, Side side) {
  if (flow.table == action::kNoTable) flow.table = 0;
  Pair& pair =
      comparison[{flow.table, static_cast<std::uint16_t>(~flow.priority), field::format_match(flow.match)}];
  (side == kFirst ? pair.first : pair.second) = std::move(flow);
}

bool same(const FlowSpec& a, const FlowSpec& b) {
  return a.new_cookie.value_or(0) == b.new_cookie.value_or(0) && a.idle_timeout == b.idle_timeout &&
         a.hard_timeout == b.hard_timeout && a.importance == b.importance && a.actions == b.actions;
}

Result<Protocols> read_flow_file(Run& run, const std::string& name, const action::Names& names, Side side,
                                 Comparison& comparison) {
  Protocols usable;
  SLUICE_ASSIGN(const std::string text, read_file(name, "open"));
  action::FlowLines lines(text, FlowCommand::Add, false);
  while (const auto line = lines.next()) {
    auto flow = parse_flow(run, line->text, FlowCommand::Add, names);
    if (!flow) return fail(fmt::format("{}:{}: {}", name, line->number, flow.error().message));
    usable = usable & flow->usable;
    put(comparison, std::move(*flow), side);
  }
  return usable;
}

Status read_switch(Connection& connection, const std::string& target, Side side, Comparison& comparison) {
  SLUICE_ASSIGN(auto flows, fetch_flows(connection, target, {}));
  for (auto& entry : flows) put(comparison, std::move(entry.flow), side);
  return {};
}

/// "-table=1 priority=7,tcp cookie=0x5 idle_timeout=10 actions=output:1".
std::string difference(char sign, const FlowSpec& flow, const action::Names& names) {
  std::string text(1, sign);
  if (flow.table != 0) text += fmt::format("table={} ", action::format_table(flow.table, names));
  text += openflow::format_match(flow.match, flow.priority, names);
  if (flow.new_cookie.value_or(0) != 0) text += fmt::format(" cookie={:#x}", *flow.new_cookie);
  if (flow.idle_timeout != 0) text += fmt::format(" idle_timeout={}", flow.idle_timeout);
  if (flow.hard_timeout != 0) text += fmt::format(" hard_timeout={}", flow.hard_timeout);
  if (flow.importance != 0) text += fmt::format(" importance={}", flow.importance);
  return text + " actions=" + action::format_actions(flow.actions, names) + "\n";
}

/// A source is a file if it looks like one or is one, else a switch.
bool is_file(const std::string& source) {
  if (source.starts_with('/') || source.starts_with('.')) return true;
  return source.find(':') == std::string::npos && access(source.c_str(), F_OK) == 0;
}

}  // namespace

Result<int> replace_flows(Run& run) {
  const std::string& target = run.words[0];
  NameMap names;
  if (run.reads_names()) {
    SLUICE_TRY(fetch_port_names(run, target, names));
    SLUICE_TRY(fetch_table_names(run, target, names));
  }
  Comparison comparison;
  SLUICE_ASSIGN(const Protocols usable, read_flow_file(run, run.words[1], names.names(), kFirst, comparison));
  SLUICE_ASSIGN(Connection connection, open_for_dump(run, target, usable));
  SLUICE_TRY(read_switch(connection, target, kSecond, comparison));

  MessageList messages;
  const auto add = [&](FlowSpec flow, FlowCommand command) {
    flow.command = command;
    if (command == FlowCommand::DeleteStrict) flow.actions = {};
    openflow::FlowMod mod;
    mod.flow = std::move(flow);
    messages.add(openflow::encode(openflow::make_message(std::move(mod), connection.dialect, 0)));
  };
  // Table by table, and in each first what goes.
  for (auto table = comparison.begin(); table != comparison.end();) {
    const auto next = std::find_if(table, comparison.end(), [&](const auto& flow) {
      return std::get<std::uint8_t>(flow.first) != std::get<std::uint8_t>(table->first);
    });
    for (auto it = table; it != next; ++it)
      if (!it->second.first) add(*it->second.second, FlowCommand::DeleteStrict);
    for (auto it = table; it != next; ++it) {
      const auto& [file, there] = it->second;
      if (file && (!there || run.options.readd || !same(*file, *there))) add(*file, FlowCommand::Add);
    }
    table = next;
  }
  if (run.options.bundle) {
    SLUICE_TRY(send_bundle(run, connection, messages));
    return 0;
  }
  SLUICE_ASSIGN(const bool done, send_all(run, connection, target, messages, Ids::InARow));
  return done ? 0 : 1;
}

Result<int> diff_flows(Run& run) {
  Comparison comparison;
  NameMap shown;
  for (const Side side : {kFirst, kSecond}) {
    const std::string& source = run.words[side == kFirst ? 0 : 1];
    if (is_file(source)) {
      SLUICE_TRY(read_flow_file(run, source, {}, side, comparison));
      continue;
    }
    SLUICE_ASSIGN(Connection connection, open_for_dump(run, source, {}));
    SLUICE_TRY(read_switch(connection, source, side, comparison));
    SLUICE_ASSIGN(shown, names_to_show(run, source, false));
  }
  const action::Names names{.ports = &shown};
  std::string text;
  for (const auto& [identity, pair] : comparison) {
    if (pair.first && pair.second && same(*pair.first, *pair.second)) continue;
    if (pair.first) text += difference('-', *pair.first, names);
    if (pair.second) text += difference('+', *pair.second, names);
  }
  print(text);
  constexpr int kDifferences = 2;
  return text.empty() ? 0 : kDifferences;
}

}  // namespace sluice::cli::ofctl
