// The whole switch on in-memory ports, per packet end to end: receive (a buffer from the pool and a copy of
// the frame), header walk, extraction, megaflow table, actions, send. `forward` is one pass; `stateful` is
// the firewall's two passes, ct(table) + recirculation + output, at 1 to 1M established UDP connections,
// packets in random order. Allocations are counted by replacing operator new.
#include <benchmark/benchmark.h>

#include <vector>

#include "base/rng.h"
#include "datapath/fake_pipeline.h"
#include "tests/support/count_allocations.h"
#include "tests/support/memory_port.h"

namespace sluice::datapath {
namespace {

using testing::allocations;
using testing::connection_frame;
using testing::MemoryPort;

struct BenchRig {
  BenchRig(FakePipeline::Decide decide, std::uint32_t connections)
      : tracker({.max_connections = connections * 2 + 1000, .hash_secret = 1}),
        pipeline(std::move(decide)),
        datapath({.hash_secret = 1}, clock, tracker) {
    datapath.set_handler(&pipeline);
    for (const char* name : {"in", "out"}) {
      auto port = std::make_unique<MemoryPort>(name);
      ports.push_back(port.get());
      (void)datapath.add_port(std::move(port));
    }
  }
  void pump(MemoryPort& port, std::uint64_t n) {
    port.to_receive = n;
    while (port.to_receive > 0) datapath.poll();
  }
  /// Measures packets that arrive at the first port in the order of its ring.
  void measure(benchmark::State& state) {
    constexpr std::uint64_t kPackets = 8192;
    pump(*ports[0], std::max<std::uint64_t>(kPackets, ports[0]->frames.size()));
    const auto before = datapath.stats();
    const std::uint64_t allocated = allocations.load();
    for (auto _ : state) pump(*ports[0], kPackets);
    const std::uint64_t now_allocated = allocations.load();
    const auto stats = datapath.stats();
    const auto packets = static_cast<double>(stats[Counter::Received] - before[Counter::Received]);
    state.counters["ns_per_packet"] =
        benchmark::Counter(packets, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
    state.counters["allocs_per_packet"] = static_cast<double>(now_allocated - allocated) / packets;
    if (stats[Counter::Sent] - before[Counter::Sent] != stats[Counter::Received] - before[Counter::Received])
      state.SkipWithError("not every packet was sent");
  }

  ManualClock clock;
  conntrack::Tracker tracker;
  FakePipeline pipeline;
  Datapath datapath;
  std::vector<MemoryPort*> ports;
};

void exact_types(flow::Mask& mask) {
  mask.bits.eth_type = be16{0xffff};
  mask.bits.nw_frag = 0xff;
}

void BM_Forward(benchmark::State& state) {
  BenchRig rig(
      [](const flow::FlowKey&, UpcallResult& result) {
        exact_types(result.mask);
        result.program = {dp_action::Output{2}};
      },
      1);
  for (std::uint32_t n = 0; n < 1000; ++n) rig.ports[0]->frames.push_back(connection_frame(n, false));
  rig.measure(state);
}
BENCHMARK(BM_Forward);

void BM_Stateful(benchmark::State& state) {
  const auto connections = static_cast<std::uint32_t>(state.range(0));
  BenchRig rig(
      [](const flow::FlowKey& key, UpcallResult& result) {
        exact_types(result.mask);
        result.mask.bits.ct_state = be32{0xff};
        const std::uint32_t out = key.in_port.host() == 1 ? 2 : 1;
        if (key.recirc_id.host() == 0) {
          result.program = {dp_action::Ct{conntrack::CtRequest{}}, dp_action::Recirc{1}};
        } else if ((key.ct_state.host() & conntrack::ct_state::kEstablished) != 0) {
          result.program = {dp_action::Output{out}};
        } else {
          result.program = {dp_action::Ct{conntrack::CtRequest{.commit = true}}, dp_action::Output{out}};
        }
      },
      connections);
  for (const bool reply : {false, true}) {
    MemoryPort& port = *rig.ports[reply ? 1 : 0];
    for (std::uint32_t n = 0; n < connections; ++n) port.frames.push_back(connection_frame(n, reply));
    rig.pump(port, connections);
  }
  // The same packets in random order.
  Rng rng(1);
  auto& frames = rig.ports[0]->frames;
  for (std::size_t i = frames.size(); i > 1; --i) std::swap(frames[i - 1], frames[rng.below(i)]);
  if (rig.tracker.connections() != connections) state.SkipWithError("not every connection is tracked");
  rig.measure(state);
}
BENCHMARK(BM_Stateful)->Arg(1)->Arg(1000)->Arg(100'000)->Arg(1'000'000)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace sluice::datapath
