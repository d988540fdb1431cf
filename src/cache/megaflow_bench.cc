// Cost of a megaflow hit, per key, in batches of 32: masks of the width of a stateful firewall's (9 words),
// with the megaflow under the last of 1, 10 or 50 masks, and with many megaflows under one mask.
#include <benchmark/benchmark.h>

#include <vector>

#include "base/rng.h"
#include "cache/megaflow.h"

namespace sluice::cache {
namespace {

constexpr Instant kNow{1'000'000'000};

flow::FlowKey key_of(std::uint64_t n) {
  flow::FlowKey key;
  key.in_port = be32{1};
  key.eth_type = be16{0x0800};
  key.eth_src = net::Mac::from_value(0x020000000001);
  key.nw_src = be32{static_cast<std::uint32_t>(0x0a000000 + n)};
  key.nw_dst = be32{0x0b000001};
  key.nw_proto = 6;
  key.tp_src = be16{static_cast<std::uint16_t>(n * 7)};
  key.tp_dst = be16{80};
  key.ct_state = be32{0x22};
  return key;
}

flow::Mask firewall_mask() {
  flow::Mask mask;
  mask.bits.eth_type = be16{0xffff};
  mask.bits.eth_src = net::Mac::from_value(0xffffffffffff);
  mask.bits.eth_dst = mask.bits.eth_src;
  mask.bits.nw_src = be32{0xffffffff};
  mask.bits.nw_dst = be32{0xffffffff};
  mask.bits.nw_proto = 0xff;
  mask.bits.nw_frag = 0xff;
  mask.bits.tp_dst = be16{0xffff};
  mask.bits.ct_state = be32{0xff};
  mask.bits.ct_zone = be16{0xffff};
  return mask;
}

/// range(0) masks are tried, the last one hits; range(1) megaflows under it.
void BM_MegaflowHit(benchmark::State& state) {
  const auto masks = static_cast<unsigned>(state.range(0));
  const auto megaflows = static_cast<std::uint64_t>(state.range(1));
  MegaflowTable table({.megaflows = 1 << 20, .masks_per_pass = 100}, 1);
  for (unsigned i = 1; i < masks; ++i) {
    flow::Mask mask = firewall_mask();
    mask.bits.ct_mark = be32{i};
    flow::FlowKey other = key_of(0);
    other.ct_mark = be32{0xffffffff};
    table.insert(other, mask, {}, nullptr, 0, kNow);
  }
  std::vector<flow::FlowKey> keys;
  for (std::uint64_t i = 0; i < megaflows; ++i) {
    keys.push_back(key_of(i));
    table.insert(keys.back(), firewall_mask(), {}, nullptr, 0, kNow);
  }
  // Keys in random order, enough of them not to be predicted.
  Rng rng(3);
  std::vector<std::uint32_t> order(8192);
  for (auto& i : order) i = static_cast<std::uint32_t>(rng.below(megaflows));

  flow::FlowKey batch[32];
  const flow::FlowKey* refs[32];
  Megaflow* found[32];
  std::size_t next = 0;
  for (auto _ : state) {
    for (unsigned i = 0; i < 32; ++i) {
      batch[i] = keys[order[next++ % order.size()]];
      refs[i] = &batch[i];
    }
    benchmark::DoNotOptimize(table.look_up(refs, 32, found));
  }
  state.counters["ns_per_key"] =
      benchmark::Counter(static_cast<double>(state.iterations()) * 32,
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK(BM_MegaflowHit)->Args({1, 1})->Args({1, 1000})->Args({1, 100000})->Args({10, 1})->Args({50, 1});

/// The copying of keys that BM_MegaflowHit does besides looking up.
void BM_CopyKeys(benchmark::State& state) {
  std::vector<flow::FlowKey> keys(1000, key_of(1));
  flow::FlowKey batch[32];
  std::size_t next = 0;
  for (auto _ : state) {
    for (auto& key : batch) key = keys[next++ % keys.size()];
    benchmark::DoNotOptimize(batch);
  }
  state.counters["ns_per_key"] =
      benchmark::Counter(static_cast<double>(state.iterations()) * 32,
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK(BM_CopyKeys);

}  // namespace
}  // namespace sluice::cache
