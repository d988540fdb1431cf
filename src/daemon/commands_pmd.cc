// What the packet-processing threads do: dpif-netdev/pmd-…. Formats: what ovs-vswitchd prints. A single
// worker is its "main thread".
#include <fmt/core.h>

#include <map>
#include <vector>

#include "daemon/commands.h"
#include "daemon/pmd_stats.h"

namespace sluice::daemon {

namespace {

using datapath::Counter;
using datapath::DatapathStats;
using unixctl::Args;

std::string heading(const bridge::Switch& device, unsigned worker) {
  return device.datapath().workers() == 1 ? std::string("main thread")
                                          : fmt::format("pmd thread numa_id 0 core_id {}", worker);
}

double ratio(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

DatapathStats since(const DatapathStats& now, const DatapathStats& then) {
  DatapathStats difference = now;
  for (unsigned i = 0; i < datapath::kCounterCount; ++i) difference.counters[i] -= then.counters[i];
  return difference;
}

/// Of threads that have a core of their own: one worker alone is the main thread, of which ovs-vswitchd shows
/// nothing either. Cycles and iterations are not counted.
std::string show_performance(const bridge::Switch& device) {
  std::string text;
  const auto& datapath = device.datapath();
  for (unsigned worker = 0; datapath.workers() > 1 && worker < datapath.workers(); ++worker) {
    const auto stats = datapath.worker_stats(worker);
    text += fmt::format("{}:\n\n  Rx packets: {:>20}\n  Tx packets: {:>20}\n\n", heading(device, worker),
                        stats[Counter::Received], stats[Counter::Sent]);
  }
  return text;
}

/// Suspicious iterations are not looked for: the options are checked, and that is all.
Result<std::string> set_performance_log(Args args) {
  for (std::size_t i = 0; i < args.size(); ++i) {
    const std::string& word = args[i];
    if (word == "on" || word == "off" || word == "-e" || word == "-ne") continue;
    const bool takes_number = word == "-b" || word == "-a" || word == "-us" || word == "-q";
    if (!takes_number || ++i == args.size())
      return fail(
          "Usage: ovs-appctl dpif-netdev/pmd-perf-log-set [on|off] [-b before] [-a after] [-e|-ne] [-us "
          "usec] "
          "[-q qlen]");
  }
  return "";
}

std::string show_queues(const bridge::Switch& device) {
  std::map<unsigned, std::vector<std::string>> names;
  for (const auto& port : device.datapath().ports())
    if (port.number != datapath::kOwnPort) names[port.worker].push_back(port.name);
  std::string text = "Displaying last 60 seconds pmd usage %\n";
  for (unsigned worker = 0; worker < device.datapath().workers(); ++worker) {
    text += fmt::format("{}:\n  isolated : false\n", heading(device, worker));
    for (const auto& name : names[worker])
      text += fmt::format("  port: {:<16}  queue-id:  0 (enabled)   pmd usage: NOT AVAIL\n", name);
  }
  return text;
}

}  // namespace

std::string PmdStats::show() const {
  std::string text;
  for (unsigned worker = 0; worker < cleared_.size(); ++worker) {
    const auto stats = since(device_.datapath().worker_stats(worker), cleared_[worker]);
    const std::uint64_t received = stats[Counter::Received] + stats[Counter::Injected];
    text += fmt::format(
        "{}:\n"
        "  packets received: {}\n"
        "  packet recirculations: {}\n"
        "  avg. datapath passes per packet: {:.2f}\n"
        "  phwol hits: 0\n"
        "  mfex opt hits: 0\n"
        "  simple match hits: 0\n"
        "  emc hits: 0\n"
        "  smc hits: 0\n"
        "  megaflow hits: {}\n"
        "  avg. subtable lookups per megaflow hit: {:.2f}\n"
        "  miss with success upcall: {}\n"
        "  miss with failed upcall: {}\n"
        "  avg. packets per output batch: {:.2f}\n",
        heading(device_, worker), received, stats[Counter::Recirculated],
        ratio(received + stats[Counter::Recirculated], received), stats[Counter::Hits],
        ratio(stats[Counter::MaskProbes], stats[Counter::Lookups]), stats[Counter::Upcalls],
        stats[packet::DropReason::NoHandler], ratio(stats[Counter::Sent], stats[Counter::Batches]));
  }
  return text;
}

void PmdStats::clear() {
  for (unsigned worker = 0; worker < cleared_.size(); ++worker)
    cleared_[worker] = device_.datapath().worker_stats(worker);
}

void add_pmd_commands(unixctl::CommandRegistry& commands, bridge::Switch& device, PmdStats& stats) {
  commands.add("dpif-netdev/pmd-stats-show", "[-pmd core] [dp]", 0, 3,
               [&stats](Args) -> Result<std::string> { return stats.show(); });
  commands.add("dpif-netdev/pmd-stats-clear", "[-pmd core] [dp]", 0, 3,
               [&stats](Args) -> Result<std::string> {
                 stats.clear();
                 return "";
               });
  commands.add("dpif-netdev/pmd-perf-show",
               "[-nh] [-it iter-history-len] [-ms ms-history-len] [-pmd core] [dp]", 0, 8,
               [&device](Args) -> Result<std::string> { return show_performance(device); });
  commands.add("dpif-netdev/pmd-perf-log-set", "on|off [-b before] [-a after] [-e|-ne] [-us usec] [-q qlen]",
               0, 10, [](Args args) { return set_performance_log(args); });
  commands.add("dpif-netdev/bond-show", "[dp]", 0, 1, [](Args args) -> Result<std::string> {
    if (!args.empty() && args[0] != "ovs-netdev") return fail("please specify an existing datapath");
    return "";  // the datapath balances no bonds: translation does
  });
  commands.add("dpif-netdev/pmd-rxq-show", "[-pmd core] [-secs secs] [dp]", 0, 5,
               [&device](Args) -> Result<std::string> { return show_queues(device); });
}

}  // namespace sluice::daemon
