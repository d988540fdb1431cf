#include "action/flow_spec.h"

#include <fmt/core.h>

#include "action/codec.h"
#include "field/match_text.h"

namespace sluice::action {

namespace {

bool deletes(FlowCommand command) {
  return command == FlowCommand::Delete || command == FlowCommand::DeleteStrict;
}

struct CommandName {
  std::string_view word, printed;
  FlowCommand command;
};
constexpr CommandName kCommands[] = {
    {"add", "ADD", FlowCommand::Add},
    {"modify", "MOD", FlowCommand::Modify},
    {"modify_strict", "MOD_STRICT", FlowCommand::ModifyStrict},
    {"delete", "DEL", FlowCommand::Delete},
    {"delete_strict", "DEL_STRICT", FlowCommand::DeleteStrict},
};

/// "match,actions=…" taken apart; `actions` is nothing if the word is not there.
struct Halves {
  std::string_view match;
  std::optional<std::string_view> actions;
};

Halves split_actions(std::string_view text) {
  for (std::size_t at = text.find("action"); at != std::string_view::npos; at = text.find("action", at + 1)) {
    const bool begins_word = at == 0 || text[at - 1] == ',' || text[at - 1] == ' ' || text[at - 1] == '\t';
    std::size_t end = at + std::string_view("action").size();
    if (end < text.size() && text[end] == 's') ++end;
    if (begins_word && end < text.size() && text[end] == '=')
      return {text.substr(0, at), text.substr(end + 1)};
  }
  return {text, std::nullopt};
}

template <typename T>
Status assign_number(const Word& word, T& target) {
  SLUICE_ASSIGN(const std::uint64_t value, parse_number(word.argument, static_cast<T>(~T{0}), word.name));
  target = static_cast<T>(value);
  return {};
}

Status parse_cookie(const Word& word, bool changes, FlowSpec& flow) {
  const auto slash = word.argument.find('/');
  SLUICE_ASSIGN(const std::uint64_t value,
                parse_number(word.argument.substr(0, slash), ~std::uint64_t{0}, "cookie"));
  if (slash == std::string_view::npos) {
    if (!changes)
      return fail(fmt::format("cannot set cookie (to match on a cookie, specify a mask, e.g. cookie={}/-1)",
                              word.argument));
    flow.new_cookie = value;
    return {};
  }
  if (changes && flow.command == FlowCommand::Add) return fail("flow additions cannot use a cookie mask");
  const std::string_view mask = word.argument.substr(slash + 1);
  flow.cookie_mask = ~std::uint64_t{0};
  if (mask != "-1") {
    SLUICE_ASSIGN(flow.cookie_mask, parse_number(mask, ~std::uint64_t{0}, "cookie mask"));
  }
  flow.cookie = value & flow.cookie_mask;
  return {};
}

bool is_counter(std::string_view name) {
  for (const std::string_view known : {"duration", "n_packets", "n_bytes", "idle_age", "hard_age"})
    if (name == known) return true;
  return false;
}

/// What a text is about, which decides the words beside the match.
enum class Kind : std::uint8_t { Change, Delete, DeleteStrict, Filter, PacketOut };

Kind kind_of(FlowCommand command) {
  return command == FlowCommand::Delete         ? Kind::Delete
         : command == FlowCommand::DeleteStrict ? Kind::DeleteStrict
                                                : Kind::Change;
}

/// A word about what a flow that is added or modified becomes.
Result<bool> parse_property(const Word& word, FlowSpec& flow) {
  const std::string_view name = word.name;
  if (name == "idle_timeout") {
    SLUICE_TRY(assign_number(word, flow.idle_timeout));
  } else if (name == "hard_timeout") {
    SLUICE_TRY(assign_number(word, flow.hard_timeout));
  } else if (name == "importance") {
    SLUICE_TRY(assign_number(word, flow.importance));
  } else if (name == "send_flow_rem") {
    flow.flags.send_flow_rem = true;
  } else if (name == "check_overlap") {
    flow.flags.check_overlap = true;
  } else if (name == "reset_counts") {
    flow.flags.reset_counts = true;
    flow.usable = flow.usable & Protocols(Protocols::kAnyOxm);
  } else if (name == "no_packet_counts") {
    flow.flags.no_packet_counts = true;
    flow.usable = flow.usable & Protocols(Protocols::kOf13Up);
  } else if (name == "no_byte_counts") {
    flow.flags.no_byte_counts = true;
    flow.usable = flow.usable & Protocols(Protocols::kOf13Up);
  } else {
    return false;
  }
  return true;
}

/// A word about which existing flows are meant, beside their match.
Result<bool> parse_choice(const Word& word, const Names& names, FlowSpec& flow) {
  if (word.name == "out_port") {
    const auto port = parse_port(word.argument, names);
    if (!port) return fail(std::string(word.argument) + " is not a valid OpenFlow port");
    flow.out_port = *port;
    return true;
  }
  if (word.name != "out_group") return false;
  SLUICE_TRY(assign_number(word, flow.out_group));
  flow.usable = flow.usable & Protocols(Protocols::kOf11Up);
  return true;
}

/// One word that is not a match; false if it is none that the kind of text has.
Result<bool> parse_option(const Word& word, Kind kind, const Names& names, FlowSpec& flow) {
  const std::string_view name = word.name;
  if (kind == Kind::PacketOut) return false;
  const bool flag = name == "send_flow_rem" || name == "check_overlap" || name == "reset_counts" ||
                    name == "no_packet_counts" || name == "no_byte_counts";
  if (word.argument.empty() && !flag) return false;
  if (name == "table") {
    const auto table = parse_table(word.argument, names);
    if (!table)
      return fail("unknown table \"" + std::string(word.argument) +
                  "\": expected 0 to 254 or a table's name");
    flow.table = *table;
    if (*table != kNoTable && kind != Kind::Filter)
      flow.usable =
          flow.usable & Protocols(Protocols::kOf10TableId | Protocols::kNxmTableId | Protocols::kOf11Up);
    return true;
  }
  if (name == "cookie") {
    SLUICE_TRY(parse_cookie(word, kind == Kind::Change, flow));
    return true;
  }
  // What dump-flows prints may be read back; what was counted is not part of the flow.
  if (is_counter(name)) return true;
  if (name == "priority" && (kind == Kind::Change || kind == Kind::DeleteStrict)) {
    SLUICE_TRY(assign_number(word, flow.priority));
    return true;
  }
  return kind == Kind::Change ? parse_property(word, flow) : parse_choice(word, names, flow);
}

/// What a word of the match says about protocols, once the match holds it. Shorthands fit them all, except
/// that OpenFlow 1.0 and 1.1 can't look behind IPv6 (see parse_flow).
Protocols word_protocols(const Word& word, const flow::Match& match) {
  const field::FieldSpec* spec = field::find_field(word.name);
  if (spec == nullptr || word.argument.empty()) return Protocols::kAll;
  return field_protocols(spec->id, field::get(match, spec->id).mask);
}

std::string match_with_priority(const FlowSpec& flow, const Names& names) {
  std::string text = field::format_match(flow.match, names.ports);
  if (flow.priority != kDefaultPriority)
    text = fmt::format("priority={}{}{}", flow.priority, text.empty() ? "" : ",", text);
  return text;
}

/// "send_flow_rem check_overlap " …
std::string flag_words(const FlowFlags& flags, std::string_view separator) {
  std::string text;
  const auto add = [&](bool set, std::string_view name) {
    if (set) text += std::string(name) + std::string(separator);
  };
  add(flags.send_flow_rem, "send_flow_rem");
  add(flags.check_overlap, "check_overlap");
  add(flags.reset_counts, "reset_counts");
  add(flags.no_packet_counts, "no_packet_counts");
  add(flags.no_byte_counts, "no_byte_counts");
  return text;
}

/// Flags in the order of a dumped flow.
std::string dump_options(const FlowSpec& flow) {
  std::string text;
  if (flow.idle_timeout != 0) text += fmt::format("idle_timeout={}, ", flow.idle_timeout);
  if (flow.hard_timeout != 0) text += fmt::format("hard_timeout={}, ", flow.hard_timeout);
  text += flag_words(flow.flags, " ");
  if (flow.importance != 0) text += fmt::format("importance={}, ", flow.importance);
  return text;
}

std::string match_and_actions(const FlowSpec& flow, const Names& names) {
  std::string match = match_with_priority(flow, names);
  if (!match.empty()) match += ' ';
  return match + "actions=" + format_actions(flow.actions, names);
}

}  // namespace

namespace {

/// The words in front of the actions.
Status parse_words(std::string_view text, Kind kind, const Names& names, FlowSpec& flow) {
  while (const auto word = next_word(text)) {
    SLUICE_ASSIGN(const bool option, parse_option(*word, kind, names, flow));
    if (option) continue;
    SLUICE_ASSIGN(const bool matched, field::parse_match_word(flow.match, word->name, word->argument,
                                                              word->has_argument, names.ports));
    if (!matched) {
      if (word->argument.empty())
        return fail("field " + std::string(word->name) + " missing value: expected a match or an option");
      return fail("unknown keyword " + std::string(word->name) +
                  ": expected a match field or an option of a flow");
    }
    flow.usable = flow.usable & word_protocols(*word, flow.match);
  }
  const flow::Match written = flow.match;
  SLUICE_ASSIGN(std::string dropped, field::settle_match(flow.match));
  if (!dropped.empty()) {
    flow.warnings.push_back(std::move(dropped));
    flow.written_match = field::format_match(written, names.ports);
  }
  if (std::string never = field::impossible_match(flow.match); !never.empty())
    flow.warnings.push_back(std::move(never));
  if (field::fixed_eth_type(flow.match) == 0x86dd &&
      field::get(flow.match, field::FieldId::IpProto).mask != 0)
    flow.usable = flow.usable & Protocols(Protocols::kNxmOrOxm);
  return {};
}

}  // namespace

Result<FlowSpec> parse_flow(std::string_view text, const FlowParseOptions& options) {
  FlowSpec flow{.command = options.command};
  if (deletes(flow.command)) {
    SLUICE_TRY(parse_words(text, kind_of(flow.command), options.names, flow));
    return flow;
  }
  const Halves halves = split_actions(text);
  if (!halves.actions) return fail("must specify an action: expected actions=… behind the match");
  SLUICE_TRY(parse_words(halves.match, kind_of(flow.command), options.names, flow));
  SLUICE_ASSIGN(flow.actions, parse_actions(*halves.actions, options.names));
  settle(flow.actions, flow.match);
  if (options.check)
    SLUICE_TRY(
        check(flow.actions, flow.match,
              {.table = flow.table == kNoTable ? std::uint8_t{0} : flow.table, .version = options.version}));
  flow.usable = flow.usable & usable_protocols(flow.actions, flow.match);
  return flow;
}

Result<FlowSpec> parse_flow_filter(std::string_view text, const Names& names) {
  FlowSpec flow;
  SLUICE_TRY(parse_words(text, Kind::Filter, names, flow));
  return flow;
}

Result<FlowSpec> parse_packet_fields(std::string_view text, const Names& names) {
  FlowSpec flow;
  const Halves halves = split_actions(text);
  SLUICE_TRY(parse_words(halves.match, Kind::PacketOut, names, flow));
  SLUICE_ASSIGN(flow.actions, parse_actions(halves.actions.value_or(""), names));
  flow.usable = flow.usable & usable_protocols(flow.actions, flow.match);
  return flow;
}

std::optional<FlowLines::Line> FlowLines::next() {
  while (!rest_.empty()) {
    const auto newline = rest_.find('\n');
    std::string_view line = rest_.substr(0, newline);
    rest_ = newline == std::string_view::npos ? std::string_view{} : rest_.substr(newline + 1);
    ++number_;
    line = trim(line.substr(0, line.find('#')));
    if (line.empty()) continue;
    Line result{.text = line, .number = number_, .command = command_};
    if (!own_commands_) return result;
    for (const CommandName& name : kCommands) {
      const std::size_t length = name.word.size();
      if (!line.starts_with(name.word) ||
          (line.size() > length && line[length] != ' ' && line[length] != '\t'))
        continue;
      result.command = name.command;
      result.text = trim(line.substr(length));
      break;
    }
    return result;
  }
  return std::nullopt;
}

FlowFile parse_flow_file(std::string_view text, std::string_view file_name, const FlowParseOptions& options) {
  FlowFile file;
  FlowLines lines(text, options.command);
  while (const auto line = lines.next()) {
    FlowParseOptions line_options = options;
    line_options.command = line->command;
    auto flow = parse_flow(line->text, line_options);
    if (flow) {
      file.flows.push_back(std::move(*flow));
    } else {
      flow.error().message = fmt::format("{}:{}: {}", file_name, line->number, flow.error().message);
      file.errors.push_back(std::move(flow).error());
    }
  }
  return file;
}

std::string format_flow_mod(const FlowSpec& flow, const Names& names) {
  std::string text;
  for (const CommandName& name : kCommands)
    if (name.command == flow.command) text += name.printed;
  if (flow.table != 0) text += " table:" + (flow.table == kNoTable ? "255" : format_table(flow.table, names));
  text += ' ';
  text += match_with_priority(flow, names);
  if (text.back() != ' ') text += ' ';
  // All ones leave the cookie as it is.
  if (const auto cookie = flow.new_cookie.value_or(0); cookie != 0 && cookie != ~std::uint64_t{0})
    text += fmt::format("cookie:{} ", hex(cookie));
  if (flow.cookie_mask != 0) text += fmt::format("cookie:{:#x}/{:#x} ", flow.cookie, flow.cookie_mask);
  if (flow.idle_timeout != 0) text += fmt::format("idle:{} ", flow.idle_timeout);
  if (flow.hard_timeout != 0) text += fmt::format("hard:{} ", flow.hard_timeout);
  if (flow.importance != 0) text += fmt::format("importance:{} ", flow.importance);
  if (flow.buffer_id != 0xffffffff) text += fmt::format("buf:{:#x} ", flow.buffer_id);
  if (flow.out_port != of_port::kNone) text += fmt::format("out_port:{} ", format_port(flow.out_port, names));
  text += flag_words(flow.flags, " ");
  return text + "actions=" + format_actions(flow.actions, names);
}

std::string format_flow(const FlowSpec& flow, const Names& names) {
  std::string text;
  const auto add = [&](const std::string& word) {
    if (!word.empty()) text += (text.empty() ? "" : ",") + word;
  };
  if (flow.new_cookie.value_or(0) != 0) add("cookie=" + hex(*flow.new_cookie));
  if (flow.cookie_mask != 0) add("cookie=" + hex(flow.cookie) + "/" + hex(flow.cookie_mask));
  if (flow.table != kNoTable) add("table=" + format_table(flow.table, names));
  if (flow.idle_timeout != 0) add(fmt::format("idle_timeout={}", flow.idle_timeout));
  if (flow.hard_timeout != 0) add(fmt::format("hard_timeout={}", flow.hard_timeout));
  if (flow.importance != 0) add(fmt::format("importance={}", flow.importance));
  if (flow.out_port != of_port::kNone) add("out_port=" + format_port(flow.out_port, names));
  if (flow.out_group != 0xffffffff) add(fmt::format("out_group={}", flow.out_group));
  std::string flags = flag_words(flow.flags, ",");
  if (!flags.empty()) flags.pop_back();
  add(flags);
  add(match_with_priority(flow, names));
  if (!deletes(flow.command)) add("actions=" + format_actions(flow.actions, names));
  return text;
}

std::string format_flow_stats(const FlowSpec& flow, const FlowCounters& counters, const Names& names) {
  const std::string duration = format_duration(counters.duration_ns);
  const auto count = [](std::uint64_t n) { return n == ~std::uint64_t{0} ? "?" : std::to_string(n); };
  std::string text = fmt::format("cookie={:#x}, duration={}s, table={}, n_packets={}, n_bytes={}, ",
                                 flow.new_cookie.value_or(0), duration,
                                 format_table(flow.table == kNoTable ? std::uint8_t{0} : flow.table, names),
                                 count(counters.packets), count(counters.bytes));
  text += dump_options(flow);
  if (counters.idle_age_s >= 0) text += fmt::format("idle_age={}, ", counters.idle_age_s);
  // A flow that was never modified is as old as it says already.
  if (counters.hard_age_s >= 0 && counters.hard_age_s != counters.duration_ns / 1'000'000'000)
    text += fmt::format("hard_age={}, ", counters.hard_age_s);
  return text + match_and_actions(flow, names);
}

std::string format_flow_without_stats(const FlowSpec& flow, const Names& names) {
  std::string text;
  if (flow.new_cookie.value_or(0) != 0) text += fmt::format("cookie={:#x}, ", *flow.new_cookie);
  if (flow.table != kNoTable && flow.table != 0)
    text += fmt::format("table={}, ", format_table(flow.table, names));
  return text + dump_options(flow) + match_and_actions(flow, names);
}

Protocols common_protocols(const std::vector<FlowSpec>& flows) {
  Protocols common;
  for (const FlowSpec& flow : flows) common = common & flow.usable;
  return common;
}

Result<std::string> format_parsed_flows(const std::vector<FlowSpec>& flows, Protocols allowed,
                                        const Names& names) {
  const Protocols common = common_protocols(flows);
  std::string text = "usable protocols: " + format_protocols(common) + "\n";
  const auto chosen = choose_protocol(common, allowed);
  if (!chosen) return fail("no usable protocol: expected one of " + format_protocols(common));
  text += "chosen protocol: " + protocol_name(*chosen) + "\n";

  const OfVersion version = version_of(*chosen);
  const bool carries_table = *chosen != Protocols::kOf10 && *chosen != Protocols::kNxm;
  const bool nxm = (static_cast<unsigned>(*chosen) & Protocols::kAnyNxm) != 0;
  unsigned xid = 1;
  for (const FlowSpec& flow : flows) {
    FlowSpec seen = flow;
    SLUICE_ASSIGN(seen.actions, as_seen_by(flow.actions, version));
    settle(seen.actions, seen.match);
    if (!carries_table)
      seen.table = 0;
    else if (version >= OfVersion::k11 && seen.table == kNoTable && !deletes(seen.command))
      seen.table = 0;
    if (version < OfVersion::k14) seen.importance = 0;
    text += nxm ? "NXT_FLOW_MOD" : "OFPT_FLOW_MOD";
    if (version >= OfVersion::k11) text += fmt::format(" (OF1.{})", static_cast<unsigned>(version) - 1);
    text += fmt::format(" (xid={:#x}): {}\n", xid++, format_flow_mod(seen, names));
  }
  return text;
}

}  // namespace sluice::action
