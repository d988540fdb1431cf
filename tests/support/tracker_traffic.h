// What the benchmarks of the tracker share: traffic of numbered connections, and stopwatches for batches.
#pragma once

#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "conntrack/tracker.h"
#include "net/checksum.h"
#include "packet/packet_pool.h"
#include "tests/support/packet_dsl.h"
#include "wire/checksum_verify.h"
#include "wire/walk.h"

namespace sluice::conntrack {

/// A batch of packets whose addresses are rewritten in place to those of connection n. IPv4 TCP or UDP.
class Traffic {
 public:
  enum class Kind { Tcp, Udp, Tcp6 };

  explicit Traffic(Kind kind = Kind::Tcp, bool trusted_checksums = true) : kind_(kind) {
    using namespace sluice::testing;
    for (unsigned i = 0; i < limits::kBatchSize; ++i) {
      const auto frame = kind == Kind::Tcp    ? build(Eth{} / Ip4{} / Tcp{.flags = "A", .seq = 1, .ack = 1})
                         : kind == Kind::Tcp6 ? build(Eth{} / Ip6{} / Tcp{.flags = "A", .seq = 1, .ack = 1})
                                              : build(Eth{} / Ip4{} / Udp{} / Payload{"0123456789"});
      packet::Packet* packet = pool_.take(static_cast<std::uint32_t>(frame.size()));
      packet->assign(frame);
      packet->layout = wire::walk(packet->bytes());
      packet->meta.offload.checksum_valid = trusted_checksums;
      packets_.push_back(packet);
    }
  }
  ~Traffic() {
    for (packet::Packet* p : packets_) pool_.give(p);
  }

  /// Makes packet i of the next batch one of connection n.
  void aim(unsigned i, std::uint32_t n, bool reply) {
    packet::Packet& packet = *packets_[i];
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
    const packet::Packet& packet = *packets_[i];
    return {be32::load(packet.data() + packet.layout.l3 + 12).host(),
            be16::load(packet.data() + packet.layout.l4).host()};
  }
  void set_destination(unsigned i, std::uint32_t address, std::uint16_t port) {
    packet::Packet& packet = *packets_[i];
    std::uint8_t* l3 = packet.data() + packet.layout.l3;
    be32{address}.store(l3 + 16);
    be16{}.store(l3 + 10);
    net::checksum({l3, 20}).store(l3 + 10);
    be16{port}.store(packet.data() + packet.layout.l4 + 2);
  }
  packet::PacketBatch batch() const {
    packet::PacketBatch result;
    for (packet::Packet* p : packets_) result.push(p);
    return result;
  }

 private:
  Kind kind_;
  packet::PacketPool pool_{limits::kBatchSize};
  std::vector<packet::Packet*> packets_;
};

inline constexpr Instant kStart{Duration::seconds(1000).ns};

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
    state_.SetIterationTime(spent.count());
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
inline void fill(Tracker& tracker, Traffic& traffic, std::uint32_t n, Instant now = kStart,
                 std::uint16_t zone = 7) {
  const CtRequest commit{.commit = true, .zone = zone, .mark = 1, .mark_mask = 1};
  packet::PacketBatch dropped;
  for (const bool reply : {false, true})
    for (std::uint32_t first = 0; first < n; first += limits::kBatchSize) {
      for (unsigned i = 0; i < limits::kBatchSize; ++i) traffic.aim(i, std::min(first + i, n - 1), reply);
      packet::PacketBatch batch = traffic.batch();
      tracker.process(batch, commit, now, dropped);
    }
}

/// Seconds that this thread has run: what others do on its core does not count.
inline double thread_seconds() {
  timespec t{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

/// Packets of known connections [0, n) in random order, both directions.
class Hits {
 public:
  static constexpr unsigned kRound = 16 * limits::kBatchSize;  ///< packets timed together

  Hits(Tracker& tracker, std::uint32_t n, std::uint64_t seed) : tracker_(tracker), n_(n), rng_(seed) {}

  /// ns of CPU time a packet of one round in the tracker.
  double run(Instant now = kStart) {
    for (Traffic& traffic : traffic_)
      for (unsigned i = 0; i < limits::kBatchSize; ++i)
        traffic.aim(i, static_cast<std::uint32_t>(rng_.below(n_)), (rng_.next() & 1) != 0);
    const double start = thread_seconds();
    for (const Traffic& traffic : traffic_) {
      packet::PacketBatch batch = traffic.batch(), dropped;
      tracker_.process(batch, {.zone = 7}, now, dropped);
    }
    return (thread_seconds() - start) * 1e9 / kRound;
  }

 private:
  Tracker& tracker_;
  const std::uint32_t n_;
  Rng rng_;
  std::array<Traffic, kRound / limits::kBatchSize> traffic_;
};

}  // namespace sluice::conntrack
