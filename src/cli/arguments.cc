// The grammar, in CLI11. Every subcommand has examples in its help; completion scripts are made by walking
// the same grammar, so that they can't differ from it.
#include "cli/arguments.h"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <functional>
#include <span>
#include <sstream>

#include "cli/commands.h"
#include "cli/completion.h"
#include "cli/ofctl/options.h"
#include "cli/ofctl/verbs.h"
#include "cli/version.h"

namespace sluice::cli {

namespace {

/// Everything that the command line can say, and what it asks to be done.
struct Invocation {
  Common common;
  CtArguments ct;
  FlowArguments flow;
  GroupArguments group;
  TraceArguments trace;
  StatsArguments stats;
  ReplayArguments replay;
  CheckArguments check;
  ParseArguments parse;
  OfpArguments ofp;
  std::vector<std::string> replay_in, replay_out;
  std::string shell;
  std::function<int()> action;
};

CLI::App* add(CLI::App& parent, const std::string& name, const std::string& description,
              const std::string& examples) {
  CLI::App* sub = parent.add_subcommand(name, description);
  sub->footer("Examples:\n" + examples);
  sub->fallthrough();
  return sub;
}

void add_ct(CLI::App& app, Invocation& call) {
  CLI::App* ct = add(app, "ct", "The connection table",
                     "  sluice ct list zone=1          connections of zone 1\n"
                     "  sluice ct flush                forget all connections\n"
                     "  sluice ct expectations         what FTP and TFTP helpers expect\n"
                     "  sluice ct stats                how many of each protocol and state\n"
                     "  sluice ct events               connections as they come, change and go\n"
                     "  sluice ct reasons              packets that were invalid or dropped, and why\n"
                     "  sluice ct zone 5 loose=off     how strict a zone is, and its timeouts\n"
                     "  sluice ct limits set zone=1,limit=1000\n");
  ct->require_subcommand(1);

  CLI::App* list =
      add(*ct, "list", "Lists connections",
          "  sluice ct list                 a table\n"
          "  sluice ct list zone=5 --json   for programs\n"
          "  sluice ct list --cookie 0x7 -m the connections that rules with cookie 7 committed\n"
          "  sluice ct list --raw           lines as ovs-appctl dpctl/dump-conntrack prints them\n");
  const auto choose = [&call](CLI::App* sub) {
    sub->add_option("--zone", call.ct.zone, "Only of this zone")->type_name("N");
    sub->add_option("--mark", call.ct.mark, "Only with this mark")->type_name("X[/M]");
    sub->add_option("--label", call.ct.label, "Only with this label")->type_name("X[/M]");
    sub->add_option("--cookie", call.ct.cookie, "Only those that a rule with this cookie committed")
        ->type_name("X[/M]");
    sub->add_option("filter", call.ct.words,
                    "zone=N mark=X[/M] label=X[/M] cookie=X[/M] ORIGINAL-TUPLE [REPLY-TUPLE]")
        ->type_name("FILTER");
  };
  choose(list);
  list->add_flag("--raw", call.ct.raw, "Lines in the form of ovs-appctl (takes zone=N alone as a filter)");
  list->add_flag("-m,--more", call.ct.more, "Identifiers and cookies; with --raw TCP states and statistics");
  list->callback([&call] { call.action = [&call] { return ct_list(call.common, call.ct); }; });

  CLI::App* flush = add(*ct, "flush", "Forgets connections: all, or those that the filter names",
                        "  sluice ct flush\n"
                        "  sluice ct flush zone=5\n"
                        "  sluice ct flush --mark 0x1/0x1\n"
                        "  sluice ct flush --cookie 0x1234    what the rule committed that is about to go\n"
                        "  sluice ct flush zone=0 ct_nw_src=10.0.0.1,ct_nw_proto=6\n");
  choose(flush);
  flush->callback([&call] { call.action = [&call] { return ct_flush(call.common, call.ct); }; });

  CLI::App* expectations =
      add(*ct, "expectations", "Lists the connections that helpers (alg=ftp, alg=tftp) expect",
          "  sluice ct expectations\n  sluice ct expectations zone=5 --json\n");
  expectations->add_option("filter", call.ct.words, "zone=N")->type_name("FILTER");
  expectations->callback(
      [&call] { call.action = [&call] { return ct_expectations(call.common, call.ct); }; });

  CLI::App* counts = add(*ct, "stats", "Counts connections by protocol and state",
                         "  sluice ct stats\n  sluice ct stats zone=5 --json\n");
  counts->add_option("filter", call.ct.words, "zone=N")->type_name("FILTER");
  counts->callback([&call] { call.action = [&call] { return ct_stats(call.common, call.ct); }; });

  CLI::App* reasons =
      add(*ct, "reasons",
          "Counts packets that were invalid or dropped, by zone and reason, with the last of each",
          "  sluice ct reasons\n"
          "  sluice ct reasons --zone 5 --recent   the last packets, one a line\n"
          "  sluice ct reasons --json              with a sentence for each reason\n");
  reasons->add_option("--zone", call.ct.zone, "Only of this zone")->type_name("N");
  reasons->add_flag("--recent", call.ct.recent, "The last packets of all reasons");
  reasons->callback([&call] { call.action = [&call] { return ct_reasons(call.common, call.ct); }; });

  CLI::App* events =
      add(*ct, "events", "Shows connections as they come, change and go, until interrupted",
          "  sluice ct events\n"
          "  sluice ct events --zone 5 --mark 0x1/0x1\n"
          "  sluice ct events --json               a JSON object a line, the first when listening has begun\n"
          "  sluice ct events --count 10           ten of them\n");
  choose(events);
  events->add_option("-n,--count", call.ct.count, "End after so many")->type_name("N");
  events->callback([&call] { call.action = [&call] { return ct_events(call.common, call.ct); }; });

  CLI::App* zones = add(*ct, "zones", "Lists zones with connections or settings of their own",
                        "  sluice ct zones\n  sluice ct zones --json\n");
  zones->callback([&call] { call.action = [&call] { return ct_zones(call.common, call.ct); }; });

  CLI::App* zone = add(
      *ct, "zone", "Sets how strict a zone is, and its timeouts",
      "  sluice ct zone 5 loose=off            connections have to begin with SYN or INIT\n"
      "  sluice ct zone 5 liberal=on           segments outside the window are valid, resets excepted\n"
      "  sluice ct zone 5 seq-check=off        on, off, or default: as ct-disable-tcp-seq-chk says for all\n"
      "  sluice ct zone 5 tcp_established=3600 udp_first=10 sctp_established=600\n"
      "  sluice ct zone 5 default              all of it as at first\n");
  zone->add_option("zone", call.ct.zone, "Number of the zone")->type_name("N")->required();
  zone->add_option("settings", call.ct.words, "liberal= loose= seq-check= TIMEOUT=SECONDS or default")
      ->type_name("SETTING")
      ->required();
  zone->callback([&call] {
    call.ct.words.insert(call.ct.words.begin(), "zone=" + call.ct.zone);
    call.action = [&call] { return ct_set_zone(call.common, call.ct); };
  });

  CLI::App* limits =
      add(*ct, "limits", "Shows and sets how many connections a zone may have",
          "  sluice ct limits                        the default and zones with a limit of their own\n"
          "  sluice ct limits set default=10000\n"
          "  sluice ct limits set zone=5,limit=100 zone=6,limit=0\n"
          "  sluice ct limits del zone=5,6\n");
  limits->callback([&call] {
    if (!call.action) call.action = [&call] { return ct_limits(call.common, call.ct); };
  });
  CLI::App* set =
      add(*limits, "set", "Sets limits", "  sluice ct limits set default=10000 zone=5,limit=100\n");
  set->add_option("limits", call.ct.words, "default=N or zone=N,limit=M")->type_name("LIMIT")->required();
  set->callback([&call] { call.action = [&call] { return ct_set_limits(call.common, call.ct); }; });
  CLI::App* del =
      add(*limits, "del", "Gives zones the default limit again", "  sluice ct limits del zone=5,6\n");
  del->add_option("zones", call.ct.words, "zone=N[,N…]")->type_name("ZONES")->required();
  del->callback([&call] { call.action = [&call] { return ct_del_limits(call.common, call.ct); }; });
}

struct GroupVerb {
  const char *name, *command, *help, *example, *text;
  bool needs_text, takes_file;
};

/// The subcommands of `sluice group` and `sluice meter`: each asks the daemon for the command of its row.
void add_verbs(CLI::App& parent, Invocation& call, std::span<const GroupVerb> verbs) {
  for (const GroupVerb& verb : verbs) {
    CLI::App* sub = add(parent, verb.name, verb.help, verb.example);
    sub->add_option("bridge", call.group.bridge, "Name of the bridge")->type_name("BRIDGE")->required();
    if (verb.text != nullptr) {
      sub->add_option("text", call.group.text, "In ovs-ofctl syntax")->type_name(verb.text);
      if (verb.takes_file)
        sub->add_option("-f,--file", call.group.file, "A file with a line each, - for standard input")
            ->type_name("FILE");
    }
    sub->callback([&call, verb] {
      if (verb.needs_text && call.group.text.empty() && call.group.file.empty())
        throw CLI::ValidationError(verb.name, "expected what to change");
      call.group.command = verb.command;
      call.action = [&call] { return group_command(call.common, call.group); };
    });
  }
}

void add_groups(CLI::App& app, Invocation& call) {
  static constexpr GroupVerb kGroups[] = {
      {"list", "group-list", "Lists groups with their buckets", "  sluice group list br0\n", "GROUP", false,
       false},
      {"stats", "group-stats", "Shows what groups and buckets counted", "  sluice group stats br0\n", "GROUP",
       false, false},
      {"add", "group-add", "Adds groups",
       "  sluice group add br0 'group_id=1,type=select,bucket=1,bucket=2'\n", "GROUP", true, true},
      {"mod", "group-mod", "Changes groups", "  sluice group mod br0 'group_id=1,type=all,bucket=1'\n",
       "GROUP", true, true},
      {"del", "group-del", "Removes groups and the flows that use them; all without GROUP",
       "  sluice group del br0 group_id=1\n", "GROUP", false, true},
      {"insert-buckets", "group-insert-buckets", "Adds buckets to a group",
       "  sluice group insert-buckets br0 group_id=1,command_bucket_id=last,bucket=bucket_id:7,actions=3\n",
       "GROUP", true, false},
      {"remove-buckets", "group-remove-buckets", "Removes buckets of a group",
       "  sluice group remove-buckets br0 group_id=1,command_bucket_id=7\n", "GROUP", true, false},
  };
  static constexpr GroupVerb kMeters[] = {
      {"list", "meter-list", "Lists meters with their bands", "  sluice meter list br0\n", nullptr, false,
       false},
      {"stats", "meter-stats", "Shows what meters and bands counted", "  sluice meter stats br0\n", nullptr,
       false, false},
      {"add", "meter-add", "Adds a meter", "  sluice meter add br0 meter=1,kbps,band=type=drop,rate=1000\n",
       "METER", true, false},
      {"mod", "meter-mod", "Changes a meter", "  sluice meter mod br0 meter=1,kbps,band=type=drop,rate=500\n",
       "METER", true, false},
      {"del", "meter-del", "Removes a meter and the flows that use it; all without METER",
       "  sluice meter del br0 meter=1\n", "METER", false, false},
  };
  CLI::App* group = add(app, "group", "The groups of a bridge",
                        "  sluice group add br0 'group_id=1,type=select,bucket=1,bucket=weight:2,actions=2'\n"
                        "  sluice group list br0\n");
  group->require_subcommand(1);
  add_verbs(*group, call, kGroups);
  CLI::App* meter = add(app, "meter", "The meters of a bridge",
                        "  sluice meter add br0 meter=1,pktps,burst,band=type=drop,rate=100,burst_size=10\n"
                        "  sluice meter stats br0\n");
  meter->require_subcommand(1);
  add_verbs(*meter, call, kMeters);
}

void add_flow(CLI::App& app, Invocation& call) {
  CLI::App* flow = add(app, "flow", "The flows of a bridge",
                       "  sluice flow list br0\n"
                       "  sluice flow add br0 'table=1,priority=10,tcp,tp_dst=80,actions=output:2'\n"
                       "  sluice flow del br0 in_port=1\n"
                       "  sluice flow replace br0 firewall.flows\n");
  flow->require_subcommand(1);
  const auto bridge = [&call](CLI::App* sub) {
    sub->add_option("bridge", call.flow.bridge, "Name of the bridge")->type_name("BRIDGE")->required();
  };

  CLI::App* list = add(*flow, "list", "Lists flows with what they counted",
                       "  sluice flow list br0\n"
                       "  sluice flow list br0 table=1,tcp       flows of table 1 that are about TCP\n"
                       "  sluice flow list br0 --raw > br0.flows  a file that `flow replace` takes\n"
                       "  sluice flow list br0 --json\n");
  bridge(list);
  list->add_option("match", call.flow.flow,
                   "Only flows with this table, cookie, out_port and at least this match")
      ->type_name("MATCH");
  list->add_flag("--raw", call.flow.raw, "Lines in the form of a flow file, without counters");
  list->callback([&call] { call.action = [&call] { return flow_list(call.common, call.flow); }; });

  CLI::App* added = add(*flow, "add", "Adds a flow, or those of a file all together",
                        "  sluice flow add br0 in_port=1,actions=output:2\n"
                        "  sluice flow add br0 --file more.flows\n"
                        "  generate | sluice flow add br0 --file -\n");
  bridge(added);
  added->add_option("flow", call.flow.flow, "One flow in ovs-ofctl syntax")->type_name("FLOW");
  added->add_option("-f,--file", call.flow.file, "A file of flows, - for standard input")->type_name("FILE");
  added->callback([&call, added] {
    if (call.flow.flow.empty() == call.flow.file.empty())
      throw CLI::ValidationError("flow add", "expected either a flow or --file");
    (void)added;
    call.action = [&call] { return flow_add(call.common, call.flow); };
  });

  CLI::App* mod = add(
      *flow, "mod", "Changes the actions of flows that match",
      "  sluice flow mod br0 tcp,actions=drop\n"
      "  sluice flow mod br0 --strict priority=10,tcp,actions=drop   only the flow that says just this\n");
  bridge(mod);
  mod->add_option("flow", call.flow.flow, "Match and actions")->type_name("FLOW")->required();
  mod->add_flag("--strict", call.flow.strict, "Match and priority must be exactly these");
  mod->callback([&call] { call.action = [&call] { return flow_mod(call.common, call.flow); }; });

  CLI::App* del = add(*flow, "del", "Removes flows",
                      "  sluice flow del br0                         all of them\n"
                      "  sluice flow del br0 table=1,ip              and what is more specific\n"
                      "  sluice flow del br0 --strict priority=10,ip\n");
  bridge(del);
  del->add_option("match", call.flow.flow, "Which")->type_name("MATCH");
  del->add_flag("--strict", call.flow.strict, "Match and priority must be exactly these");
  del->callback([&call] { call.action = [&call] { return flow_del(call.common, call.flow); }; });

  CLI::App* replace =
      add(*flow, "replace", "Makes the flows those of a file, at once; flows that stay keep counting",
          "  sluice flow replace br0 firewall.flows\n");
  bridge(replace);
  replace->add_option("file", call.flow.file, "A file of flows, - for standard input")
      ->type_name("FILE")
      ->required();
  replace->callback([&call] { call.action = [&call] { return flow_replace(call.common, call.flow); }; });
}

void add_trace(CLI::App& app, Invocation& call) {
  CLI::App* sub =
      add(app, "trace", "Follows an imaginary packet through the rules and the connection table",
          "  sluice trace br0 in_port=1,tcp,nw_src=10.0.0.1,nw_dst=10.0.0.2,tp_dst=80,tcp_flags=syn\n"
          "  sluice trace br0 in_port=1,tcp --ct-next trk,est     as if the connection were established\n"
          "  sluice trace br0 in_port=1 ffffffffffff0000000000010806…   a packet in hex digits\n"
          "  sluice trace 'in_port(1),eth_type(0x0800),ipv4(src=10.0.0.1)'   a datapath flow\n");
  sub->add_option("words", call.trace.words, "BRIDGE FLOW [PACKET], or a datapath flow")
      ->type_name("WHAT")
      ->required()
      ->expected(1, 3);
  sub->add_option("--ct-next", call.trace.ct_next,
                  "ct_state that the next ct() gives, instead of asking the table")
      ->type_name("FLAGS")
      ->expected(1)
      ->take_all();
  sub->add_flag("--names", call.trace.names, "Ports by name");
  sub->callback([&call] { call.action = [&call] { return trace(call.common, call.trace); }; });
}

void add_port_and_stats(CLI::App& app, Invocation& call) {
  CLI::App* port =
      add(app, "port", "The ports of the bridges", "  sluice port list\n  sluice port list --json\n");
  port->require_subcommand(1);
  CLI::App* list = add(*port, "list", "Lists ports with their counters", "  sluice port list\n");
  list->callback([&call] { call.action = [&call] { return port_list(call.common); }; });

  CLI::App* counters = add(app, "stats", "Counters of datapath and tracker, reasons of drops, limits",
                           "  sluice stats\n  sluice stats --all\n  sluice stats --json\n");
  counters->add_flag("-a,--all", call.stats.all, "Counters that are zero, too");
  counters->callback([&call] { call.action = [&call] { return stats(call.common, call.stats); }; });
}

void add_appctl(CLI::App& app, Invocation& call) {
  CLI::App* sub = add(app, "appctl", "Sends a command to the control socket, as ovs-appctl does",
                      "  sluice appctl list-commands\n"
                      "  sluice appctl dpctl/dump-conntrack -m -s\n"
                      "  sluice appctl vlog/set dbg\n");
  sub->fallthrough(false);
  sub->allow_extras();
  sub->prefix_command();
  sub->callback([&call, sub] {
    const auto words = sub->remaining();
    if (words.empty()) throw CLI::RequiredError("COMMAND");
    call.action = [&call, words] { return appctl(call.common, words); };
  });
}

/// "1=client.pcap" into the map.
void read_captures(const char* option, const std::vector<std::string>& words,
                   std::map<std::uint32_t, std::string>& out) {
  for (const auto& word : words) {
    std::uint32_t port = 0;
    const auto equals = word.find('=');
    bool ok = equals != std::string::npos && equals > 0 && equals < 6 && equals + 1 < word.size();
    for (std::size_t i = 0; ok && i < equals; ++i) {
      ok = word[i] >= '0' && word[i] <= '9';
      port = port * 10 + static_cast<std::uint32_t>(word[i] - '0');
    }
    if (!ok || port == 0 || port > 0xfeff)
      throw CLI::ValidationError(option,
                                 fmt::format("\"{}\": expected PORT=FILE with a port from 1 to 65279", word));
    if (!out.emplace(port, word.substr(equals + 1)).second)
      throw CLI::ValidationError(option, fmt::format("port {} is given twice", port));
  }
}

void add_replay(CLI::App& app, Invocation& call) {
  CLI::App* sub =
      add(app, "replay", "Runs captured packets through flows, offline, on the captures' own clock",
          "  sluice replay --flows firewall.flows --in 1=client.pcap --in 2=server.pcap\n"
          "  sluice replay --flows f.flows --in 1=in.pcap --out 2=out.pcap --verbose\n"
          "  sluice replay --flows f.flows --in 1=in.pcap --quiet --connections table.txt\n");
  sub->add_option("--flows", call.replay.flow_files, "Flow file")
      ->type_name("FILE")
      ->required()
      ->expected(1)
      ->take_all();
  sub->add_option("--in", call.replay_in, "Capture that arrives at a port")
      ->type_name("PORT=FILE")
      ->required()
      ->expected(1)
      ->take_all();
  sub->add_option("--out", call.replay_out, "Where to write what leaves a port")
      ->type_name("PORT=FILE")
      ->expected(1)
      ->take_all();
  sub->add_option("--connections", call.replay.connections_file,
                  "Where to write the connection table at the end")
      ->type_name("FILE");
  sub->add_flag("-v,--verbose", call.replay.verbose, "The rules of every pass in full");
  sub->add_flag("-q,--quiet", call.replay.quiet, "Only the summary");
  sub->callback([&call] {
    read_captures("--in", call.replay_in, call.replay.in);
    read_captures("--out", call.replay_out, call.replay.out);
    call.action = [&call] {
      call.replay.json = call.common.json;
      return replay(call.replay);
    };
  });
}

void add_check(CLI::App& app, Invocation& call) {
  CLI::App* sub = add(app, "check", "Checks flow files: errors, and flows that can never match",
                      "  sluice check firewall.flows\n  sluice check *.flows --json\n");
  sub->add_option("files", call.check.files, "Flow files, - for standard input")
      ->type_name("FILE")
      ->required();
  sub->callback([&call] {
    call.action = [&call] {
      call.check.json = call.common.json;
      return check(call.check);
    };
  });
}

void add_parse(CLI::App& app, Invocation& call) {
  struct Verb {
    const char *name, *description, *argument, *examples;
    bool required;
  };
  constexpr Verb kVerbs[] = {
      {"parse-flow", "Reads a flow and prints it as a switch would get it", "FLOW",
       "  sluice parse-flow in_port=1,actions=output:2\n", true},
      {"parse-flows", "Reads a file of flows and prints them as a switch would get them", "FILE",
       "  sluice parse-flows -O OpenFlow15 firewall.flows\n", true},
      {"parse-actions", "Reads OpenFlow actions in hex from standard input", "VERSION",
       "  echo '0000 0008 0001 ffff' | sluice parse-actions OpenFlow10\n", true},
      {"parse-instructions", "Reads OpenFlow instructions in hex from standard input", "VERSION",
       "  echo '0001 0008 05 000000' | sluice parse-instructions OpenFlow13\n", true},
      {"parse-oxm", "Reads OXM matches from standard input", "VERSION",
       "  echo 'OXM_OF_ETH_TYPE(0800)' | sluice parse-oxm OpenFlow12\n", true},
      {"parse-nxm", "Reads NXM matches from standard input", "",
       "  echo 'NXM_OF_ETH_TYPE(0800)' | sluice parse-nxm\n", false},
  };
  for (const Verb& verb : kVerbs) {
    CLI::App* sub = add(app, verb.name, verb.description, verb.examples);
    sub->group("Plumbing");
    if (verb.required)
      sub->add_option("word", call.parse.words, "")->type_name(verb.argument)->required()->expected(1);
    sub->add_option("-O,--protocols", call.parse.version, "OpenFlow version to print for")
        ->type_name("VERSION");
    sub->add_flag("--strict", call.parse.strict, "Refuse fields that are not known");
    sub->callback([&call, name = verb.name] {
      call.parse.verb = name;
      call.action = [&call] { return parse(call.parse); };
    });
  }
}

void add_ofp(CLI::App& app, Invocation& call) {
  struct Verb {
    const char *name, *description, *arguments, *examples;
    int least, most;
  };
  constexpr Verb kVerbs[] = {
      {"ofp-print", "Prints an OpenFlow message given in hex, or in a file of hex", "HEX [VERBOSITY]",
       "  sluice ofp-print 0400000800000001\n  sluice ofp-print message.hex 3\n", 1, 2},
      {"ofp-parse", "Prints the OpenFlow messages of a stream in a file", "FILE",
       "  sluice ofp-parse controller.stream\n", 1, 1},
      {"print-error", "Tells how an OpenFlow error travels in each version", "NAME",
       "  sluice print-error OFPBMC_BAD_PREREQ\n", 1, 1},
      {"encode-error-reply", "Encodes the error message that answers a request", "NAME HEX",
       "  sluice encode-error-reply OFPBRC_BAD_TYPE 0401000800000001\n", 2, 2},
      {"encode-hello", "Encodes a hello for a bitmap of wire versions", "BITMAP",
       "  sluice encode-hello 0x7e\n", 1, 1},
      {"parse-group", "Reads a group and prints it as a switch would get it", "GROUP",
       "  sluice parse-group -O OpenFlow13 group_id=1,type=all,bucket=output:2\n", 1, 1},
      {"parse-ofp10-match", "Reads matches of OpenFlow 1.0 in hex from standard input", "",
       "  sluice parse-ofp10-match < matches.hex\n", 0, 0},
      {"parse-ofp11-match", "Reads matches of OpenFlow 1.1 in hex from standard input", "",
       "  sluice parse-ofp11-match < matches.hex\n", 0, 0},
  };
  for (const Verb& verb : kVerbs) {
    CLI::App* sub = add(app, verb.name, verb.description, verb.examples);
    sub->group("Plumbing");
    if (verb.most > 0)
      sub->add_option("words", call.ofp.words, "")
          ->type_name(verb.arguments)
          ->required()
          ->expected(verb.least, verb.most);
    sub->add_option("-O,--protocols", call.ofp.version, "OpenFlow version to print for")
        ->type_name("VERSION");
    sub->callback([&call, name = verb.name] {
      call.ofp.verb = name;
      call.action = [&call] { return ofp(call.ofp); };
    });
  }
}

void add_ofctl(CLI::App& app, Invocation& call) {
  CLI::App* sub = add(app, "ofctl", "Speaks OpenFlow to a switch, with the verbs and options of ovs-ofctl",
                      "  sluice ofctl --help                      verbs and options\n"
                      "  sluice ofctl show br0\n"
                      "  sluice ofctl -O OpenFlow13 dump-flows br0\n"
                      "  ln -s sluice ovs-ofctl; ./ovs-ofctl show br0    the same under its own name\n");
  sub->fallthrough(false);
  sub->allow_extras();
  sub->prefix_command();
  sub->set_help_flag();
  sub->callback([&call, sub] {
    const auto words = sub->remaining();
    call.action = [&call, words] { return ofctl::run("sluice ofctl", words, call.common.run_dir); };
  });
}

/// The verbs and options that CLI11 does not know.
CompletionNode describe_ofctl() {
  CompletionNode node{
      .name = "ofctl", .description = "OpenFlow, as ovs-ofctl", .options = ofctl::option_names()};
  for (const ofctl::VerbRow& verb : ofctl::verbs())
    node.commands.push_back(
        {.name = verb.name, .description = verb.help != nullptr ? verb.help : "plumbing"});
  return node;
}

/// The words and options of a command, for completion.
CompletionNode describe(const CLI::App& app) {
  if (app.get_name() == "ofctl") return describe_ofctl();
  CompletionNode node;
  node.name = app.get_name();
  node.description = app.get_description();
  for (const auto* option : app.get_options())
    for (const auto& name : option->get_lnames()) node.options.push_back("--" + name);
  for (const auto* sub : app.get_subcommands([](const CLI::App*) { return true; }))
    node.commands.push_back(describe(*sub));
  return node;
}

void add_completion(CLI::App& app, Invocation& call) {
  CLI::App* sub = add(app, "completion", "Prints a completion script for a shell",
                      "  sluice completion bash > /etc/bash_completion.d/sluice\n"
                      "  sluice completion zsh > \"${fpath[1]}/_sluice\"\n"
                      "  sluice completion fish > ~/.config/fish/completions/sluice.fish\n");
  sub->add_option("shell", call.shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  sub->callback([&app, &call] {
    call.action = [&app, &call] { return print(completion_script(describe(app), call.shell)); };
  });
}

}  // namespace

int run(int argc, const char* const* argv) {
  constexpr std::string_view kOfctl = "ovs-ofctl";
  const std::string_view path = argc > 0 ? argv[0] : "";
  if (path.substr(path.rfind('/') + 1) == kOfctl)
    return ofctl::run(std::string(kOfctl), std::vector<std::string>(argv + 1, argv + argc), "");
  CLI::App app{"sluice: talks to a running sluiced, and works offline with flow files and captures.\n"};
  app.name("sluice");
  app.footer(
      "Examples:\n"
      "  sluice flow list br0           rules and what they counted\n"
      "  sluice ct list                 connections\n"
      "  sluice trace br0 in_port=1,tcp,nw_dst=10.0.0.2,tp_dst=80\n"
      "  sluice replay --flows firewall.flows --in 1=client.pcap --out 2=out.pcap\n"
      "  sluice check firewall.flows\n"
      "\n"
      "Exit status: 0 done, 1 it failed, 2 wrong usage. SUBCOMMAND --help shows more examples.\n");
  app.set_version_flag("-V,--version", fmt::format("sluice (Sluice) {}", kVersion));
  app.require_subcommand(1);

  Invocation call;
  app.add_flag("--json", call.common.json, "Answer in JSON, for programs");
  app.add_option("-t,--target", call.common.target, "Daemon: program name, or path of its control socket")
      ->type_name("TARGET");
  app.add_option("--run-dir", call.common.run_dir,
                 "Directory of the daemon's pidfile and socket (SLUICE_RUNDIR, OVS_RUNDIR)")
      ->type_name("DIR");
  app.add_option("-T,--timeout", call.common.timeout_s, "Give up after so many seconds")
      ->type_name("SECONDS");
  add_ct(app, call);
  add_flow(app, call);
  add_groups(app, call);
  add_trace(app, call);
  add_port_and_stats(app, call);
  add_appctl(app, call);
  add_replay(app, call);
  add_check(app, call);
  add_parse(app, call);
  add_ofp(app, call);
  add_ofctl(app, call);
  add_completion(app, call);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kOk : kUsage;
  }
  return call.action();
}

}  // namespace sluice::cli
