// What a new megaflow costs: the translation of a stateful firewall's passes.
#include <benchmark/benchmark.h>

#include <string>

#include "base/check.h"
#include "base/rng.h"
#include "field/match_text.h"
#include "pipeline/pipeline.h"

namespace sluice::pipeline {
namespace {

constexpr Instant kNow{1'000'000'000};

void add(Pipeline& pipeline, const std::string& text) {
  const auto flow = action::parse_flow(text, action::FlowCommand::Add);
  SLUICE_CHECK(flow.has_value());
  SLUICE_CHECK(pipeline.apply(*flow, kNow).has_value());
}

/// Inside (port 1) may open, outside (port 2) may not, with `allowed` exceptions by address and port.
struct Firewall {
  explicit Firewall(std::int64_t allowed) : pipeline(1) {
    pipeline.set_port(1, {.dp_port = 1, .name = "inside", .vlan = {}});
    pipeline.set_port(2, {.dp_port = 2, .name = "outside", .vlan = {}});
    add(pipeline, "priority=100,ip,ct_state=-trk,actions=ct(table=1)");
    add(pipeline, "priority=100,arp,actions=NORMAL");
    add(pipeline, "table=1,priority=100,ip,ct_state=+trk+est,actions=resubmit(,3)");
    add(pipeline, "table=1,priority=90,ip,ct_state=+trk+inv,actions=drop");
    add(pipeline, "table=1,priority=80,ip,ct_state=+trk+new,actions=resubmit(,2)");
    add(pipeline, "table=2,priority=10,ip,in_port=1,actions=ct(commit),resubmit(,3)");
    Rng rng(1);
    for (std::int64_t i = 0; i < allowed; ++i)
      add(pipeline, "table=2,priority=20,tcp,in_port=2,nw_dst=10." + std::to_string(rng.below(256)) + "." +
                        std::to_string(rng.below(256)) + ".0/24,tp_dst=" +
                        std::to_string(1 + rng.below(1000)) + ",actions=ct(commit),resubmit(,3)");
    add(pipeline, "table=3,in_port=1,actions=output:2");
    add(pipeline, "table=3,in_port=2,actions=output:1");
  }
  Pipeline pipeline;
};

flow::FlowKey key(const std::string& text) {
  const auto match = field::parse_match(text);
  SLUICE_CHECK(match.has_value());
  return match->value;
}

void first_pass(benchmark::State& state) {
  Firewall firewall(state.range(0));
  const flow::FlowKey packet =
      key("in_port=1,tcp,nw_src=10.1.1.1,nw_dst=10.9.1.2,nw_ttl=64,tp_src=9999,tp_dst=80");
  TranslationResult result;
  for (auto _ : state) {
    firewall.pipeline.translate(packet, true, kNow, result);
    benchmark::DoNotOptimize(result.program.data());
  }
}
BENCHMARK(first_pass)->Arg(0)->Arg(1000)->Arg(100'000);

void second_pass(benchmark::State& state) {
  Firewall firewall(state.range(0));
  const flow::FlowKey packet =
      key("in_port=1,tcp,nw_src=10.1.1.1,nw_dst=10.9.1.2,nw_ttl=64,tp_src=9999,tp_dst=80");
  TranslationResult first, result;
  firewall.pipeline.translate(packet, true, kNow, first);
  flow::FlowKey back = packet;
  back.recirc_id = be32{std::get<dp_action::Recirc>(first.program.at(1).variant()).id};
  back.ct_state = be32{0x21};
  for (auto _ : state) {
    firewall.pipeline.translate(back, true, kNow, result);
    benchmark::DoNotOptimize(result.program.data());
  }
}
BENCHMARK(second_pass)->Arg(0)->Arg(1000)->Arg(100'000);

void add_flow(benchmark::State& state) {
  Pipeline pipeline(1);
  auto flow = action::parse_flow("tcp,nw_dst=10.0.0.0,tp_dst=80,actions=output:1", action::FlowCommand::Add);
  SLUICE_CHECK(flow.has_value());
  std::uint32_t n = 0;
  for (auto _ : state) {
    flow->match.value.nw_dst = be32{++n};
    benchmark::DoNotOptimize(pipeline.apply(*flow, kNow));
  }
  state.counters["bytes/flow"] = static_cast<double>(pipeline.memory_bytes()) / static_cast<double>(n);
}
BENCHMARK(add_flow)->Iterations(200'000);

}  // namespace
}  // namespace sluice::pipeline
