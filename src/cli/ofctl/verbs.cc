#include "cli/ofctl/verbs.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "action/protocols.h"
#include "cli/ofctl/options.h"
#include "cli/ofctl/plumbing.h"
#include "cli/ofctl/signals.h"
#include "cli/version.h"

namespace sluice::cli::ofctl {

namespace {

constexpr std::size_t kAny = 1 << 20;

Result<int> help(Run& run) {
  print(help_text(run.program));
  return 0;
}

Result<int> list_commands(Run&) {
  print("The available commands are:\n");
  for (const VerbRow& row : verbs()) print(fmt::format("  {:<23} {}\n", row.name, row.arguments));
  return 0;
}

constexpr VerbRow kVerbs[] = {
    {"show", "switch", 1, 1, false, show, "what the switch is and its ports"},
    {"monitor", "switch [misslen] [invalid_ttl] [watch:[...]]", 1, 3, false, monitor,
     "print what the switch sends: packets, changes of ports and flows"},
    {"snoop", "switch", 1, 1, false, snoop, "print what the switch and its controller exchange"},
    {"dump-desc", "switch", 1, 1, false, dump_desc, "who made the switch"},
    {"dump-tables", "switch", 1, 1, false, dump_tables, "what the tables counted"},
    {"dump-table-features", "switch", 1, 1, false, dump_table_features, "what the tables can do (1.3+)"},
    {"dump-table-desc", "switch", 1, 1, false, dump_table_desc, "what full tables do (1.4+)"},
    {"dump-flows", "switch", 1, 2, false, dump_flows, "flows; with a FLOW, those that match it"},
    {"dump-aggregate", "switch", 1, 2, false, dump_aggregate, "what flows counted together"},
    {"queue-stats", "switch [port [queue]]", 1, 3, false, queue_stats, "what queues counted"},
    {"queue-get-config", "switch [port [queue]]", 1, 3, false, queue_get_config, "the rates of queues"},
    {"add-flow", "switch flow", 2, 2, true, add_flow, "add a flow, or those of standard input (-)"},
    {"add-flows", "switch file", 2, 2, true, add_flows, "add, change and delete the flows of a file"},
    {"mod-flows", "switch flow", 2, 2, true, mod_flows, "change the actions of flows that match"},
    {"del-flows", "switch [flow]", 1, 2, true, del_flows, "delete flows that match; all without FLOW"},
    {"replace-flows", "switch file", 2, 2, true, replace_flows, "make the flows those of a file"},
    {"diff-flows", "source1 source2", 2, 2, false, diff_flows, "compare flows of files and switches"},
    {"add-meter", "switch meter", 2, 2, true, add_meter, "add a meter (1.3+)"},
    {"mod-meter", "switch meter", 2, 2, true, mod_meter, "change a meter"},
    {"del-meter", "switch meter", 1, 2, true, del_meters, "delete a meter"},
    {"del-meters", "switch", 1, 2, true, del_meters, "delete all meters"},
    {"dump-meter", "switch meter", 1, 2, false, dump_meters, "a meter"},
    {"dump-meters", "switch", 1, 2, false, dump_meters, "all meters"},
    {"meter-stats", "switch [meter]", 1, 2, false, meter_stats, "what meters counted"},
    {"meter-features", "switch", 1, 1, false, meter_features, "what meters can do"},
    {"packet-out", "switch \"in_port=<port> packet=<hex data> actions=...\"", 2, kAny, true, packet_out,
     "send a packet through actions"},
    {"dump-ports", "switch [port]", 1, 2, false, dump_ports, "what ports counted"},
    {"dump-ports-desc", "switch [port]", 1, 2, false, dump_ports_desc, "ports"},
    {"mod-port", "switch iface act", 3, 3, true, mod_port,
     "up, down, [no-]receive, [no-]forward, [no-]flood, [no-]packet-in, [no-]stp"},
    {"mod-table", "switch mod", 3, 3, true, mod_table,
     "TABLE SETTING: controller, continue, drop (1.1, 1.2); name:NAME (1.3+); [no]evict, "
     "vacancy:LOW,HIGH, novacancy (1.4+)"},
    {"get-frags", "switch", 1, 1, false, get_frags, "what is done with IP fragments"},
    {"set-frags", "switch frag_mode", 2, 2, true, set_frags, "normal, drop, reassemble or nx-match"},
    {"probe", "target", 1, 1, false, probe, "whether the target answers"},
    {"ping", "target [n]", 1, 2, false, ping, "how fast it answers"},
    {"benchmark", "target n count", 3, 3, false, benchmark, "how fast it answers COUNT echoes of N bytes"},
    {"dump-ipfix-bridge", "switch", 1, 1, false, dump_ipfix_bridge,
     "what the IPFIX exporter of the bridge counted"},
    {"dump-ipfix-flow", "switch", 1, 1, false, dump_ipfix_flow, "what the IPFIX exporters of flows counted"},
    {"ct-flush-zone", "switch zone", 2, 2, true, ct_flush_zone, "forget the connections of a zone"},
    {"ct-flush", "switch [zone=N] [ct-orig-tuple [ct-reply-tuple]]", 1, 4, true, ct_flush,
     "forget connections that tuples describe"},
    {"ofp-parse", "file", 1, 1, false, plumbing<"ofp-parse">,
     "print the OpenFlow messages of a stream in a file"},
    {"ofp-parse-pcap", "pcap", 1, kAny, false, ofp_parse_pcap, "print the OpenFlow messages of a capture"},
    {"add-group", "switch group", 1, 2, true, add_group, "add a group, or those of standard input (-)"},
    {"add-groups", "switch file", 1, 2, true, add_groups, "add, change and delete the groups of a file"},
    {"mod-group", "switch group", 1, 2, true, mod_group, "change a group"},
    {"del-groups", "switch [group]", 1, 2, true, del_groups, "delete a group; all without GROUP"},
    {"insert-buckets", "switch [group]", 1, 2, true, insert_buckets, "add buckets to a group (1.5, 1.0)"},
    {"remove-buckets", "switch [group]", 1, 2, true, remove_buckets, "remove buckets of a group (1.5, 1.0)"},
    {"dump-groups", "switch [group]", 1, 2, false, dump_groups, "groups"},
    {"dump-group-stats", "switch [group]", 1, 2, false, dump_group_stats, "what groups counted"},
    {"dump-group-features", "switch", 1, 1, false, dump_group_features, "what groups can do"},
    {"bundle", "switch file", 2, 2, true, bundle, "flows, groups and packets of a file, all or none"},
    {"add-tlv-map", "switch map", 2, 2, true, add_tlv_map, "which Geneve options tun_metadataN are"},
    {"del-tlv-map", "switch [map]", 1, 2, true, del_tlv_map, "forget such a mapping; all without MAP"},
    {"dump-tlv-map", "switch", 1, 1, false, dump_tlv_map, "the mappings"},
    {"help", "", 0, kAny, false, help, nullptr},
    {"list-commands", "", 0, kAny, false, list_commands, nullptr},
    {"parse-flow", "", 1, 1, false, plumbing<"parse-flow">, nullptr},
    {"parse-flows", "", 1, 1, false, plumbing<"parse-flows">, nullptr},
    {"parse-group", "", 1, 1, false, plumbing<"parse-group">, nullptr},
    {"parse-nx-match", "", 0, 0, false, plumbing<"parse-nxm">, nullptr},
    {"parse-nxm", "", 0, 0, false, plumbing<"parse-nxm">, nullptr},
    {"parse-oxm", "", 1, 1, false, plumbing<"parse-oxm">, nullptr},
    {"parse-actions", "", 1, 1, false, plumbing<"parse-actions">, nullptr},
    {"parse-instructions", "", 1, 1, false, plumbing<"parse-instructions">, nullptr},
    {"parse-ofp10-match", "", 0, 0, false, plumbing<"parse-ofp10-match">, nullptr},
    {"parse-ofp11-match", "", 0, 0, false, plumbing<"parse-ofp11-match">, nullptr},
    {"parse-pcap", "", 1, kAny, false, parse_pcap, nullptr},
    {"check-vlan", "", 2, 2, false, check_vlan, nullptr},
    {"print-error", "", 1, 1, false, plumbing<"print-error">, nullptr},
    {"encode-error-reply", "", 2, 2, false, plumbing<"encode-error-reply">, nullptr},
    {"ofp-print", "", 1, 2, false, plumbing<"ofp-print">, nullptr},
    {"encode-hello", "", 1, 1, false, plumbing<"encode-hello">, nullptr},
    {"parse-key-value", "", 1, kAny, false, parse_key_value, nullptr},
    {"compose-packet", "", 1, 2, false, compose_packet, nullptr},
    {"parse-packet", "", 0, 0, false, parse_packet, nullptr},
};

int complain(const Run& run, std::string_view message) {
  std::fflush(stdout);
  if (!message.empty()) fmt::print(stderr, "{}: {}\n", run.program, message);
  return 1;
}

Result<int> dispatch(Run& run, std::vector<std::string> words) {
  if (words.empty()) return fail("missing command name; use --help for help");
  const std::string name = words.front();
  for (const VerbRow& row : kVerbs) {
    if (name != row.name) continue;
    words.erase(words.begin());
    if (words.size() < row.least)
      return fail(fmt::format("'{}' command requires at least {} arguments", name, row.least));
    if (words.size() > row.most)
      return fail(fmt::format("'{}' command takes at most {} arguments", name, row.most));
    if (row.changes && run.options.read_only)
      return fail(fmt::format("'{}' command does not work in read only mode", name));
    run.words = std::move(words);
    return row.run(run);
  }
  return fail(fmt::format("unknown command '{}'; use --help for help", name));
}

}  // namespace

std::span<const VerbRow> verbs() {
  return kVerbs;
}

std::string verb_help() {
  std::string text = "\nVerbs:\n";
  for (const VerbRow& row : kVerbs) {
    if (row.help == nullptr) continue;
    const std::string usage = fmt::format("{} {}", row.name, row.arguments);
    text += usage.size() <= 40 ? fmt::format("  {:<40} {}\n", usage, row.help)
                               : fmt::format("  {}\n  {:<40} {}\n", usage, "", row.help);
  }
  text += "\nPlumbing, to look at encodings:\n ";
  for (const VerbRow& row : kVerbs)
    if (row.help == nullptr && std::string_view(row.name).find('-') != std::string_view::npos)
      text += fmt::format(" {}", row.name);
  return text + "\n";
}

bool Run::shows_names() const {
  return options.names.value_or(isatty(STDOUT_FILENO) != 0);
}

action::Protocols Run::allowed_formats() const {
  std::uint16_t bits = 0;
  for (std::uint16_t bit = 1; bit <= action::Protocols::kOf15; bit = static_cast<std::uint16_t>(bit << 1)) {
    const auto version = static_cast<unsigned>(action::version_of(static_cast<action::Protocols::Bit>(bit)));
    if ((options.versions >> version & 1) != 0) bits |= bit;
  }
  return options.formats & action::Protocols(bits);
}

std::string daemon_name(const Run& run) {
  std::string name = run.program;
  std::replace(name.begin(), name.end(), ' ', '-');
  return name;
}

std::string original_text(const Error& error) {
  const auto more = error.message.find(": expected ");
  return error.message.substr(0, more);
}

void print(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
}

void print(Bytes message, const Run& run, const action::Names& names) {
  print(openflow::print(message, {.verbosity = run.options.verbosity + 1, .names = names}));
}

int run(const std::string& program, const std::vector<std::string>& words, const std::string& run_dir) {
  Run run;
  run.program = program;
  run.run_dir = run_dir;
  (void)run.log.set("ANY:console:info");
  auto line = read_options(words, run);
  if (!line) return complain(run, line.error().message);
  if (line->wants == CommandLine::Wants::Help) {
    print(help_text(program));
  } else if (line->wants == CommandLine::Wants::Version) {
    print(fmt::format("{} (Sluice) {}\nOpenFlow versions 0x1:0x6\n", program, kVersion));
  } else if (line->wants == CommandLine::Wants::OptionList) {
    print(option_list());
  } else {
    catch_signals(run.options.timeout_s);
    const auto status = dispatch(run, std::move(line->words));
    if (!status) return complain(run, original_text(status.error()));
    if (std::fflush(stdout) != 0) return complain(run, "standard output can't be written");
    return *status;
  }
  return std::fflush(stdout) == 0 ? 0 : 1;
}

}  // namespace sluice::cli::ofctl
