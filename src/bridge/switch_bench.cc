// The whole switch with its real control plane: examples/firewall.flows over in-memory ports.
//
// `established` is the life of nearly every packet: two passes, megaflows and connections known. `opening`
// adds a new connection a packet (commit). `upcall` makes every packet miss the megaflow table (it is flushed
// between rounds): walk, extract, miss, translation of both passes, two megaflows installed. Allocations are
// counted.
#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "bridge/switch.h"
#include "conntrack/tracker.h"
#include "tests/support/count_allocations.h"
#include "tests/support/memory_port.h"

namespace sluice::bridge {
namespace {

using testing::allocations;
using testing::connection_frame;
using testing::MemoryPort;

constexpr std::string_view kFirewall = R"(
table=0,priority=100,arp,actions=NORMAL
table=0,priority=50,ip,actions=ct(table=1)
table=0,priority=0,actions=drop
table=1,priority=200,ct_state=+trk+inv,actions=drop
table=1,priority=100,ct_state=+trk+est,in_port=1,actions=output:2
table=1,priority=100,ct_state=+trk+est,in_port=2,actions=output:1
table=1,priority=100,ct_state=+trk+rel-new,in_port=1,actions=output:2
table=1,priority=100,ct_state=+trk+rel-new,in_port=2,actions=output:1
table=1,priority=50,ct_state=+trk+new,ip,in_port=1,actions=ct(commit),output:2
table=1,priority=0,actions=drop
)";

struct Rig {
  explicit Rig(std::uint32_t max_connections)
      : config(firewall(max_connections)), sw(clock, options(), config) {
    const ReconcileReport report = sw.reconcile(config);
    SLUICE_CHECK(report.ok());
  }

  static SwitchConfig firewall(std::uint32_t max_connections) {
    SwitchConfig config;
    config.conntrack.max_connections = max_connections;
    BridgeConfig bridge;
    bridge.name = "br0";
    bridge.local = LocalPort::None;
    bridge.flows = kFirewall;
    for (const char* name : {"in", "out"}) bridge.ports.push_back({.name = name, .type = "dummy"});
    config.bridges.push_back(std::move(bridge));
    return config;
  }
  SwitchOptions options() {
    return {.secret = 1, .make_port = [this](const PortConfig& port) -> Result<std::unique_ptr<port::Port>> {
              auto made = std::make_unique<MemoryPort>(port.name);
              ports.push_back(made.get());
              return made;
            }};
  }

  void pump(unsigned port, std::uint64_t n) {
    ports[port]->to_receive = n;
    while (ports[port]->to_receive > 0) sw.datapath().poll();
  }
  /// Connections 0 … n-1 with an answer each; then the first port's ring holds their packets in random order.
  void establish(std::uint32_t n) {
    for (const bool reply : {false, true}) {
      auto& frames = ports[reply ? 1 : 0]->frames;
      for (std::uint32_t i = 0; i < n; ++i) frames.push_back(connection_frame(i, reply));
      pump(reply ? 1 : 0, n);
    }
    Rng rng(1);
    auto& frames = ports[0]->frames;
    for (std::size_t i = frames.size(); i > 1; --i) std::swap(frames[i - 1], frames[rng.below(i)]);
    SLUICE_CHECK(sw.tracker().connections() == n);
  }
  /// Packets of the first port's ring, `n` a round; `between` is not timed.
  template <typename Between>
  void measure(benchmark::State& state, std::uint64_t n, Between between) {
    std::uint64_t packets = 0, allocated = 0;
    for (auto _ : state) {
      state.PauseTiming();
      between();
      const std::uint64_t before = allocations.load();
      state.ResumeTiming();
      pump(0, n);
      packets += n;
      allocated += allocations.load() - before;
    }
    const auto total = static_cast<double>(packets);
    state.counters["ns_per_packet"] =
        benchmark::Counter(total, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
    state.counters["allocs_per_packet"] = static_cast<double>(allocated) / total;
    const datapath::DatapathStats stats = sw.datapath().stats();
    if (stats[datapath::Counter::Sent] != stats[datapath::Counter::Received])
      state.SkipWithError("not every packet was sent");
  }

  ManualClock clock;
  std::vector<MemoryPort*> ports;
  SwitchConfig config;
  Switch sw;
};

void BM_FirewallEstablished(benchmark::State& state) {
  const auto connections = static_cast<std::uint32_t>(state.range(0));
  Rig rig(connections * 2 + 1000);
  rig.establish(connections);
  rig.pump(0, std::max<std::uint64_t>(65536, connections));
  rig.measure(state, 65536, [] {});
}
BENCHMARK(BM_FirewallEstablished)
    ->Arg(1)
    ->Arg(1000)
    ->Arg(100'000)
    ->Arg(1'000'000)
    ->Unit(benchmark::kMicrosecond);

void BM_FirewallOpening(benchmark::State& state) {
  constexpr std::uint32_t kRound = 60'000;
  Rig rig(2'000'000);
  for (std::uint32_t i = 0; i < kRound; ++i) rig.ports[0]->frames.push_back(connection_frame(i, false));
  rig.pump(0, 64);
  rig.measure(state, kRound, [&] {
    rig.sw.tracker().flush({});
    while (rig.sw.tracker().expire(rig.clock.now(), 100'000)) {
    }
  });
}
BENCHMARK(BM_FirewallOpening)->Unit(benchmark::kMicrosecond);

void BM_FirewallUpcall(benchmark::State& state) {
  Rig rig(1000);
  rig.establish(1);
  rig.measure(state, 1, [&] { rig.sw.datapath().flush_flows(); });
}
BENCHMARK(BM_FirewallUpcall);

}  // namespace
}  // namespace sluice::bridge
