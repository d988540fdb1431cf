// What the tracker's tests share: a tracker on a manual clock, packets from the DSL, and exact deltas of all
// counters.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "conntrack/dump.h"
#include "conntrack/tracker.h"
#include "packet/packet_pool.h"
#include "tests/support/packet_dsl.h"

namespace sluice::conntrack {

/// "+est+rpl+trk", or "0".
inline std::string state_text(std::uint32_t state) {
  static constexpr const char* kNames[] = {"new", "est", "rel", "rpl", "inv", "trk", "snat", "dnat"};
  std::string text;
  for (unsigned bit = 0; bit < 8; ++bit)
    if ((state >> bit & 1) != 0) text += std::string("+") + kNames[bit];
  return text.empty() ? "0" : text;
}

/// All counters by name; those of reasons as "reason.NAME".
inline std::map<std::string, std::uint64_t> counter_map(const Tracker& tracker) {
  const TrackerCounters c = tracker.counters();
  std::map<std::string, std::uint64_t> map = {{"created", c.created},
                                              {"destroyed", c.destroyed},
                                              {"expired", c.expired},
                                              {"dropped_early", c.dropped_early},
                                              {"committed", c.committed},
                                              {"lookups", c.lookups},
                                              {"hits", c.hits},
                                              {"related", c.related},
                                              {"expected", c.expected},
                                              {"expectations_refused", c.expectations_refused},
                                              {"helpers_refused", c.helpers_refused}};
  for (unsigned i = 0; i < kReasonCount; ++i)
    map["reason." + std::string(reason_name(static_cast<Reason>(i)))] = c.by_reason[i];
  return map;
}

class TrackerFixture : public ::testing::Test {
 protected:
  using Layers = sluice::testing::Layers;
  using Deltas = std::map<std::string, std::uint64_t>;

  explicit TrackerFixture(TrackerOptions options = {.max_connections = 1000, .hash_secret = 7})
      : tracker_(options) {}
  ~TrackerFixture() override {
    for (packet::Packet* p : held_) pool_.give(p);
    if (passing_ != nullptr) pool_.give(passing_);
  }

  packet::Packet* make(const Layers& layers) {
    held_.push_back(sluice::testing::make_packet(pool_, layers));
    return held_.back();
  }

  /// Tracks one packet; its state as text, or "dropped".
  std::string track(packet::Packet* packet, const CtRequest& request = {}) {
    packet::PacketBatch batch, dropped;
    batch.push(packet);
    tracker_.process(batch, request, clock_.now(), dropped);
    EXPECT_EQ(batch.size() + dropped.size(), 1u);
    last_ = packet;
    return batch.empty() ? "dropped" : state_text(packet->meta.ct.state);
  }
  std::string track(const Layers& layers, const CtRequest& request = {}) {
    if (passing_ != nullptr) pool_.give(passing_);
    passing_ = sluice::testing::make_packet(pool_, layers);
    return track(passing_, request);
  }
  /// With commit in zone 0.
  std::string commit(const Layers& layers) { return track(layers, {.commit = true}); }
  const packet::CtMetadata& meta() const { return last_->meta.ct; }
  /// The packet tracked last.
  packet::Packet* last() const { return last_; }

  std::vector<ConnectionSnapshot> connections() {
    std::vector<ConnectionSnapshot> all;
    for (std::uint64_t cursor = 0; cursor != Tracker::kDumpDone;)
      cursor = tracker_.dump(cursor, 64, clock_.now(), all);
    return all;
  }
  ConnectionSnapshot only_connection() {
    const auto all = connections();
    EXPECT_EQ(all.size(), 1u);
    return all.empty() ? ConnectionSnapshot{} : all.front();
  }
  /// "SYN_SENT/CLOSED".
  std::string tcp_states() {
    const ConnectionSnapshot c = only_connection();
    return tcp_state_name(static_cast<TcpState>(c.state[0])) + "/" +
           tcp_state_name(static_cast<TcpState>(c.state[1]));
  }
  std::int64_t expires_in_seconds() {
    return (only_connection().expires_in_ns + 500'000'000) / 1'000'000'000;
  }

  void advance(Duration d) { clock_.advance(d); }
  void expire() {
    while (tracker_.expire(clock_.now(), 16)) {
    }
  }

  /// Asserts that since the last call exactly these counters moved, by exactly this much.
  void expect_delta(const Deltas& expected) {
    const auto now = counter_map(tracker_);
    Deltas moved;
    for (const auto& [name, value] : now)
      if (value != baseline_[name]) moved[name] = value - baseline_[name];
    EXPECT_EQ(moved, expected);
    baseline_ = now;
  }
  void forget_counters() { baseline_ = counter_map(tracker_); }

  ManualClock clock_{Instant{Duration::seconds(1000).ns}};
  packet::PacketPool pool_{4096};
  Tracker tracker_;

 private:
  std::vector<packet::Packet*> held_;
  packet::Packet* passing_ = nullptr;
  packet::Packet* last_ = nullptr;
  Deltas baseline_;
};

}  // namespace sluice::conntrack
