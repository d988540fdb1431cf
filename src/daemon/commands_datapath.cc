// The datapath: its ports, its megaflows. Formats: what ovs-vswitchd prints.
#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdlib>

#include "base/hash.h"
#include "bridge/capabilities.h"
#include "daemon/commands.h"
#include "daemon/dpctl_arguments.h"
#include "field/match_text.h"
#include "ofproto/odp_flow.h"
#include "port/dummy/dummy_port.h"

namespace sluice::daemon {

namespace {

using datapath::Counter;
using datapath::FlowSnapshot;
using unixctl::Args;

/// The type of its device: the configuration may call it otherwise.
std::string dp_type(bridge::Switch& device, const datapath::PortInfo& port) {
  if (port.type != "dummy-pmd") return port.type;
  const unsigned queues =
      dynamic_cast<const port::DummyPort&>(*device.datapath().device(port.number)).receive_queues();
  return fmt::format(
      "dummy-pmd: configured_rx_queues={0}, configured_tx_queues=1, requested_rx_queues={0}, "
      "requested_tx_queues=1",
      queues);
}

std::string hits_and_misses(const datapath::DatapathStats& stats) {
  return fmt::format("hit:{} missed:{}", stats[Counter::Hits], stats[Counter::Upcalls]);
}

std::string show_bridges(bridge::Switch& device) {
  std::string text = fmt::format("{}: {}\n", kDatapathName, hits_and_misses(device.datapath().stats()));
  auto ports = device.ports();
  std::sort(ports.begin(), ports.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  for (const auto* bridge : device.bridges()) {
    text += fmt::format("  {}:\n", bridge->name());
    for (const auto& port : ports) {
      if (port.bridge != bridge->name() || !port.number || !port.datapath) continue;
      const std::uint32_t number = *port.number == action::of_port::kLocal ? 65534 : *port.number;
      if (port.type == "patch")
        text += fmt::format("    {} {}/none: (patch: peer={})\n", port.name, number, port.peer);
      else
        text += fmt::format("    {} {}/{}: ({})\n", port.name, number, port.datapath->number,
                            dp_type(device, *port.datapath));
    }
  }
  return text;
}

std::string show_datapath(bridge::Switch& device, bool statistics) {
  const auto stats = device.datapath().stats();
  std::string text =
      fmt::format("{}:\n  lookups: {} lost:{}\n  flows: {}\n", kDatapathName, hits_and_misses(stats),
                  stats[packet::DropReason::NoHandler], stats.megaflows);
  const auto one = [&](std::uint32_t number, std::string_view name, std::string_view type,
                       const datapath::PortInfo* info) {
    text += fmt::format("  port {}: {}", number, name);
    if (type != "system") text += fmt::format(" ({})", type);
    text += "\n";
    if (!statistics) return;
    const datapath::PortInfo none{};
    const auto& c = info ? *info : none;
    text += fmt::format(
        "    RX packets:{} errors:{} dropped:{} overruns:? frame:?\n"
        "    TX packets:{} errors:{} dropped:{} aborted:? carrier:?\n"
        "    collisions:?\n"
        "    RX bytes:{}  TX bytes:{}\n",
        c.rx_packets, c.rx_errors, c.rx_dropped, c.tx_packets, c.tx_errors, c.tx_dropped, c.rx_bytes,
        c.tx_bytes);
  };
  one(datapath::kOwnPort, "ovs-netdev", "tap", nullptr);
  for (const auto& port : device.datapath().ports())
    if (port.number != datapath::kOwnPort) one(port.number, port.name, dp_type(device, port), &port);
  return text;
}

/// A name for a megaflow that stays the same as long as it is the same match: for people to compare dumps
/// with.
std::string unique_id(const flow::Match& match) {
  std::uint64_t a = 1, b = 2;
  for (std::size_t i = 0; i < flow::kDatapathWords; ++i) {
    a = hash_mix(a, flow::word_at(match.value, i) ^ ~flow::word_at(match.mask.bits, i));
    b = hash_mix(b, flow::word_at(match.mask.bits, i) + flow::word_at(match.value, i));
  }
  return fmt::format("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", a >> 32, a >> 16 & 0xffff, a & 0xffff, b >> 48,
                     b & 0xffffffffffff);
}

/// "ufid:UUID" as dumps print it.
bool is_unique_id(std::string_view text) {
  constexpr std::string_view kShape = "ufid:xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
  if (text.size() != kShape.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i)
    if (i >= 5 && kShape[i] == 'x' ? std::isxdigit(static_cast<unsigned char>(text[i])) == 0
                                   : text[i] != kShape[i])
      return false;
  return true;
}

/// Whether the text names the megaflow: by its id, or by its match as a dump shows it.
bool is_named(std::string_view text, const flow::Match& match, const field::NameResolver& ports) {
  if (text.starts_with("ufid:")) return text.substr(5) == unique_id(match);
  return text == dp_action::format_odp_match(match) || text == dp_action::format_odp_match(match, &ports);
}

constexpr int kMainThread = -1;  ///< the worker's number where there is only one

struct DumpOptions {
  bool verbose = false, names = false, headings = true, none = false;
  bool of_bridge = false;  ///< as dpif/dump-flows shows them
  std::optional<int> worker;
  std::optional<flow::Match> filter;
  const ofproto::Ofproto* bridge = nullptr;  ///< only flows of its ports
};

std::string dump_megaflows(bridge::Switch& device, const DumpOptions& options) {
  std::string text;
  if (options.none) return text;
  const field::NameResolver* names =
      options.names || options.verbose ? &device.datapath().port_names() : nullptr;
  std::optional<unsigned> heading;
  device.datapath().dump_flows([&](const FlowSnapshot& flow) {
    if (options.bridge && device.upcalls().place(flow.match.value.in_port.host()).bridge != options.bridge)
      return;
    if (options.filter) {  // shown unless a bit that both look at differs
      flow::Mask common = options.filter->mask;
      common.bits = flow::masked(common.bits, flow.match.mask);
      if (!flow::equal_under(options.filter->value, flow.match.value, common)) return;
    }
    const bool is_main = device.datapath().workers() == 1;
    if (options.worker && *options.worker != (is_main ? kMainThread : static_cast<int>(flow.worker))) return;
    if (options.headings && heading != flow.worker) {
      heading = flow.worker;
      text += is_main ? std::string("flow-dump from the main thread:\n")
                      : fmt::format("flow-dump from pmd on cpu core: {}\n", flow.worker);
    }
    std::string line = datapath::format_flow(flow, names);
    if (options.verbose && !options.of_bridge) line.insert(line.find("actions:"), "dp:ovs, ");
    if (options.verbose)
      line.insert(0, fmt::format("ufid:{}{} ", unique_id(flow.match), options.of_bridge ? "" : ","));
    text += line + "\n";
  });
  return text;
}

/// Types of megaflows, by who carries them out; whether the datapath's own are among them.
Result<bool> names_own_type(std::string_view types) {
  bool own = false;
  while (!types.empty()) {
    const auto comma = types.find(',');
    const auto type = types.substr(0, comma);
    types = comma == types.npos ? std::string_view() : types.substr(comma + 1);
    if (type == "ovs" || type == "all" || type == "non-offloaded")
      own = true;
    else if (type != "offloaded" && type != "tc" && type != "dpdk" && type != "partially-offloaded")
      return dpctl_error(fmt::format("Failed to parse type ({})", type));
  }
  return own;
}

Result<std::string> dpctl_dump_flows(bridge::Switch& device, Args args) {
  SLUICE_ASSIGN(auto parsed, parse_dpctl(args));
  DumpOptions options;
  options.verbose = parsed.more;
  options.names = parsed.names;
  std::vector<std::string> words;
  for (const auto& word : parsed.words) {
    if (word.starts_with("filter=")) {
      auto match = field::parse_match(word.substr(7), &device.datapath().port_names());
      if (!match) {
        const std::string what = word.substr(7);
        return fail(
            fmt::format("ovs-vswitchd: Failed to parse filter ({}: {})\n", what, match.error().message));
      }
      options.filter = *match;
    } else if (word.starts_with("type=")) {
      SLUICE_ASSIGN(const bool own, names_own_type(std::string_view(word).substr(5)));
      options.none = !own;
    } else if (word.starts_with("pmd=")) {
      int worker = 0;
      const char* const end = word.data() + word.size();
      const auto parsed_number = std::from_chars(word.data() + 4, end, worker);
      if (parsed_number.ec != std::errc{} || parsed_number.ptr != end) return fail("");
      options.worker = worker;
      options.headings = false;
    } else {
      words.push_back(word);
    }
  }
  SLUICE_TRY(take_datapath(words, 0));
  return dump_megaflows(device, options);
}

Result<std::string> dpif_dump_flows(bridge::Switch& device, Args args) {
  DumpOptions options;
  options.headings = false;
  options.of_bridge = true;
  for (const auto& word : args.first(args.size() - 1)) {
    if (word == "-m")
      options.verbose = true;
    else if (word == "--names")
      options.names = true;
  }
  options.bridge = device.find_bridge(args.back());
  if (!options.bridge) return fail("no such bridge");
  return dump_megaflows(device, options);
}

Result<std::string> dpctl_show(bridge::Switch& device, Args args) {
  SLUICE_ASSIGN(const auto parsed, parse_dpctl(args));
  if (parsed.words.empty()) return show_datapath(device, parsed.statistics);
  std::string text;
  bool failed = false;
  for (const auto& word : parsed.words) {
    const bool exists = is_datapath(word);
    failed |= !exists;
    text += exists
                ? show_datapath(device, parsed.statistics)
                : fmt::format("ovs-vswitchd: opening datapath {} failed ({})\n", word, std::strerror(ENOENT));
  }
  if (failed) return fail(std::move(text));
  return text;
}

/// What ovs-vswitchd says of an id that is none is no error to it.
Result<std::string> dpctl_get_flow(bridge::Switch& device, Args args) {
  SLUICE_ASSIGN(auto parsed, parse_dpctl(args));
  if (parsed.words.size() > 1) SLUICE_TRY(take_datapath(parsed.words, 1));
  const std::string& id = parsed.words.front();
  if (!id.starts_with("ufid:")) return "ovs-vswitchd: parsing flow ufid\n";
  if (!is_unique_id(id)) return "ovs-vswitchd: parsing flow ufid (Invalid argument)\n";
  const field::NameResolver& ports = device.datapath().port_names();
  std::string text;
  device.datapath().dump_flows([&](const FlowSnapshot& flow) {
    if (!text.empty() || !is_named(id, flow.match, ports)) return;
    text = (parsed.more ? id + ", " : "") +
           datapath::format_flow(flow, parsed.more || parsed.names ? &ports : nullptr) + "\n";
  });
  if (text.empty()) return dpctl_error("getting flow", ENOENT);
  return text;
}

Result<std::string> dpctl_del_flow(bridge::Switch& device, Args args) {
  SLUICE_ASSIGN(auto parsed, parse_dpctl(args));
  if (parsed.words.size() > 1) SLUICE_TRY(take_datapath(parsed.words, 1));
  const std::string& text = parsed.words.front();
  const field::NameResolver& ports = device.datapath().port_names();
  if (text.starts_with("ufid:") && !is_unique_id(text)) return dpctl_error("parsing flow ufid");
  if (!text.starts_with("ufid:") && !ofproto::parse_odp_flow(text, &ports))
    return dpctl_error("syntax error at " + text);
  const auto removed =
      device.datapath().remove_flows([&](const flow::Match& match) { return is_named(text, match, ports); });
  if (removed == 0)
    return fail(dpctl_error("deleting flow", ENOENT).value().message +
                "Perhaps you need to specify a UFID?\n");
  return "";
}

/// Of the caches that a datapath has: the megaflow table is none.
Result<std::string> dpctl_cache_size(Args args, bool set) {
  SLUICE_ASSIGN(const auto parsed, parse_dpctl(args));
  if (set && parsed.words.back().find_first_not_of("0123456789") != std::string::npos)
    return dpctl_error("size is malformed");
  const std::string name = parsed.words.empty() ? std::string(kDatapathName) : parsed.words.front();
  if (!is_datapath(name)) return dpctl_error(fmt::format("Opening datapath {} failed", name), ENOENT);
  if (set) return dpctl_error("Setting caches not supported", EOPNOTSUPP);
  return name + ":\n";
}

Result<std::string> dpctl_offload_stats(Args args) {
  SLUICE_ASSIGN(auto parsed, parse_dpctl(args));
  SLUICE_TRY(take_datapath(parsed.words, 0));
  return dpctl_error("retrieving offload statistics");
}

Result<std::string> dpctl_del_flows(bridge::Switch& device, Args args) {
  SLUICE_ASSIGN(auto parsed, parse_dpctl(args));
  SLUICE_TRY(take_datapath(parsed.words, 0));
  if (!parsed.words.empty()) return dpctl_error("single megaflows can't be deleted", EOPNOTSUPP);
  device.datapath().flush_flows();
  return "";
}

/// dpif/set-dp-features without a value shows the feature: what works does not change while the switch runs.
Result<std::string> set_features(bridge::Switch& device, Args args) {
  if (!device.find_bridge(args[0])) return fail("no such bridge");
  std::string text;
  for (const auto& feature : bridge::kCapabilities) {
    if (args.size() > 1 && feature.key != args[1]) continue;
    const std::string value = feature.is_number    ? std::to_string(feature.value)
                              : feature.value != 0 ? "true"
                                                   : "false";
    text +=
        fmt::format("{} ({}) : [run time]:{}, [boot time]:{}\n", feature.key, feature.label, value, value);
    if (args.size() > 2 && args[2] != value) return fail(fmt::format("{} can't be changed", feature.key));
  }
  if (text.empty()) return "Unexpected support field";
  return args.size() > 2 ? "" : text;
}

std::string show_features() {
  std::string text;
  for (const auto& capability : bridge::kCapabilities)
    text += capability.is_number
                ? fmt::format("{}: {}\n", capability.label, capability.value)
                : fmt::format("{}: {}\n", capability.label, capability.value != 0 ? "Yes" : "No");
  return text;
}

}  // namespace

void add_datapath_commands(unixctl::CommandRegistry& commands, bridge::Switch& device) {
  commands.add("dpif/show", "", 0, 0,
               [&device](Args) -> Result<std::string> { return show_bridges(device); });
  commands.add("dpif/dump-dps", "", 0, 0, [&device](Args) -> Result<std::string> {
    std::string text;
    for (const auto* bridge : device.bridges()) text += fmt::format("netdev@{}\n", bridge->name());
    return text;
  });
  commands.add("dpif/dump-flows", "[-m] [--names | --no-names] bridge", 1, unixctl::CommandRegistry::kAnyArgs,
               [&device](Args args) { return dpif_dump_flows(device, args); });
  commands.add("dpif/show-dp-features", "bridge", 1, 1, [&device](Args args) -> Result<std::string> {
    if (!device.find_bridge(args[0])) return fail("no such bridge");
    return show_features();
  });
  commands.add("dpif/set-dp-features", "bridge", 1, 3,
               [&device](Args args) { return set_features(device, args); });
  commands.add("dpctl/show", "[-s] [dp...]", 0, unixctl::CommandRegistry::kAnyArgs,
               [&device](Args args) { return dpctl_show(device, args); });
  commands.add("dpctl/dump-dps", "", 0, 0,
               [](Args) -> Result<std::string> { return std::string(kDatapathName) + "\n"; });
  commands.add("dpctl/dump-flows", "[-m] [--names] [dp] [filter=..] [type=..] [pmd=..]", 0, 6,
               [&device](Args args) { return dpctl_dump_flows(device, args); });
  commands.add("dpctl/list-commands", "", 0, unixctl::CommandRegistry::kAnyArgs,
               [&commands](Args) -> Result<std::string> { return commands.list("dpctl/"); });
  commands.add("dpctl/del-flows", "[dp] [file]", 0, 2,
               [&device](Args args) { return dpctl_del_flows(device, args); });

  commands.add("dpctl/get-flow", "[dp] ufid", 1, 2,
               [&device](Args args) { return dpctl_get_flow(device, args); });
  commands.add("dpctl/del-flow", "[dp] flow", 1, 2,
               [&device](Args args) { return dpctl_del_flow(device, args); });
  commands.add("dpctl/cache-get-size", "[dp]", 0, 1, [](Args args) { return dpctl_cache_size(args, false); });
  commands.add("dpctl/cache-set-size", "dp cache <size>", 3, 3,
               [](Args args) { return dpctl_cache_size(args, true); });
  commands.add("dpctl/offload-stats-show", "[dp]", 0, 1, dpctl_offload_stats);

  const auto purge = [&device](Args) -> Result<std::string> {
    device.datapath().flush_flows();
    return "";
  };
  const auto settle = [&device](Args) -> Result<std::string> {
    device.datapath().revalidate();
    return "";
  };
  commands.add("revalidator/purge", "", 0, 0, purge);
  commands.add("revalidator/wait", "", 0, 0, settle);
  commands.add("revalidator/pause", "", 0, 0, [&device](Args) -> Result<std::string> {
    device.datapath().set_background_sweep(false);
    return "";
  });
  commands.add("revalidator/resume", "", 0, 0, [&device](Args) -> Result<std::string> {
    device.datapath().set_background_sweep(true);
    return "";
  });
  for (const bool enabled : {false, true})
    commands.add(enabled ? "upcall/enable-megaflows" : "upcall/disable-megaflows", "", 0, 0,
                 [&device, enabled](Args) -> Result<std::string> {
                   device.upcalls().set_wildcards(enabled);
                   device.datapath().flush_flows();
                   return enabled ? "megaflows enabled" : "megaflows disabled";
                 });
  commands.add("upcall/set-flow-limit", "flow-limit-number", 1, 1,
               [&device](Args args) -> Result<std::string> {
                 const auto most = static_cast<std::uint32_t>(std::strtol(args[0].c_str(), nullptr, 10));
                 device.datapath().set_max_megaflows(most);
                 return fmt::format("set flow_limit to {}\n", most);
               });
  commands.add("upcall/show", "", 0, 0, [&device](Args) -> Result<std::string> {
    const auto current = device.datapath().stats().megaflows;
    const auto& census = device.megaflow_census();
    std::string text = fmt::format(
        "{}:\n  flows         : (current {}) (avg {:.0f}) (max {}) (limit {})\n  dump duration : {}ms\n"
        "  ufid enabled : true\n\n",
        kDatapathName, current, census.average, std::max<std::uint64_t>(census.most, current),
        device.datapath().max_megaflows(), census.round.whole_milliseconds());
    for (unsigned i = 0; i < device.datapath().workers(); ++i)
      text += fmt::format("  {}: (keys {})\n", i, device.datapath().worker_stats(i).megaflows);
    return text;
  });
}

}  // namespace sluice::daemon
