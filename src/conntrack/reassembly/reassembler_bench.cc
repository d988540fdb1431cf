// Reassembly: time for a fragment, for datagrams of some sizes, and for a flood that finds the memory full.
#include <benchmark/benchmark.h>

#include <string>

#include "conntrack/reassembly/reassembler.h"
#include "packet/segment.h"
#include "tests/support/packet_dsl.h"

namespace sluice::conntrack {
namespace {

using namespace sluice::testing;

constexpr std::size_t kSlice = 1480;

/// Fragments of one datagram, walked once; the identification is written anew for each round.
struct Datagram4 {
  Datagram4(packet::PacketPool& pool, std::size_t bytes) {
    const Frame whole = build(Ip4{.proto = 99} / Payload{.size = bytes});
    for (const Frame& f : fragment(whole, kSlice)) pieces.push_back(make_packet(pool, f));
  }
  void renumber(std::uint16_t id) {
    for (packet::Packet* p : pieces) {
      std::uint8_t* const ip = p->data() + p->layout.l3;
      const std::uint32_t old = be16::load(ip + 4).host();
      be16{id}.store(ip + 4);
      // RFC 1624.
      std::uint32_t sum = (~be16::load(ip + 10).host() & 0xffffu) + (~old & 0xffffu) + id;
      sum = (sum & 0xffff) + (sum >> 16);
      sum = (sum & 0xffff) + (sum >> 16);
      be16{static_cast<std::uint16_t>(~sum)}.store(ip + 10);
    }
  }
  void give(packet::PacketPool& pool) {
    for (packet::Packet* p : pieces) pool.give(p);
  }
  std::vector<packet::Packet*> pieces;
};

void report(benchmark::State& state, std::size_t fragments, std::size_t bytes) {
  state.counters["fragments/s"] =
      benchmark::Counter(static_cast<double>(fragments), benchmark::Counter::kIsIterationInvariantRate);
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes) * state.iterations());
}

void put_together(benchmark::State& state, bool backwards) {
  packet::PacketPool pool(256);
  Reassembler fragments;
  Datagram4 datagram(pool, static_cast<std::size_t>(state.range(0)));
  if (backwards) std::reverse(datagram.pieces.begin(), datagram.pieces.end());
  FragmentEnds ends;
  std::uint16_t id = 0;
  for (auto _ : state) {
    datagram.renumber(++id);
    Reassembler::Added added{};
    for (packet::Packet* p : datagram.pieces) added = fragments.add(*p, 0, Instant{1}, pool, ends);
    if (added.whole == nullptr) state.SkipWithError("not whole");
    pool.give(added.whole);
  }
  report(state, datagram.pieces.size(), static_cast<std::size_t>(state.range(0)));
  datagram.give(pool);
}

void reassemble(benchmark::State& state) {
  put_together(state, false);
}
BENCHMARK(reassemble)->Arg(2000)->Arg(9000)->Arg(60000);

void reassemble_backwards(benchmark::State& state) {
  put_together(state, true);
}
BENCHMARK(reassemble_backwards)->Arg(60000);

/// First fragments of ever new datagrams: each makes room for itself.
void flood(benchmark::State& state) {
  packet::PacketPool pool(8);
  Reassembler fragments;
  Datagram4 datagram(pool, 2000);
  FragmentEnds ends;
  std::uint16_t id = 0;
  for (std::uint32_t i = 0; i < 60'000; ++i) {
    datagram.renumber(++id);
    fragments.add(*datagram.pieces[0], 0, Instant{1}, pool, ends);
  }
  for (auto _ : state) {
    datagram.renumber(++id);
    fragments.add(*datagram.pieces[0], 0, Instant{1}, pool, ends);
  }
  report(state, 1, kSlice);
  datagram.give(pool);
}
BENCHMARK(flood);

/// What the way out costs: a whole packet cut to fragments of 1500 bytes.
void cut_again(benchmark::State& state) {
  packet::PacketPool pool(8);
  packet::Packet* const whole =
      make_packet(pool, Ip4{.proto = 99} / Payload{.size = static_cast<std::size_t>(state.range(0))});
  packet::Packet* const piece = pool.take(2000);
  std::size_t n = 0;
  for (auto _ : state) {
    packet::Fragmenter pieces(*whole, 1500, 1);
    for (n = 0; pieces.next(*piece); ++n) benchmark::DoNotOptimize(piece->data());
  }
  report(state, n, static_cast<std::size_t>(state.range(0)));
  pool.give(whole);
  pool.give(piece);
}
BENCHMARK(cut_again)->Arg(2000)->Arg(9000)->Arg(60000);

}  // namespace
}  // namespace sluice::conntrack
