#include "pipeline/classifier.h"

#include <benchmark/benchmark.h>

#include <vector>

#include "base/rng.h"

namespace sluice::pipeline {
namespace {

flow::FlowKey packet(Rng& rng) {
  flow::FlowKey key{};
  key.in_port = be32{1};
  key.eth_type = be16{0x0800};
  key.nw_src = be32{0x0a000000 | static_cast<std::uint32_t>(rng.below(1 << 24))};
  key.nw_dst = be32{0x0a000000 | static_cast<std::uint32_t>(rng.below(1 << 24))};
  key.nw_proto = 6;
  key.tp_dst = be16{static_cast<std::uint16_t>(rng.below(1024))};
  return key;
}

/// Access-list like rules: prefixes of a few lengths, some with ports.
flow::Match rule_match(Rng& rng) {
  static constexpr unsigned kLengths[] = {8, 16, 24, 32};
  flow::Match match{};
  match.mask.bits.eth_type = be16{0xffff};
  match.mask.bits.nw_src = net::ipv4_prefix_mask(kLengths[rng.below(4)]);
  if (rng.chance(50)) match.mask.bits.nw_dst = net::ipv4_prefix_mask(kLengths[1 + rng.below(3)]);
  if (rng.chance(60)) {
    match.mask.bits.nw_proto = 0xff;
    match.mask.bits.tp_dst = be16{0xffff};
  }
  match.value = flow::masked(packet(rng), match.mask);
  return match;
}

void lookup(benchmark::State& state) {
  Rng rng(1);
  Classifier classifier(rng.next());
  for (std::int64_t i = 0; i < state.range(0);) {
    const flow::Match match = rule_match(rng);
    const auto priority = static_cast<std::uint16_t>(rng.below(1000));
    if (classifier.find(match, priority)) continue;
    const RuleRef rule = Rule::create(classifier.shape(match.mask), match.value, 0, priority, {},
                                      SharedActions::create({}), Ref<RuleStats>::adopt(new RuleStats));
    classifier.insert(rule.get());
    classifier.publish();
    ++i;
  }
  std::vector<flow::FlowKey> packets;
  for (int i = 0; i < 4096; ++i) packets.push_back(packet(rng));
  std::size_t next = 0;
  for (auto _ : state) {
    flow::Mask mask{};
    benchmark::DoNotOptimize(classifier.lookup(packets[next++ & 4095], 1, &mask));
  }
  state.counters["subtables"] = static_cast<double>(classifier.subtables());
  state.counters["index bytes/rule"] =
      static_cast<double>(classifier.memory_bytes()) / static_cast<double>(state.range(0));
}
BENCHMARK(lookup)->Arg(10)->Arg(1000)->Arg(100'000)->Arg(1'000'000);

void insert_and_remove(benchmark::State& state) {
  Rng rng(1);
  Classifier classifier(rng.next());
  const flow::Match match = rule_match(rng);
  const RuleRef rule = Rule::create(classifier.shape(match.mask), match.value, 0, 1, {},
                                    SharedActions::create({}), Ref<RuleStats>::adopt(new RuleStats));
  flow::Match keep = match;
  keep.value.nw_src = {};
  const RuleRef kept = Rule::create(classifier.shape(match.mask), keep.value, 0, 1, {},
                                    SharedActions::create({}), Ref<RuleStats>::adopt(new RuleStats));
  classifier.insert(kept.get());
  classifier.publish();
  for (auto _ : state) {
    classifier.insert(rule.get());
    classifier.publish();
    classifier.remove(rule.get());
  }
  rcu::reclaim();
}
BENCHMARK(insert_and_remove);

}  // namespace
}  // namespace sluice::pipeline
