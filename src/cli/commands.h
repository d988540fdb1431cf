// The subcommands of sluice: a struct with what the command line said, and a function that does it and
// returns the exit status. arguments.cc fills the structs; each function has a file.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/daemon_client.h"

namespace sluice::cli {

struct CtArguments {
  std::vector<std::string> words;  ///< filters, in the words of dpctl/flush-conntrack
  bool raw = false;                ///< lines as ovs-appctl prints them
  bool more = false;
  bool recent = false;                    ///< reasons: the last packets, too
  unsigned count = 0;                     ///< events: so many, then end; 0 = no end
  std::string zone, mark, label, cookie;  ///< options that mean the same as the words
};
int ct_list(const Common& common, const CtArguments& arguments);
int ct_flush(const Common& common, const CtArguments& arguments);
int ct_expectations(const Common& common, const CtArguments& arguments);
int ct_stats(const Common& common, const CtArguments& arguments);
int ct_limits(const Common& common, const CtArguments& arguments);
int ct_reasons(const Common& common, const CtArguments& arguments);
int ct_events(const Common& common, const CtArguments& arguments);
int ct_zones(const Common& common, const CtArguments& arguments);
int ct_set_zone(const Common& common, const CtArguments& arguments);
int ct_set_limits(const Common& common, const CtArguments& arguments);
int ct_del_limits(const Common& common, const CtArguments& arguments);

struct FlowArguments {
  std::string bridge;
  std::string flow;
  std::string file;  ///< "-" is standard input
  bool strict = false;
  bool raw = false;  ///< lines as flow files have them
};
int flow_list(const Common& common, const FlowArguments& arguments);
int flow_add(const Common& common, const FlowArguments& arguments);
int flow_mod(const Common& common, const FlowArguments& arguments);
int flow_del(const Common& common, const FlowArguments& arguments);
int flow_replace(const Common& common, const FlowArguments& arguments);

struct GroupArguments {
  std::string command;  ///< of the daemon, behind "sluice/"
  std::string bridge;
  std::string text;  ///< group or meter
  std::string file;  ///< "-" is standard input
};
int group_command(const Common& common, const GroupArguments& arguments);

struct TraceArguments {
  std::vector<std::string> words;  ///< bridge and flow, or a datapath flow; a packet in hex
  std::vector<std::string> ct_next;
  bool names = false;
};
int trace(const Common& common, const TraceArguments& arguments);

int port_list(const Common& common);

struct StatsArguments {
  bool all = false;  ///< counters that are zero, too
};
int stats(const Common& common, const StatsArguments& arguments);

int appctl(const Common& common, const std::vector<std::string>& words);

struct ReplayArguments {
  std::vector<std::string> flow_files;
  std::map<std::uint32_t, std::string> in, out;  ///< OpenFlow port -> capture file
  std::string connections_file;                  ///< where the connection table is written at the end
  bool verbose = false, quiet = false, json = false;
};
int replay(const ReplayArguments& arguments);

struct CheckArguments {
  std::vector<std::string> files;
  bool json = false;
};
int check(const CheckArguments& arguments);

/// parse-flow, parse-flows, parse-actions, parse-instructions, parse-oxm, parse-nxm: as ovs-ofctl's commands
/// of these names read and print.
struct ParseArguments {
  std::string verb;
  std::vector<std::string> words;  ///< a flow, a file, or an OpenFlow version
  std::string version;             ///< -O: the only OpenFlow version allowed; empty: any
  bool strict = false;
};
int parse(const ParseArguments& arguments);
Result<std::string> parse_text(const ParseArguments& arguments);

/// ofp-print, ofp-parse, print-error, encode-error-reply, encode-hello, parse-group, parse-ofp10-match,
/// parse-ofp11-match: as ovs-ofctl's commands of these names.
struct OfpArguments {
  std::string verb;
  std::vector<std::string> words;
  std::string version;  ///< -O
};
int ofp(const OfpArguments& arguments);
Result<std::string> ofp_text(const OfpArguments& arguments);
/// The messages of a stream as text. What is left over, if anything, is `unfinished`.
Result<std::string> format_stream(std::string_view stream, int verbosity, bool& unfinished);

}  // namespace sluice::cli
