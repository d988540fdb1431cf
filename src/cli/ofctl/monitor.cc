// The verbs that listen: monitor prints what a switch sends by itself, snoop what it exchanges with its
// controller.
#include <fmt/core.h>

#include <cstdio>

#include "action/codec.h"
#include "cli/ofctl/dump.h"
#include "cli/ofctl/listen.h"
#include "cli/ofctl/verbs.h"
#include "field/match_text.h"

namespace sluice::cli::ofctl {

using openflow::OfVersion;

namespace {

/// "!initial,!own,table=1,in_port=2": what a watch: argument says.
Result<openflow::MonitorRequest> parse_watch(std::string_view text, const action::Names& names) {
  openflow::MonitorRequest request{
      .flags = {.initial = true, .add = true, .removed = true, .modify = true, .actions = true, .own = true}};
  struct Flag {
    std::string_view word;
    bool openflow::MonitorFlags::* flag;
  };
  constexpr Flag kFlags[] = {
      {"!initial", &openflow::MonitorFlags::initial}, {"!add", &openflow::MonitorFlags::add},
      {"!delete", &openflow::MonitorFlags::removed},  {"!modify", &openflow::MonitorFlags::modify},
      {"!actions", &openflow::MonitorFlags::actions}, {"!own", &openflow::MonitorFlags::own},
  };
  const std::string whole(text);
  while (const auto word = action::next_word(text)) {
    const Flag* flag = nullptr;
    for (const Flag& f : kFlags)
      if (f.word == word->name) flag = &f;
    const auto bad = [&](std::string_view why) { return fail(fmt::format("{}: {}", whole, why)); };
    if (flag != nullptr) {
      request.flags.*flag->flag = false;
      continue;
    }
    if (word->name == "table") {
      const auto table = action::parse_table(word->argument, names);
      if (!table) return bad(fmt::format("unknown table \"{}\"", word->argument));
      request.table = *table;
    } else if (word->name == "out_port") {
      const auto port = action::parse_port(word->argument, names);
      if (!port) return bad(fmt::format("{} is not a valid OpenFlow port", word->argument));
      request.out_port = *port;
    } else if (word->name == "out_group") {
      SLUICE_ASSIGN(const auto group, action::parse_number(word->argument, 0xffffffff, "out_group"));
      request.out_group = static_cast<std::uint32_t>(group);
    } else {
      const auto matched =
          field::parse_match_word(request.match, word->name, word->argument, word->has_argument, names.ports);
      if (!matched) return bad(original_text(matched.error()));
      if (!*matched)
        return bad(word->has_argument ? fmt::format("unknown keyword {}", word->name)
                                      : fmt::format("field {} missing value", word->name));
    }
  }
  SLUICE_TRY(field::settle_match(request.match));
  return request;
}

/// What the switch sends of packets that miss, and whether TTLs that ran out are such.
Status set_config(Run& run, Connection& connection, openflow::SwitchConfig config) {
  SLUICE_ASSIGN(const bool done, change(run, connection, run.words[0], openflow::SetConfig{config}));
  if (!done) SLUICE_TRY(connection.protocol_error());
  return {};
}

Status ask_for_invalid_ttl(Run& run, Connection& connection) {
  SLUICE_ASSIGN(auto config, fetch_config(connection));
  config.invalid_ttl_to_controller = true;
  SLUICE_TRY(set_config(run, connection, config));
  SLUICE_ASSIGN(const auto now, fetch_config(connection));
  if (now.invalid_ttl_to_controller) return {};
  return fail("setting invalid_ttl_to_controller failed (this switch probably doesn't support mode)");
}

Result<bool> set_packet_in_format(Connection& connection, openflow::Style style) {
  SLUICE_ASSIGN(const auto refused, connection.demand(openflow::SetPacketInFormat{.style = style}));
  return !refused.has_value();
}

Status choose_packet_in_format(Run& run, Connection& connection) {
  if (run.options.packet_in) {
    SLUICE_ASSIGN(const bool set, set_packet_in_format(connection, *run.options.packet_in));
    if (!set) return fail(run.words[0] + ": failed to set the packet-in format that was asked for");
    return {};
  }
  SLUICE_ASSIGN(const bool best, set_packet_in_format(connection, openflow::Style::Nicira2));
  if (best || connection.version() != OfVersion::k10) return {};
  SLUICE_TRY(set_packet_in_format(connection, openflow::Style::Nicira));
  return {};
}

}  // namespace

Result<int> monitor(Run& run) {
  const std::string& target = run.words[0];
  // Arguments are looked at before anybody is connected to.
  for (std::size_t i = 1; i < run.words.size(); ++i) {
    const std::string& word = run.words[i];
    if (!(word[0] >= '0' && word[0] <= '9') && word != "invalid_ttl" && word != "resume" &&
        !word.starts_with("watch:"))
      return fail(fmt::format("{}: unsupported \"monitor\" argument", word));
  }
  SLUICE_ASSIGN(Connection connection, Connection::open(run, target));
  Listening listening{.answers_echoes = true};
  for (std::size_t i = 1; i < run.words.size(); ++i) {
    const std::string& word = run.words[i];
    if (word == "invalid_ttl") {
      SLUICE_TRY(ask_for_invalid_ttl(run, connection));
    } else if (word == "resume") {
      listening.resumes = true;
    } else if (word.starts_with("watch:")) {
      SLUICE_ASSIGN(const NameMap names, names_to_read(run, target));
      SLUICE_ASSIGN(auto request, parse_watch(std::string_view(word).substr(6), names.names()));
      SLUICE_TRY(
          dump(run, connection, target, openflow::FlowMonitorRequest{.entries = {std::move(request)}}));
      std::fflush(stdout);
    } else {
      SLUICE_ASSIGN(auto config, fetch_config(connection));
      config.miss_send_len = static_cast<std::uint16_t>(std::strtoul(word.c_str(), nullptr, 10));
      SLUICE_TRY(set_config(run, connection, config));
    }
  }
  SLUICE_TRY(choose_packet_in_format(run, connection));
  return listen(run, std::move(connection), listening);
}

Result<int> snoop(Run& run) {
  SLUICE_ASSIGN(Connection connection, Connection::open(run, run.words[0], "snoop"));
  return listen(run, std::move(connection), {});
}

}  // namespace sluice::cli::ofctl
