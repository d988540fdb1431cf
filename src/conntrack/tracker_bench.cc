// What a packet costs in the tracker: hits in random order over tables of growing size, new connections,
// expiry. Packets are walked before, in batches of 32; the NIC is taken to have verified transport checksums
// unless a name says otherwise. Memory per connection is what the tables touched, allocations are counted in
// operator new.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

#include "base/rng.h"
#include "conntrack/tracker.h"
#include "net/address.h"
#include "tests/support/tracker_traffic.h"

namespace {
std::uint64_t allocations = 0;
}  // namespace

[[gnu::noinline]] void* operator new(std::size_t size) {
  ++allocations;
  if (void* p = std::malloc(size)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* p) noexcept {
  std::free(p);
}
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept {
  std::free(p);
}

namespace sluice::conntrack {
namespace {

using namespace sluice::testing;
using packet::PacketBatch;
using packet::PacketPool;

void hits(benchmark::State& state, Traffic::Kind kind, bool trusted) {
  const auto n = static_cast<std::uint32_t>(state.range(0));
  Tracker tracker({.max_connections = std::max(n, 1000u), .hash_secret = 42});
  Traffic traffic(kind, trusted);
  fill(tracker, traffic, n);
  // Random order, both directions.
  Rng rng(1);
  const CtRequest look{.zone = 7};
  PacketBatch dropped;
  Stopwatch watch(state);
  const std::uint64_t allocated = allocations;
  std::uint64_t packets = 0;
  for (auto _ : state) {
    for (unsigned i = 0; i < limits::kBatchSize; ++i)
      traffic.aim(i, static_cast<std::uint32_t>(rng.below(n)), (rng.next() & 1) != 0);
    PacketBatch batch = traffic.batch();
    watch.start();
    tracker.process(batch, look, kStart, dropped);
    watch.stop(limits::kBatchSize);
    packets += limits::kBatchSize;
  }
  const TrackerCounters counters = tracker.counters();
  if (counters.hits < packets || tracker.connections() != n)
    state.SkipWithError("not every packet was a hit");
  state.counters["allocations/packet"] =
      static_cast<double>(allocations - allocated) / static_cast<double>(packets);
  state.counters["bytes/connection"] = static_cast<double>(tracker.memory_bytes()) / tracker.connections();
}

void BM_HitTcp(benchmark::State& state) {
  hits(state, Traffic::Kind::Tcp, true);
}
void BM_HitUdp(benchmark::State& state) {
  hits(state, Traffic::Kind::Udp, true);
}
void BM_HitTcp6(benchmark::State& state) {
  hits(state, Traffic::Kind::Tcp6, true);
}
void BM_HitTcpNothingVerified(benchmark::State& state) {
  hits(state, Traffic::Kind::Tcp, false);
}
BENCHMARK(BM_HitTcp)->Arg(1)->Arg(1000)->Arg(100'000)->Arg(1'000'000)->UseManualTime();
BENCHMARK(BM_HitUdp)->Arg(1000)->Arg(1'000'000)->UseManualTime();
BENCHMARK(BM_HitTcp6)->Arg(1000)->Arg(1'000'000)->UseManualTime();

/// First packets, into tables that already hold up to a million.
/// @return the bytes that a connection takes in the last of them.
double open_connections(benchmark::State& state, const CtRequest& request) {
  constexpr std::uint32_t kMost = 1'000'000;
  Traffic traffic(Traffic::Kind::Tcp);
  auto tracker = std::make_unique<Tracker>(TrackerOptions{.max_connections = kMost, .hash_secret = 42});
  PacketBatch dropped;
  std::uint32_t next = 0;
  Stopwatch watch(state);
  for (auto _ : state) {
    if (next + limits::kBatchSize > kMost) {
      tracker = std::make_unique<Tracker>(TrackerOptions{.max_connections = kMost, .hash_secret = 42});
      next = 0;
    }
    for (unsigned i = 0; i < limits::kBatchSize; ++i) traffic.aim(i, next++, false);
    PacketBatch batch = traffic.batch();
    watch.start();
    tracker->process(batch, request, kStart, dropped);
    watch.stop(limits::kBatchSize);
    if (!dropped.empty()) {
      state.SkipWithError("not every packet opened a connection");
      return 0;
    }
  }
  if (tracker->connections() != next) state.SkipWithError("not every packet opened a connection");
  return static_cast<double>(tracker->memory_bytes()) / tracker->connections();
}

void BM_New(benchmark::State& state) {
  open_connections(state, {.commit = true, .zone = 7});
}
BENCHMARK(BM_New)->UseManualTime();

/// The same with source NAT to 255 addresses. All go to one endpoint, and clients use the same ports: some
/// must get another.
void BM_NewTranslated(benchmark::State& state) {
  const be128 first = net::v4_mapped(be32{0x0a090001}), last = net::v4_mapped(be32{0x0a0900ff});
  state.counters["bytes/connection"] = open_connections(
      state,
      {.commit = true,
       .nat = true,
       .zone = 7,
       .nat_range = {
           .kind = NatRange::Kind::Source, .has_address = true, .min_address = first, .max_address = last}});
}
BENCHMARK(BM_NewTranslated)->UseManualTime();

/// Packets of translated connections, both directions, translated and given back their addresses each time.
void BM_HitTranslated(benchmark::State& state) {
  const auto n = static_cast<std::uint32_t>(state.range(0));
  Tracker tracker({.max_connections = std::max(n, 1000u), .hash_secret = 42});
  Traffic traffic(Traffic::Kind::Tcp);
  const be128 address = net::v4_mapped(be32{0x0a090001}), last = net::v4_mapped(be32{0x0a0900ff});
  const CtRequest open{
      .commit = true,
      .nat = true,
      .zone = 7,
      .nat_range = {
          .kind = NatRange::Kind::Source, .has_address = true, .min_address = address, .max_address = last}};
  PacketBatch dropped;
  // What each connection has become, so that replies can be aimed at it.
  std::vector<std::pair<std::uint32_t, std::uint16_t>> outer(n);
  for (std::uint32_t begin = 0; begin < n; begin += limits::kBatchSize) {
    for (unsigned i = 0; i < limits::kBatchSize; ++i) traffic.aim(i, std::min(begin + i, n - 1), false);
    PacketBatch batch = traffic.batch();
    tracker.process(batch, open, kStart, dropped);
    for (unsigned i = 0; i < limits::kBatchSize && begin + i < n; ++i) outer[begin + i] = traffic.source(i);
  }
  const CtRequest look{.nat = true, .zone = 7};
  const auto aim = [&](unsigned i, std::uint32_t connection, bool reply) {
    traffic.aim(i, connection, reply);
    if (reply) traffic.set_destination(i, outer[connection].first, outer[connection].second);
  };
  for (std::uint32_t begin = 0; begin < n; begin += limits::kBatchSize) {
    for (unsigned i = 0; i < limits::kBatchSize; ++i) aim(i, std::min(begin + i, n - 1), true);
    PacketBatch batch = traffic.batch();
    tracker.process(batch, look, kStart, dropped);
  }
  Rng rng(1);
  Stopwatch watch(state);
  const std::uint64_t allocated = allocations, hits_before = tracker.counters().hits;
  std::uint64_t packets = 0;
  for (auto _ : state) {
    for (unsigned i = 0; i < limits::kBatchSize; ++i)
      aim(i, static_cast<std::uint32_t>(rng.below(n)), (rng.next() & 1) != 0);
    PacketBatch batch = traffic.batch();
    watch.start();
    tracker.process(batch, look, kStart, dropped);
    watch.stop(limits::kBatchSize);
    packets += limits::kBatchSize;
  }
  if (tracker.counters().hits - hits_before != packets) state.SkipWithError("not every packet was a hit");
  state.counters["allocations/packet"] =
      static_cast<double>(allocations - allocated) / static_cast<double>(packets);
  state.counters["bytes/connection"] = static_cast<double>(tracker.memory_bytes()) / tracker.connections();
}
BENCHMARK(BM_HitTranslated)->Arg(1000)->Arg(1'000'000)->UseManualTime();

/// A lookup that finds nothing, while nothing is expected or (1) one data connection of an FTP session is.
void BM_Miss(benchmark::State& state) {
  constexpr std::uint32_t kHeld = 1'000'000;
  Tracker tracker({.max_connections = kHeld + 1, .hash_secret = 42});
  Traffic traffic(Traffic::Kind::Tcp);
  fill(tracker, traffic, kHeld);
  if (state.range(0) != 0) {
    PacketPool pool(8);
    const auto send = [&](const Layers& layers, bool reply) {
      const Ip4 ip =
          reply ? Ip4{.src = "10.8.0.2", .dst = "10.8.0.1"} : Ip4{.src = "10.8.0.1", .dst = "10.8.0.2"};
      PacketBatch batch, none;
      batch.push(make_packet(pool, ip / layers));
      tracker.process(batch, {.commit = true, .helper = Helper::Ftp, .zone = 7}, kStart, none);
      pool.give(batch);
    };
    const Tcp forth{.sport = 5000, .dport = 21, .seq = 101, .ack = 501, .window = 60'000};
    Tcp syn = forth,
        answer{.sport = 21, .dport = 5000, .flags = "SA", .seq = 500, .ack = 101, .window = 60'000};
    syn.flags = "S";
    syn.seq = 100;
    syn.ack = 0;
    send(syn, false);
    send(answer, true);
    send(forth, false);
    Tcp port = forth;
    port.flags = "PA";
    send(port / Payload{"PORT 10,8,0,1,20,0\r\n"}, false);
    if (tracker.helper_census().expectations != 1) state.SkipWithError("nothing is expected");
  }
  Rng rng(1);
  const CtRequest look{.zone = 7};
  PacketBatch dropped;
  Stopwatch watch(state);
  for (auto _ : state) {
    for (unsigned i = 0; i < limits::kBatchSize; ++i)
      traffic.aim(i, kHeld + static_cast<std::uint32_t>(rng.below(kHeld)), false);
    PacketBatch batch = traffic.batch();
    watch.start();
    tracker.process(batch, look, kStart, dropped);
    watch.stop(limits::kBatchSize);
  }
}
BENCHMARK(BM_Miss)->ArgName("expected")->Arg(0)->Arg(1)->UseManualTime();

/// Time of one connection's end in the wheel, and of a visit to one that lives on.
void BM_Expire(benchmark::State& state) {
  constexpr std::uint32_t kHeld = 100'000;
  Traffic traffic(Traffic::Kind::Udp);
  PacketBatch dropped;
  const bool alive = state.range(0) != 0;
  Tracker tracker({.max_connections = kHeld, .hash_secret = 42});
  if (alive) {
    TimeoutPolicy forever;
    forever.seconds.fill(90 * 86400);
    tracker.set_timeout_policy(7, forever);
    fill(tracker, traffic, kHeld);
  }
  Instant now = kStart;
  Stopwatch watch(state);
  for (auto _ : state) {
    if (!alive) fill(tracker, traffic, kHeld, now);
    now += alive ? Duration::seconds(31) : Duration::seconds(200);
    watch.start();
    while (tracker.expire(now, 256)) {
    }
    watch.stop(kHeld);
    if (tracker.connections() != (alive ? kHeld : 0)) state.SkipWithError("wrong number of connections left");
  }
}
BENCHMARK(BM_Expire)->ArgName("alive")->Arg(0)->Arg(1)->UseManualTime()->Iterations(20);

BENCHMARK(BM_HitTcpNothingVerified)->Arg(1000)->UseManualTime();

}  // namespace
}  // namespace sluice::conntrack
