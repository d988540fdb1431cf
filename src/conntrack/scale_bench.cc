// The tracker at the size and in the company that it is made for: a mix of old and new connections, two
// workers, and what the control plane does to three million connections while packets go on. Times are CPU
// time of the thread, so that a busy machine shows in what it does to caches and locks alone; two threads
// that share a core never wait for each other here.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/rng.h"
#include "conntrack/dump.h"
#include "conntrack/tracker.h"
#include "tests/support/tracker_traffic.h"

namespace sluice::conntrack {
namespace {

constexpr std::uint32_t kMillions = 3'000'000;

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}
/// The quickest hundredth: what it costs where the machine does nothing else.
double quickest(std::vector<double> values) {
  const auto nth = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 100);
  std::nth_element(values.begin(), nth, values.end());
  return *nth;
}

std::unique_ptr<Tracker> tracker_of(std::uint32_t max) {
  return std::make_unique<Tracker>(TrackerOptions{.max_connections = max, .hash_secret = 42});
}

/// Nine packets of a million established connections to one that opens another. What is opened goes early
/// when the table is full, as half-open connections do.
void BM_Mixed(benchmark::State& state) {
  constexpr std::uint32_t kHeld = 1'000'000;
  const auto tracker = tracker_of(kHeld + kHeld / 4);
  Traffic traffic;
  fill(*tracker, traffic, kHeld);
  // What opens connections: SYNs, so that they are unassured.
  Traffic opening(Traffic::Kind::Tcp);
  for (packet::Packet* p : opening.batch()) {
    std::uint8_t* const l4 = p->data() + p->layout.l4;
    l4[13] = 0x02;
    be32{}.store(l4 + 8);
  }
  Rng rng(1);
  Stopwatch watch(state);
  std::uint32_t next = kHeld;
  std::uint64_t refused = 0;
  for (auto _ : state) {
    const packet::PacketBatch known = traffic.batch(), fresh = opening.batch();
    packet::PacketBatch batch, dropped;
    for (unsigned i = 0; i < limits::kBatchSize; ++i) {
      const bool opens = rng.below(10) == 0;
      if (opens)
        opening.aim(i, next++ % 3'000'000'000u, false);
      else
        traffic.aim(i, static_cast<std::uint32_t>(rng.below(kHeld)), (rng.next() & 1) != 0);
      batch.push(opens ? fresh[i] : known[i]);
    }
    watch.start();
    tracker->process(batch, {.commit = true, .zone = 7}, kStart, dropped);
    watch.stop(limits::kBatchSize);
    refused += dropped.size();
  }
  state.counters["refused_%"] = 100.0 * static_cast<double>(refused) / (next - kHeld + 1);
}
BENCHMARK(BM_Mixed)->UseManualTime();

/// Two workers with hits on the same table, against one: `speedup` is how much more they get done together.
void BM_TwoWorkers(benchmark::State& state) {
  const auto n = static_cast<std::uint32_t>(state.range(0));
  const auto tracker = tracker_of(std::max(n, 1000u));
  {
    Traffic traffic;
    fill(*tracker, traffic, n);
  }
  constexpr unsigned kRounds = 2000;
  const auto samples = [&](std::uint64_t seed, std::atomic<int>& running, std::vector<double>& out) {
    Hits hits(*tracker, n, seed);
    --running;
    while (running.load() > 0) {
    }
    for (unsigned i = 0; i < kRounds; ++i) out.push_back(hits.run());
  };
  for (auto _ : state) {
    std::vector<double> alone, one, two;
    std::atomic<int> first{1}, both{2};
    samples(1, first, alone);
    std::thread other([&] { samples(2, both, two); });
    samples(3, both, one);
    other.join();
    one.insert(one.end(), two.begin(), two.end());
    state.SetIterationTime(median(one) * 1e-9);
    state.counters["alone_ns"] = median(alone);
    state.counters["speedup"] = 2 * median(alone) / median(one);
    state.counters["speedup_quickest"] = 2 * quickest(alone) / quickest(one);
  }
}
BENCHMARK(BM_TwoWorkers)->Arg(1000)->Arg(100'000)->Arg(1'000'000)->UseManualTime()->Iterations(1);

/// Hits while `work` goes on in another thread, until it returns false, and between: some milliseconds of
/// work and as many of rest in turn, so that whatever else the machine does is in both alike.
void disturb(benchmark::State& state, Tracker& tracker, std::uint32_t n, const std::function<bool()>& work) {
  enum Phase { Working, Resting, Changing, Done };
  Hits hits(tracker, n, 1);
  std::vector<double> samples[2];
  std::atomic<int> phase = Changing;
  std::thread other([&] {
    for (bool more = true; more;) {
      phase = Working;
      for (const double start = thread_seconds(); more && thread_seconds() - start < 0.005;) more = work();
      phase = Resting;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      phase = Changing;
    }
    phase = Done;
  });
  for (int before = phase; before != Done; before = phase) {
    const double ns = hits.run();
    if (before != Changing && phase == before) samples[before].push_back(ns);
  }
  other.join();
  if (samples[0].size() < 100 || samples[1].size() < 100)
    return state.SkipWithError("too little was measured");
  state.counters["alone_ns"] = median(samples[Resting]);
  state.counters["beside_ns"] = median(samples[Working]);
  state.counters["rate_%"] = 100 * median(samples[Resting]) / median(samples[Working]);
  state.counters["rate_quickest_%"] = 100 * quickest(samples[Resting]) / quickest(samples[Working]);
}

/// A dump of three million connections as text on another thread, while hits on them go on.
void BM_DumpOfMillions(benchmark::State& state) {
  const auto tracker = tracker_of(kMillions);
  {
    Traffic traffic;
    fill(*tracker, traffic, kMillions);
  }
  for (auto _ : state) {
    std::uint64_t cursor = 0, lines = 0, bytes = 0;
    std::vector<ConnectionSnapshot> slice;
    const auto start = std::chrono::steady_clock::now();
    disturb(state, *tracker, kMillions, [&] {
      slice.clear();
      cursor = tracker->dump(cursor, 64, kStart, slice);
      for (const ConnectionSnapshot& c : slice) bytes += format_connection(c, {}).size();
      lines += slice.size();
      return cursor != Tracker::kDumpDone;
    });
    state.SetIterationTime(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    if (lines != kMillions) state.SkipWithError("the dump missed connections");
    state.counters["bytes"] = static_cast<double>(bytes);
  }
}
BENCHMARK(BM_DumpOfMillions)->UseManualTime()->Iterations(1)->Unit(benchmark::kSecond);

/// One zone of a million among three million is flushed: the time of the call, what the flush costs packets
/// of another zone until all of its memory is back, and the longest turn of the wheel (256 visits).
void BM_FlushOfAZone(benchmark::State& state) {
  constexpr std::uint32_t kOther = 1'000'000;
  const auto tracker = tracker_of(kMillions);
  {
    Traffic traffic;
    fill(*tracker, traffic, kMillions - kOther);
    fill(*tracker, traffic, kOther, kStart, 8);
  }
  for (auto _ : state) {
    double call = 0, turns = 0;
    std::vector<double> turn;
    bool flushed = false;
    disturb(state, *tracker, kMillions - kOther, [&] {
      const double start = thread_seconds();
      if (!flushed) {
        tracker->flush(8);
        call = thread_seconds() - start;
        flushed = true;
        return true;
      }
      const bool more = tracker->expire(kStart, limits::kExpireConnections);
      turn.push_back(thread_seconds() - start);
      ++turns;
      return more;
    });
    if (tracker->connections() != kMillions - kOther || tracker->connections_in_zone(8) != 0)
      state.SkipWithError("the wrong connections are gone");
    state.SetIterationTime(call);
    state.counters["turns"] = turns;
    state.counters["turn_us"] = median(turn) * 1e6;
  }
}
BENCHMARK(BM_FlushOfAZone)->UseManualTime()->Iterations(1)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace sluice::conntrack
