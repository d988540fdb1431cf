// What finding the headers of a packet costs: batches of 32 frames in cache, as a worker has them after
// receive.
#include <benchmark/benchmark.h>

#include <vector>

#include "base/limits.h"
#include "tests/support/packet_dsl.h"
#include "wire/walk.h"

namespace sluice::wire {
namespace {

using namespace sluice::testing;  // NOLINT: the packet DSL

void walk_batch(benchmark::State& state, const Layers& layers) {
  const std::vector<Frame> frames(limits::kBatchSize, build(layers));
  std::vector<Layout> layouts(limits::kBatchSize);
  for (auto _ : state) {
    for (std::size_t i = 0; i < limits::kBatchSize; ++i) walk(frames[i], layouts[i]);
    benchmark::DoNotOptimize(layouts.data());
    benchmark::ClobberMemory();
  }
  const auto packets = static_cast<double>(state.iterations() * limits::kBatchSize);
  state.counters["ns/packet"] =
      benchmark::Counter(packets * 1e-9, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

BENCHMARK_CAPTURE(walk_batch, tcp4, Ip4{} / Tcp{} / Payload{.size = 64});
BENCHMARK_CAPTURE(walk_batch, udp6, Ip6{} / Udp{} / Payload{.size = 64});
BENCHMARK_CAPTURE(walk_batch, vlan_tcp4, Vlan{.vid = 5} / Ip4{} / Tcp{} / Payload{.size = 64});
BENCHMARK_CAPTURE(walk_batch, icmp4, Ip4{} / Icmp4{} / Payload{.size = 56});
BENCHMARK_CAPTURE(walk_batch, arp, Arp{});
BENCHMARK_CAPTURE(walk_batch, ipv6_three_extensions, Ip6{} / Ext6{.kind = 0} / Ext6{} / Ext6{} / Udp{});

}  // namespace
}  // namespace sluice::wire
