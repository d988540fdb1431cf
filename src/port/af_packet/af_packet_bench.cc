// Frames through two veth pairs in a namespace: generator -> a0|a1 -> forwarder -> b0|b1 -> sink, all in one
// thread. "Forward" counts only the time of the forwarder's receive and send, kernel's work for veth
// included. Needs root; without it nothing is measured.
#include <benchmark/benchmark.h>

#include <chrono>
#include <memory>

#include "port/af_packet/af_packet_port.h"
#include "port/namespace_test_util.h"

namespace sluice::port {
namespace {

using packet::Offload;
using packet::Packet;
using packet::PacketBatch;
using packet::PacketPool;

struct Rig {
  NetworkNamespace space{"bench"};
  std::unique_ptr<AfPacketPort> a0, a1, b0, b1;

  bool open() {
    if (!space.made()) return false;
    for (const char pair : {'a', 'b'}) {
      const std::string name = std::string("v") + pair;
      space.ip("link add name " + name + "0 type veth peer name " + name + "1");
      for (const char end : {'0', '1'}) space.ip("link set dev " + name + end + " addrgenmode none up");
    }
    const NetworkNamespace::Entered inside(space);
    for (auto& [port, name] : {std::pair{&a0, "va0"}, {&a1, "va1"}, {&b0, "vb0"}, {&b1, "vb1"}}) {
      auto opened = AfPacketPort::open(name);
      if (!opened) return false;
      *port = std::move(*opened);
    }
    return true;
  }
};

void forward(benchmark::State& state, bool whole_loop) {
  Rig rig;
  if (!rig.open()) return state.SkipWithError("needs root and network namespaces");
  PacketPool pool(256);
  const auto size = static_cast<std::uint32_t>(state.range(0));
  Packet* const packet = pool.take(size);
  packet->resize(size);
  std::memset(packet->data(), 0x22, size);
  std::uint64_t forwarded = 0, arrived = 0;
  for (auto _ : state) {
    for (unsigned i = 0; i < limits::kBatchSize; ++i) rig.a0->send(*packet);
    rig.a0->flush();
    PacketBatch batch;
    const auto start = std::chrono::steady_clock::now();
    rig.a1->receive(batch, pool);
    for (const Packet* p : batch) rig.b0->send(*p);
    rig.b0->flush();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    if (!whole_loop) state.SetIterationTime(took.count());
    forwarded += batch.size();
    pool.give(batch);
    rig.b1->receive(batch, pool);
    arrived += batch.size();
    pool.give(batch);
  }
  pool.give(packet);
  state.SetItemsProcessed(static_cast<std::int64_t>(forwarded));
  state.counters["lost"] = static_cast<double>(forwarded - arrived);
}

void BM_WholeLoop(benchmark::State& state) {
  forward(state, true);
}
void BM_Forward(benchmark::State& state) {
  forward(state, false);
}
BENCHMARK(BM_WholeLoop)->Arg(64)->Arg(1500);
BENCHMARK(BM_Forward)->Arg(64)->Arg(1500)->UseManualTime();

}  // namespace
}  // namespace sluice::port
