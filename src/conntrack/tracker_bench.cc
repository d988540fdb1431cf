// What a packet costs in the tracker: hits in random order over tables of growing size, new connections,
// expiry. Packets are walked before, in batches of 32; the NIC is taken to have verified transport checksums
// unless a name says otherwise. Memory per connection is what the tables touched, allocations are counted in
// operator new.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

#include "base/rng.h"
#include "conntrack/tracker.h"
#include "net/address.h"
#include "net/checksum.h"
#include "packet/packet_pool.h"
#include "tests/support/packet_dsl.h"
#include "wire/checksum_verify.h"
#include "wire/walk.h"

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
using packet::Packet;
using packet::PacketBatch;

/// A batch of packets whose addresses are rewritten in place to those of connection n. IPv4 TCP or UDP.
class Traffic {
 public:
  enum class Kind { Tcp, Udp, Tcp6 };

  explicit Traffic(Kind kind, bool trusted_checksums = true) : kind_(kind) {
    for (unsigned i = 0; i < limits::kBatchSize; ++i) {
      const auto frame = kind == Kind::Tcp    ? build(Eth{} / Ip4{} / Tcp{.flags = "A", .seq = 1, .ack = 1})
                         : kind == Kind::Tcp6 ? build(Eth{} / Ip6{} / Tcp{.flags = "A", .seq = 1, .ack = 1})
                                              : build(Eth{} / Ip4{} / Udp{} / Payload{"0123456789"});
      Packet* packet = pool_.take(static_cast<std::uint32_t>(frame.size()));
      packet->assign(frame);
      packet->layout = wire::walk(packet->bytes());
      packet->meta.offload.checksum_valid = trusted_checksums;
      packets_.push_back(packet);
    }
  }
  ~Traffic() {
    for (Packet* p : packets_) pool_.give(p);
  }

  /// Makes packet i of the next batch one of connection n.
  void aim(unsigned i, std::uint32_t n, bool reply) {
    Packet& packet = *packets_[i];
    std::uint8_t* l3 = packet.data() + packet.layout.l3;
    std::uint8_t* l4 = packet.data() + packet.layout.l4;
    const std::uint32_t client = 0x0a000000 + n / 50000, server = 0xc0a80001;
    const auto client_port = static_cast<std::uint16_t>(1024 + n % 50000);
    const std::uint16_t server_port = 80;
    if (kind_ == Kind::Tcp6) {
      be32{reply ? server : client}.store(l3 + 20);
      be32{reply ? client : server}.store(l3 + 36);
    } else {
      be32{reply ? server : client}.store(l3 + 12);
      be32{reply ? client : server}.store(l3 + 16);
      be16{}.store(l3 + 10);
      net::checksum({l3, 20}).store(l3 + 10);
    }
    be16{reply ? server_port : client_port}.store(l4);
    be16{reply ? client_port : server_port}.store(l4 + 2);
    if (!packet.meta.offload.checksum_valid)
      wire::fill_checksums({packet.data(), packet.size()}, packet.layout);
    packet.meta.ct = {};
  }
  /// Address and port that packet i comes from. IPv4.
  std::pair<std::uint32_t, std::uint16_t> source(unsigned i) const {
    const Packet& packet = *packets_[i];
    return {be32::load(packet.data() + packet.layout.l3 + 12).host(),
            be16::load(packet.data() + packet.layout.l4).host()};
  }
  void set_destination(unsigned i, std::uint32_t address, std::uint16_t port) {
    Packet& packet = *packets_[i];
    std::uint8_t* l3 = packet.data() + packet.layout.l3;
    be32{address}.store(l3 + 16);
    be16{}.store(l3 + 10);
    net::checksum({l3, 20}).store(l3 + 10);
    be16{port}.store(packet.data() + packet.layout.l4 + 2);
  }
  PacketBatch batch() const {
    PacketBatch result;
    for (Packet* p : packets_) result.push(p);
    return result;
  }

 private:
  Kind kind_;
  packet::PacketPool pool_{limits::kBatchSize};
  std::vector<Packet*> packets_;
};

constexpr Instant kStart{Duration::seconds(1000).ns};

/// Times batches. The mean is benchmark's; quiet_ns is what the quickest hundredth of the batches takes at
/// most: the cost where nothing else runs on the core.
class Stopwatch {
 public:
  explicit Stopwatch(benchmark::State& state) : state_(state) { samples_.reserve(kMost); }
  ~Stopwatch() {
    if (samples_.empty()) return;
    state_.counters["median_ns"] = quantile(samples_.size() / 2);
    state_.counters["quiet_ns"] = quantile(samples_.size() / 100);
  }
  void start() { start_ = std::chrono::steady_clock::now(); }
  void stop(unsigned items) {
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start_;
    state_.SetIterationTime(spent.count() / items);
    if (samples_.size() < kMost) samples_.push_back(spent.count() * 1e9 / items);
  }

 private:
  double quantile(std::size_t rank) {
    const auto nth = samples_.begin() + static_cast<std::ptrdiff_t>(rank);
    std::nth_element(samples_.begin(), nth, samples_.end());
    return *nth;
  }

  static constexpr std::size_t kMost = 1'000'000;
  benchmark::State& state_;
  std::vector<double> samples_;
  std::chrono::steady_clock::time_point start_;
};

/// Creates connections [0, n) with an answer each.
void fill(Tracker& tracker, Traffic& traffic, std::uint32_t n, Instant now = kStart) {
  const CtRequest commit{.commit = true, .zone = 7, .mark = 1, .mark_mask = 1};
  PacketBatch dropped;
  for (const bool reply : {false, true})
    for (std::uint32_t first = 0; first < n; first += limits::kBatchSize) {
      for (unsigned i = 0; i < limits::kBatchSize; ++i) traffic.aim(i, std::min(first + i, n - 1), reply);
      PacketBatch batch = traffic.batch();
      tracker.process(batch, commit, now, dropped);
    }
}

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

/// A lookup that finds nothing.
void BM_Miss(benchmark::State& state) {
  constexpr std::uint32_t kHeld = 1'000'000;
  Tracker tracker({.max_connections = kHeld, .hash_secret = 42});
  Traffic traffic(Traffic::Kind::Tcp);
  fill(tracker, traffic, kHeld);
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
BENCHMARK(BM_Miss)->UseManualTime();

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
