// A SYN flood against a full table: 1 M connections at most, 10,000 of them established, 10 M spoofed SYNs,
// and clients that go on opening connections, a packet of the handshake every thousand of the flood. Reports
// what became of them, what a packet of the flood costs, and what the established ones cost before and during
// it, where they send as much as the flood, batch by batch in turn: CPU time of the thread.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/rng.h"
#include "conntrack/tracker.h"
#include "packet/packet_pool.h"
#include "tests/support/packet_dsl.h"
#include "tests/support/tracker_traffic.h"
#include "wire/checksum_verify.h"
#include "wire/walk.h"

namespace sluice::conntrack {
namespace {

using namespace sluice::testing;
using packet::Packet;
using packet::PacketBatch;

class Crowd {
 public:
  static constexpr std::uint32_t kServer = 0xc0a80001;

  explicit Crowd(Tracker& tracker) : tracker_(tracker) {
    for (unsigned i = 0; i < limits::kBatchSize; ++i) {
      packets_[i] = make_packet(pool_, Ip4{} / Tcp{.flags = "S", .seq = 1, .window = 60'000});
      packets_[i]->meta.offload.checksum_valid = true;
    }
  }
  ~Crowd() {
    for (Packet* p : packets_) pool_.give(p);
  }

  void aim(unsigned i, std::uint32_t client, std::uint16_t port, bool reply, std::uint8_t flags,
           std::uint32_t seq, std::uint32_t ack) {
    Packet& packet = *packets_[i];
    std::uint8_t *l3 = packet.data() + packet.layout.l3, *l4 = packet.data() + packet.layout.l4;
    be32{reply ? kServer : client}.store(l3 + 12);
    be32{reply ? client : kServer}.store(l3 + 16);
    wire::fill_ipv4_checksum(l3);
    be16{static_cast<std::uint16_t>(reply ? 80 : port)}.store(l4);
    be16{static_cast<std::uint16_t>(reply ? port : 80)}.store(l4 + 2);
    be32{seq}.store(l4 + 4);
    be32{ack}.store(l4 + 8);
    l4[13] = flags;
    packet.meta.ct = {};
  }
  /// The first n packets, with commit.
  void send(unsigned n, Instant now) {
    PacketBatch batch, dropped;
    for (unsigned i = 0; i < n; ++i) batch.push(packets_[i]);
    tracker_.process(batch, {.commit = true, .zone = 7}, now, dropped);
    dropped_ += dropped.size();
  }
  std::uint32_t state(unsigned i) const { return packets_[i]->meta.ct.state; }
  std::uint64_t dropped() const { return dropped_; }

 private:
  Tracker& tracker_;
  packet::PacketPool pool_{limits::kBatchSize};
  std::array<Packet*, limits::kBatchSize> packets_;
  std::uint64_t dropped_ = 0;
};

constexpr std::uint8_t kSyn = 0x02, kAck = 0x10;
constexpr std::uint32_t kEstablishedFrom = 0x0a000000, kNewcomersFrom = 0x0b000000;

void handshake_step(Crowd& crowd, unsigned i, std::uint32_t client, unsigned step) {
  if (step == 0) crowd.aim(i, client, 1024, false, kSyn, 100, 0);
  if (step == 1) crowd.aim(i, client, 1024, true, kSyn | kAck, 500, 101);
  if (step == 2) crowd.aim(i, client, 1024, false, kAck, 101, 501);
}

/// The established connections in turn, both directions.
class Established {
 public:
  Established(Crowd& crowd, std::uint32_t n) : crowd_(crowd), n_(n) {}

  /// A batch of them; counts those that answer +est.
  void send(Instant now) {
    for (unsigned i = 0; i < limits::kBatchSize; ++i)
      crowd_.aim(i, kEstablishedFrom + (next_ + i) % n_, 1024, (i & 1) != 0, kAck, (i & 1) != 0 ? 501 : 101,
                 (i & 1) != 0 ? 101 : 501);
    next_ = (next_ + limits::kBatchSize) % n_;
    const double start = thread_seconds();
    crowd_.send(limits::kBatchSize, now);
    spent_.push_back((thread_seconds() - start) * 1e9 / limits::kBatchSize);
    for (unsigned i = 0; i < limits::kBatchSize; ++i)
      alive_ += (crowd_.state(i) & ct_state::kEstablished) != 0;
    sent_ += limits::kBatchSize;
  }
  /// Median ns a packet since the last call.
  double take_ns() {
    const auto middle = spent_.begin() + static_cast<std::ptrdiff_t>(spent_.size() / 2);
    std::nth_element(spent_.begin(), middle, spent_.end());
    const double result = *middle;
    spent_.clear();
    return result;
  }
  std::uint64_t sent() const { return sent_; }
  std::uint64_t alive() const { return alive_; }

 private:
  Crowd& crowd_;
  const std::uint32_t n_;
  std::uint32_t next_ = 0;
  std::uint64_t sent_ = 0, alive_ = 0;
  std::vector<double> spent_;
};

void BM_SynFlood(benchmark::State& state) {
  constexpr std::uint32_t kEstablished = 10'016;  // a multiple of the batch
  constexpr std::uint32_t kFlood = 10'000'000, kTable = 1'000'000;
  for (auto _ : state) {
    Tracker tracker({.max_connections = kTable, .hash_secret = 42});
    Crowd crowd(tracker);
    Instant now{Duration::seconds(1000).ns};
    for (std::uint32_t c = 0; c < kEstablished; ++c)
      for (unsigned step = 0; step < 3; ++step) {
        handshake_step(crowd, 0, kEstablishedFrom + c, step);
        crowd.send(1, now);
      }
    Established established(crowd, kEstablished);
    for (std::uint32_t i = 0; i < 10 * kEstablished; i += limits::kBatchSize) established.send(now);
    const double before = established.take_ns();

    Rng rng(1);
    double flood_seconds = 0;
    std::uint32_t newcomers = 0, admitted = 0;
    for (std::uint32_t sent = 0; sent < kFlood; sent += limits::kBatchSize) {
      for (unsigned i = 0; i < limits::kBatchSize; ++i)
        crowd.aim(i, 0x40000000 + static_cast<std::uint32_t>(rng.below(1u << 28)),
                  static_cast<std::uint16_t>(1 + rng.below(65'535)), false, kSyn,
                  static_cast<std::uint32_t>(rng.next()), 0);
      const double start = thread_seconds();
      crowd.send(limits::kBatchSize, now);
      flood_seconds += thread_seconds() - start;
      established.send(now);
      now += Duration::microseconds(limits::kBatchSize);  // a million a second
      if (sent % 1024 == 0) {
        tracker.expire(now, limits::kExpireConnections);
        handshake_step(crowd, 0, kNewcomersFrom + newcomers / 3, newcomers % 3);
        crowd.send(1, now);
        if (newcomers % 3 == 2) admitted += crowd.state(0) == (ct_state::kEstablished | ct_state::kTracked);
        ++newcomers;
      }
    }
    const double during = established.take_ns();
    const std::uint64_t alive_before = established.alive();
    for (std::uint32_t i = 0; i < kEstablished; i += limits::kBatchSize) established.send(now);
    const std::uint64_t left = established.alive() - alive_before;
    state.counters["established_ns_before"] = before;
    state.counters["established_ns_during"] = during;
    state.counters["established_rate_%"] = 100 * before / during;
    state.counters["established_passed_%"] =
        100.0 * static_cast<double>(established.alive()) / static_cast<double>(established.sent());
    state.counters["flood_ns"] = flood_seconds * 1e9 / kFlood;
    state.counters["established_left"] = static_cast<double>(left);
    state.counters["established_of"] = kEstablished;
    state.counters["newcomers_in_%"] = 300.0 * admitted / newcomers;
    state.counters["flood_refused_%"] = 100.0 * static_cast<double>(crowd.dropped()) / kFlood;
    state.counters["connections"] = tracker.connections();
    state.counters["MB"] = static_cast<double>(tracker.memory_bytes()) / 1e6;
    if (left != kEstablished) state.SkipWithError("an established connection was lost");
  }
}
BENCHMARK(BM_SynFlood)->Iterations(1)->Unit(benchmark::kSecond);

}  // namespace
}  // namespace sluice::conntrack
