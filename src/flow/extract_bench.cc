// What a FlowKey costs: header walk and extraction of batches of 32 packets, and masked hashing and
// comparing.
#include "flow/extract.h"

#include <benchmark/benchmark.h>

#include <array>

#include "flow/mini_key.h"
#include "packet/packet_pool.h"
#include "tests/support/packet_dsl.h"
#include "wire/walk.h"

namespace sluice::flow {
namespace {

using namespace sluice::testing;  // NOLINT: the packet DSL

struct Batch {
  explicit Batch(const Layers& layers) : pool(limits::kBatchSize) {
    while (!packets.full()) packets.push(make_packet(pool, layers, 1));
  }
  packet::PacketPool pool;
  packet::PacketBatch packets;
  std::array<FlowKey, limits::kBatchSize> keys;
};

void report(benchmark::State& state) {
  const auto packets = static_cast<double>(state.iterations() * limits::kBatchSize);
  state.counters["ns/packet"] =
      benchmark::Counter(packets * 1e-9, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void walk_and_extract(benchmark::State& state, const Layers& layers) {
  Batch batch(layers);
  for (auto _ : state) {
    for (unsigned i = 0; i < batch.packets.size(); ++i) {
      packet::Packet& packet = *batch.packets[i];
      wire::walk(packet.bytes(), packet.layout);
      extract(packet, batch.keys[i]);
    }
    benchmark::ClobberMemory();
  }
  report(state);
}

void extract_only(benchmark::State& state, const Layers& layers) {
  Batch batch(layers);
  for (auto _ : state) {
    for (unsigned i = 0; i < batch.packets.size(); ++i) extract(*batch.packets[i], batch.keys[i]);
    benchmark::ClobberMemory();
  }
  report(state);
}

void extract_tracked(benchmark::State& state, const Layers& layers) {
  Batch batch(layers);
  for (packet::Packet* packet : batch.packets) packet->meta.ct.state = 0x22;
  for (auto _ : state) {
    for (unsigned i = 0; i < batch.packets.size(); ++i) extract(*batch.packets[i], batch.keys[i]);
    benchmark::ClobberMemory();
  }
  report(state);
}

const Layers kTcp4 = Ip4{} / Tcp{} / Payload{.size = 64};
BENCHMARK_CAPTURE(walk_and_extract, tcp4, kTcp4);
BENCHMARK_CAPTURE(walk_and_extract, udp6, Ip6{} / Udp{} / Payload{.size = 64});
BENCHMARK_CAPTURE(walk_and_extract, vlan_tcp4, Vlan{.vid = 5} / kTcp4);
BENCHMARK_CAPTURE(extract_only, tcp4, kTcp4);
BENCHMARK_CAPTURE(extract_tracked, tcp4, kTcp4);

/// The mask of a stateful firewall's megaflow: port, recirculation, ct_state, EtherType, addresses, protocol,
/// ports.
Mask firewall_mask() {
  Mask mask;
  mask.bits.in_port = mask.bits.recirc_id = mask.bits.ct_state = ~be32{};
  mask.bits.eth_type = ~be16{};
  mask.bits.nw_src = mask.bits.nw_dst = ~be32{};
  mask.bits.nw_proto = mask.bits.nw_frag = 0xff;
  mask.bits.tp_dst = ~be16{};
  return mask;
}

void mini_hash(benchmark::State& state) {
  Batch batch(kTcp4);
  for (unsigned i = 0; i < batch.packets.size(); ++i) extract(*batch.packets[i], batch.keys[i]);
  const MiniMask mask(firewall_mask());
  for (auto _ : state) {
    for (const FlowKey& key : batch.keys) benchmark::DoNotOptimize(mask.hash(key, 1));
  }
  report(state);
}
BENCHMARK(mini_hash);

void full_compare_under_mask(benchmark::State& state) {
  Batch batch(kTcp4);
  for (unsigned i = 0; i < batch.packets.size(); ++i) extract(*batch.packets[i], batch.keys[i]);
  const Mask mask = firewall_mask();
  for (auto _ : state) {
    for (const FlowKey& key : batch.keys) benchmark::DoNotOptimize(equal_under(key, batch.keys[0], mask));
  }
  report(state);
}
BENCHMARK(full_compare_under_mask);

void pool_take_give(benchmark::State& state) {
  packet::PacketPool pool(64);
  packet::PacketBatch batch;
  for (auto _ : state) {
    while (!batch.full()) batch.push(pool.take(1500));
    pool.give(batch);
  }
  report(state);
}
BENCHMARK(pool_take_give);

}  // namespace
}  // namespace sluice::flow
