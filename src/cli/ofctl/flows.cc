// The verbs about flows: what is in the tables, and changes.
#include <fmt/core.h>

#include <algorithm>

#include "action/codec.h"
#include "cli/ofctl/color.h"
#include "cli/ofctl/dump.h"
#include "cli/ofctl/fetch_flows.h"
#include "cli/ofctl/files.h"
#include "cli/ofctl/flow_format.h"
#include "cli/ofctl/flow_messages.h"
#include "cli/ofctl/verbs.h"

namespace sluice::cli::ofctl {

using action::FlowCommand;
using action::FlowSpec;

namespace {

/// What dump-flows and dump-aggregate ask for.
struct Query {
  openflow::FlowFilter filter;
  action::Protocols usable;
};

Result<Query> read_query(Run& run) {
  Query query;
  if (!run.has(1)) return query;
  const std::string& target = run.words[0];
  NameMap names;
  if (run.reads_names()) {
    SLUICE_TRY(fetch_port_names(run, target, names));
    SLUICE_TRY(fetch_table_names(run, target, names));
  }
  SLUICE_ASSIGN(const FlowSpec flow, action::parse_flow_filter(run.words[1], names.names()));
  query.filter = {.match = flow.match,
                  .table = flow.table,
                  .out_port = flow.out_port,
                  .out_group = flow.out_group,
                  .cookie = flow.cookie,
                  .cookie_mask = flow.cookie_mask};
  query.usable = flow.usable;
  return query;
}

/// The order of two flows in one field or the priority: negative if a comes first. Flows that don't match the
/// field come last whatever the direction.
int compare(const FlowSpec& a, const FlowSpec& b, const SortKey& key) {
  const auto order = [&](auto x, auto y) { return x == y ? 0 : (x < y) == !key.descending ? -1 : 1; };
  if (!key.field) return order(a.priority, b.priority);
  const auto of = [&](const FlowSpec& flow) -> std::optional<field::FieldValue> {
    const auto matched = field::get(flow.match, *key.field);
    if (!field::prerequisites_met(field::spec(*key.field).needs, flow.match) || matched.mask == 0)
      return std::nullopt;
    return matched.value;
  };
  const auto x = of(a), y = of(b);
  if (x && y) return order(*x, *y);
  return x ? -1 : y ? 1 : 0;
}

}  // namespace

Result<std::vector<openflow::FlowStatsReply::Entry>> fetch_flows(Connection& connection,
                                                                 const std::string& target,
                                                                 openflow::FlowFilter filter) {
  std::vector<openflow::FlowStatsReply::Entry> flows;
  SLUICE_TRY(connection.ask_all(openflow::FlowStatsRequest{std::move(filter)}, [&](Bytes bytes) -> Status {
    auto message = openflow::decode(bytes);
    auto* part = message ? std::get_if<openflow::FlowStatsReply>(&message->body().variant()) : nullptr;
    if (part == nullptr) {
      const auto* error = message ? openflow::as<openflow::ErrorMessage>(*message) : nullptr;
      const bool named = error != nullptr && error->error.has_value();
      return fail(fmt::format("{}: failed to fetch flow statistics ({})", target,
                              named ? field::of_error_name(*error->error) : "Protocol error"));
    }
    std::move(part->entries.begin(), part->entries.end(), std::back_inserter(flows));
    return {};
  }));
  return flows;
}

Result<int> dump_flows(Run& run) {
  const std::string& target = run.words[0];
  SLUICE_ASSIGN(Query query, read_query(run));
  SLUICE_ASSIGN(Connection connection, open_for_dump(run, target, query.usable));
  if (run.options.sort.empty() && !run.shows_names() && run.options.stats) {
    openflow::FlowStatsRequest request{std::move(query.filter)};
    SLUICE_TRY(connection.ask_all(std::move(request), [&](Bytes message) -> Status {
      print(colored(openflow::print(message, {.verbosity = run.options.verbosity + 1}), run.options.color));
      return {};
    }));
    return 0;
  }
  SLUICE_ASSIGN(auto flows, fetch_flows(connection, target, std::move(query.filter)));
  std::stable_sort(flows.begin(), flows.end(), [&](const auto& a, const auto& b) {
    for (const SortKey& key : run.options.sort)
      if (const int order = compare(a.flow, b.flow, key)) return order < 0;
    return false;
  });
  SLUICE_ASSIGN(const NameMap names, names_to_show(run, target));
  std::string text;
  for (auto& entry : flows) {
    entry.counters.idle_age_s = entry.counters.hard_age_s = -1;
    text += ' ';
    text += run.options.stats ? action::format_flow_stats(entry.flow, entry.counters, names.names())
                              : action::format_flow_without_stats(entry.flow, names.names());
    text += '\n';
  }
  print(colored(std::move(text), run.options.color));
  return 0;
}

Result<int> dump_aggregate(Run& run) {
  const std::string& target = run.words[0];
  SLUICE_ASSIGN(Query query, read_query(run));
  SLUICE_ASSIGN(Connection connection, open_for_dump(run, target, query.usable));
  SLUICE_TRY(dump(run, connection, target, openflow::AggregateRequest{std::move(query.filter)}));
  return 0;
}

namespace {

/// Flows of the second word, which is one flow, "-" for standard input, or with `is_file` the name of a file.
Result<int> change_flows(Run& run, FlowCommand command, bool is_file) {
  const std::string& target = run.words[0];
  SLUICE_ASSIGN(const NameMap names, names_to_read(run, target));
  const std::string word = run.has(1) ? run.words[1] : "";
  FlowText flows{.text = word, .command = command, .names = names.names()};
  std::string text;
  if (is_file || word == "-") {
    SLUICE_ASSIGN(text, read_file(word, "open failed"));
    flows.text = text;
    flows.file = word;
    flows.own_commands = command == FlowCommand::Add;
  } else {
    // The command line says one flow, whatever characters it has.
    flows.single = true;
  }
  MessageList messages;
  SLUICE_ASSIGN(Connection connection, open_and_encode(run, target, flows, messages));
  if (run.options.bundle) {
    SLUICE_TRY(send_bundle(run, connection, messages));
    return 0;
  }
  SLUICE_ASSIGN(const bool done, send_all(run, connection, target, messages));
  return done ? 0 : 1;
}

}  // namespace

Result<int> add_flow(Run& run) {
  return change_flows(run, FlowCommand::Add, false);
}
Result<int> add_flows(Run& run) {
  return change_flows(run, FlowCommand::Add, true);
}
Result<int> mod_flows(Run& run) {
  return change_flows(run, run.options.strict ? FlowCommand::ModifyStrict : FlowCommand::Modify, false);
}
Result<int> del_flows(Run& run) {
  return change_flows(run, run.options.strict ? FlowCommand::DeleteStrict : FlowCommand::Delete, false);
}

}  // namespace sluice::cli::ofctl
