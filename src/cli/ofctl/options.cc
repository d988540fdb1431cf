#include "cli/ofctl/options.h"

#include <fmt/core.h>
#include <getopt.h>
#include <unistd.h>

#include <charconv>

#include "action/protocols.h"
#include "cli/ofctl/verbs.h"

namespace sluice::cli::ofctl {

using openflow::OfVersion;

namespace {

enum Code : int {
  kStrict = 256,
  kReadOnly,
  kReadd,
  kTimestamp,
  kSort,
  kRsort,
  kNames,
  kNoNames,
  kStats,
  kNoStats,
  kUnixctl,
  kColor,
  kMayCreate,
  kBundle,
  kPcap,
  kDetach,
  kNoChdir,
  kPidfile,
  kOverwritePidfile,
  kMonitor,
  kLogFile,
  kIgnored,
};

/// In the order in which ovs-ofctl lists them.
constexpr option kOptions[] = {
    {"timeout", required_argument, nullptr, 't'},
    {"strict", no_argument, nullptr, kStrict},
    {"readd", no_argument, nullptr, kReadd},
    {"flow-format", required_argument, nullptr, 'F'},
    {"packet-in-format", required_argument, nullptr, 'P'},
    {"more", no_argument, nullptr, 'm'},
    {"timestamp", no_argument, nullptr, kTimestamp},
    {"sort", optional_argument, nullptr, kSort},
    {"rsort", optional_argument, nullptr, kRsort},
    {"names", no_argument, nullptr, kNames},
    {"no-names", no_argument, nullptr, kNoNames},
    {"stats", no_argument, nullptr, kStats},
    {"no-stats", no_argument, nullptr, kNoStats},
    {"unixctl", required_argument, nullptr, kUnixctl},
    {"help", no_argument, nullptr, 'h'},
    {"option", no_argument, nullptr, 'o'},
    {"bundle", no_argument, nullptr, kBundle},
    {"color", optional_argument, nullptr, kColor},
    {"may-create", no_argument, nullptr, kMayCreate},
    {"pcap", no_argument, nullptr, kPcap},
    {"raw", no_argument, nullptr, kIgnored},
    {"read-only", no_argument, nullptr, kReadOnly},
    {"detach", no_argument, nullptr, kDetach},
    {"no-self-confinement", no_argument, nullptr, kIgnored},
    {"no-chdir", no_argument, nullptr, kNoChdir},
    {"pidfile", optional_argument, nullptr, kPidfile},
    {"overwrite-pidfile", no_argument, nullptr, kOverwritePidfile},
    {"monitor", no_argument, nullptr, kMonitor},
    {"user", required_argument, nullptr, kIgnored},
    {"version", no_argument, nullptr, 'V'},
    {"protocols", required_argument, nullptr, 'O'},
    {"verbose", optional_argument, nullptr, 'v'},
    {"log-file", optional_argument, nullptr, kLogFile},
    {"syslog-method", required_argument, nullptr, kIgnored},
    {"syslog-target", required_argument, nullptr, kIgnored},
    {"private-key", required_argument, nullptr, 'p'},
    {"certificate", required_argument, nullptr, 'c'},
    {"ca-cert", required_argument, nullptr, 'C'},
    {"ssl-protocols", required_argument, nullptr, kIgnored},
    {"ssl-ciphers", required_argument, nullptr, kIgnored},
    {nullptr, 0, nullptr, 0},
};
constexpr const char* kShort = "t:F:P:mhoVO:v::p:c:C:";

constexpr std::uint32_t bit(OfVersion version) {
  return 1u << static_cast<unsigned>(version);
}

/// Calls visit(word) for each word between commas and blanks.
template <typename Visit>
Status each_word(std::string_view list, Visit visit) {
  while (!list.empty()) {
    const auto end = list.find_first_of(", ");
    const std::string_view word = list.substr(0, end);
    list = end == std::string_view::npos ? std::string_view{} : list.substr(end + 1);
    if (!word.empty()) SLUICE_TRY(visit(word));
  }
  return {};
}

Result<std::uint32_t> parse_versions(std::string_view list) {
  std::uint32_t versions = 0;
  SLUICE_TRY(each_word(list, [&](std::string_view word) -> Status {
    constexpr std::string_view kPrefix = "OpenFlow1";
    const char last = word.empty() ? '\0' : word.back();
    if (word.size() != kPrefix.size() + 1 || !word.starts_with(kPrefix) || last < '0' || last > '5')
      return fail(fmt::format("Unknown OpenFlow version: \"{}\"", word));
    versions |= 2u << (last - '0');
    return {};
  }));
  return versions;
}

Status read_formats(std::string_view list, Options& options) {
  std::uint16_t formats = 0;
  SLUICE_TRY(each_word(list, [&](std::string_view word) -> Status {
    const auto set = action::find_protocols(word);
    if (!set) return fail(fmt::format("{}: unknown flow protocol", word));
    formats |= set->bits();
    return {};
  }));
  if (formats == 0) return fail("no flow protocols");
  options.formats = formats;
  return {};
}

Status read_packet_in_format(std::string_view word, Options& options) {
  if (word == "standard" || word == "openflow10")
    options.packet_in = openflow::Style::Standard;
  else if (word == "nxt_packet_in" || word == "nxm")
    options.packet_in = openflow::Style::Nicira;
  else if (word == "nxt_packet_in2")
    options.packet_in = openflow::Style::Nicira2;
  else
    return fail(fmt::format("unknown packet-in format `{}'", word));
  return {};
}

Status read_sort(const char* argument, bool descending, Options& options) {
  SortKey key{.descending = descending};
  if (argument != nullptr && std::string_view(argument) != "priority") {
    const field::FieldSpec* spec = field::find_field(argument);
    if (spec == nullptr) return fail(fmt::format("{}: unknown field name", argument));
    key.field = spec->id;
  }
  options.sort.push_back(key);
  return {};
}

Status read_color(const char* argument, Options& options) {
  const std::string_view when = argument == nullptr ? "always" : argument;
  if (when == "always" || when == "yes" || when == "force") {
    options.color = true;
  } else if (when == "auto" || when == "tty" || when == "if-tty") {
    const char* terminal = std::getenv("TERM");
    options.color = isatty(STDOUT_FILENO) != 0 && terminal != nullptr && std::string_view(terminal) != "dumb";
  } else if (when == "never" || when == "no" || when == "none") {
    options.color = false;
  } else {
    return fail(fmt::format("incorrect value `{}' for --color", when));
  }
  return {};
}

Status read_timeout(std::string_view text, Options& options) {
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), options.timeout_s);
  if (code == std::errc{} && end == text.data() + text.size() && options.timeout_s != 0) return {};
  return fail(fmt::format("value {} on -t or --timeout is invalid", text));
}

std::string default_log_file(const Run& run) {
  const char* directory = std::getenv("OVS_LOGDIR");
  return fmt::format("{}/{}.log", directory != nullptr ? directory : "/var/log/openvswitch",
                     daemon_name(run));
}

Status read_option(int code, const char* argument, Run& run) {
  Options& options = run.options;
  switch (code) {
    case 't':
      return read_timeout(argument, options);
    case 'F':
      return read_formats(argument, options);
    case 'P':
      return read_packet_in_format(argument, options);
    case 'O': {
      SLUICE_ASSIGN(options.versions, parse_versions(argument));
      return {};
    }
    case 'm':
      ++options.verbosity;
      return {};
    case 'v':
      return run.log.set(argument == nullptr ? "" : argument, true);
    case 'p':
      options.private_key = argument;
      return {};
    case 'c':
      options.certificate = argument;
      return {};
    case 'C':
      options.ca_certificate = argument;
      return {};
    case kStrict:
      options.strict = true;
      return {};
    case kReadOnly:
      options.read_only = true;
      return {};
    case kReadd:
      options.readd = true;
      return {};
    case kTimestamp:
      options.timestamp = true;
      return {};
    case kSort:
    case kRsort:
      return read_sort(argument, code == kRsort, options);
    case kNames:
      options.names = true;
      return {};
    case kNoNames:
      options.names = false;
      return {};
    case kStats:
    case kNoStats:
      options.stats = code == kStats;
      return {};
    case kColor:
      return read_color(argument, options);
    case kMayCreate:
      options.may_create = true;
      return {};
    case kBundle:
      options.bundle = true;
      return {};
    case kPcap:
      options.pcap = true;
      return {};
    case kUnixctl:
      options.control_socket = argument;
      return {};
    case kDetach:
      options.process.detach = true;
      return {};
    case kNoChdir:
      options.process.keep_directory = true;
      return {};
    case kMonitor:
      options.process.monitor = true;
      return {};
    case kPidfile:
      options.pidfile = argument == nullptr ? "" : argument;
      return {};
    case kOverwritePidfile:
      options.overwrite_pidfile = true;
      return {};
    case kLogFile:
      return run.log.open_file(argument == nullptr ? default_log_file(run) : argument);
    default:
      return {};
  }
}

/// What follows from all options together.
Status settle(Run& run) {
  Options& options = run.options;
  if (options.bundle) allow_bundles(options);
  std::uint32_t carried = 0;
  for (std::uint16_t protocol = 1; protocol <= action::Protocols::kOf15; protocol <<= 1)
    if ((options.formats.bits() & protocol) != 0)
      carried |= bit(action::version_of(static_cast<action::Protocols::Bit>(protocol)));
  if ((options.versions & carried) != 0) {
    options.versions &= carried;
    return {};
  }
  std::string versions;
  for (unsigned v = 1; v <= 6; ++v)
    if ((options.versions >> v & 1) != 0)
      versions += fmt::format("{}OpenFlow1{}", versions.empty() ? "" : ", ", v - 1);
  return fail(
      fmt::format("None of the enabled OpenFlow versions ({}) supports any of the enabled flow formats "
                  "({}).  (Use -O to enable additional OpenFlow versions or -F to enable additional flow "
                  "formats.)",
                  versions, action::format_protocols(options.formats)));
}

}  // namespace

void allow_bundles(Options& options) {
  constexpr std::uint32_t kWithBundles = bit(OfVersion::k13) | bit(OfVersion::k14) | bit(OfVersion::k15);
  if ((options.versions & kWithBundles) == 0) options.versions |= bit(OfVersion::k14);
}

Result<CommandLine> read_options(const std::vector<std::string>& words, Run& run) {
  CommandLine line;
  std::vector<std::string> copies = words;
  std::vector<char*> argv = {run.program.data()};
  for (std::string& copy : copies) argv.push_back(copy.data());
  argv.push_back(nullptr);
  optind = 0;
  for (;;) {
    const int code = getopt_long(static_cast<int>(argv.size()) - 1, argv.data(), kShort, kOptions, nullptr);
    if (code == -1) break;
    if (code == '?') return fail("");
    if (code == 'h') {
      line.wants = CommandLine::Wants::Help;
    } else if (code == 'V') {
      line.wants = CommandLine::Wants::Version;
    } else if (code == 'o') {
      line.wants = CommandLine::Wants::OptionList;
    } else {
      SLUICE_TRY(read_option(code, optarg, run));
      continue;
    }
    break;
  }
  for (std::size_t i = static_cast<std::size_t>(optind); i + 1 < argv.size(); ++i)
    line.words.emplace_back(argv[i]);
  if (line.wants == CommandLine::Wants::Command) SLUICE_TRY(settle(run));
  return line;
}

std::vector<std::string> option_names() {
  std::vector<std::string> names;
  for (const option& o : kOptions)
    if (o.name != nullptr) names.push_back(std::string("--") + o.name);
  return names;
}

std::string option_list() {
  constexpr const char* kArguments[] = {"", "ARG",
                                        "[ARG]"};  // no_argument, required_argument, optional_argument
  std::string text;
  for (const option& o : kOptions) {
    if (o.name == nullptr) continue;
    const char* argument = kArguments[o.has_arg];
    text += fmt::format("--{}{}{}\n", o.name, o.has_arg == no_argument ? "" : "=", argument);
    if (o.val < kStrict) text += fmt::format("-{} {}\n", static_cast<char>(o.val), argument);
  }
  return text;
}

std::string help_text(const std::string& program) {
  std::string text = fmt::format(
      "{0}: speaks OpenFlow to switches and controllers, with the verbs and the output of ovs-ofctl.\n"
      "Usage: {0} [OPTIONS] VERB [ARGUMENTS]\n\n"
      "SWITCH is the name of a bridge (its socket is BRIDGE.mgmt in the run directory), the path of a "
      "socket,\n"
      "unix:PATH, tcp:HOST[:PORT] or ssl:HOST[:PORT] (port 6653).\n",
      program);
  text += verb_help();
  text += fmt::format(
      "\nOptions:\n"
      "  -O, --protocols=VERSION[,VERSION]  OpenFlow10 to OpenFlow15; the highest that both sides speak is "
      "used\n"
      "                                     (OpenFlow10 alone if not given)\n"
      "  -F, --flow-format=FORMAT[,FORMAT]  OpenFlow10, NXM, OXM, any, or one of OpenFlow10-table_id,\n"
      "                                     OpenFlow10+table_id, NXM-table_id, NXM+table_id, OXM-OpenFlow12 "
      "…\n"
      "  -P, --packet-in-format=FORMAT      monitor: standard, nxt_packet_in or nxt_packet_in2\n"
      "      --bundle                       changes of flows and groups as one transaction, all or none\n"
      "      --strict                       mod-flows, del-flows: only flows with exactly this match and "
      "priority\n"
      "      --may-create                   mod-group: create the group if there is none\n"
      "      --readd                        replace-flows: also add those that have not changed\n"
      "      --names, --no-names            show names of ports and tables, or neither show nor read them\n"
      "      --stats, --no-stats            dump-flows with or without what flows counted\n"
      "      --sort[=FIELD], --rsort[=FIELD]  dump-flows in ascending or descending order of a field or "
      "priority\n"
      "      --read-only                    refuse verbs that change something\n"
      "      --timestamp                    monitor, snoop: the time before each message\n"
      "      --detach, --no-chdir, --monitor, --pidfile[=FILE], --overwrite-pidfile, --unixctl=SOCKET\n"
      "                                     monitor, snoop: in the background, and their control socket\n"
      "      --log-file[=FILE]              log to a file too\n"
      "      --color[=always|never|auto]    dump-flows: colours\n"
      "  -m, --more                         more about each message; may be given again\n"
      "  -t, --timeout=SECONDS              give up after so long\n"
      "  -v, --verbose[=SPEC]               log to standard error; vconn:dbg shows the messages that are "
      "exchanged\n"
      "  -p, --private-key=FILE  -c, --certificate=FILE  -C, --ca-cert=FILE   for ssl:\n"
      "  -h, --help  -V, --version  -o, --option (lists the options)\n"
      "\nExamples:\n"
      "  {0} show br0\n"
      "  {0} -O OpenFlow13 dump-flows br0 table=1,tcp --names --sort\n"
      "  {0} add-flow br0 'priority=10,tcp,tp_dst=80,actions=ct(commit),output:2'\n"
      "  {0} --bundle replace-flows br0 firewall.flows\n"
      "  {0} monitor br0 65534 watch:table=1\n"
      "  {0} -O OpenFlow15 dump-groups tcp:127.0.0.1:6653\n"
      "\nExit status: 0 done, 1 failed; diff-flows: 2 if there are differences.\n",
      program);
  return text;
}

}  // namespace sluice::cli::ofctl
