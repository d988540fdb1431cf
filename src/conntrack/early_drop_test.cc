// Full tables and zones: who makes way, who never does, and that a flood keeps nobody out.
#include "base/rng.h"
#include "conntrack/tracker_fixture.h"

namespace sluice::conntrack {
namespace {

using namespace sluice::testing;

class EarlyDropTest : public TrackerFixture {
 protected:
  static Layers there(std::uint16_t port, const char* flags, std::uint32_t seq, std::uint32_t ack) {
    return Ip4{.src = "10.0.0.1", .dst = "10.0.0.2"} /
           Tcp{.sport = port, .dport = 80, .flags = flags, .seq = seq, .ack = ack, .window = 60'000};
  }
  static Layers back(std::uint16_t port, const char* flags, std::uint32_t seq, std::uint32_t ack) {
    return Ip4{.src = "10.0.0.2", .dst = "10.0.0.1"} /
           Tcp{.sport = 80, .dport = port, .flags = flags, .seq = seq, .ack = ack, .window = 60'000};
  }
  void establish(std::uint16_t port, std::uint16_t zone = 0) {
    const CtRequest request{.commit = true, .zone = zone};
    ASSERT_EQ(track(there(port, "S", 100, 0), request), "+new+trk");
    ASSERT_EQ(track(back(port, "SA", 500, 101), request), "+est+rpl+trk");
    ASSERT_EQ(track(there(port, "A", 101, 501), request), "+est+trk");
  }
  /// A SYN from a spoofed address.
  std::string spoofed_syn(Rng& rng, std::uint16_t zone = 0) {
    return track(
        Ip4{.src = be32{0x0b000000u + static_cast<std::uint32_t>(rng.below(1u << 24))}, .dst = "10.0.0.2"} /
            Tcp{.sport = static_cast<std::uint16_t>(1 + rng.below(65'000)), .dport = 80, .flags = "S"},
        {.commit = true, .zone = zone});
  }
  std::uint64_t counter(const char* name) { return counter_map(tracker_)[name]; }
};

TEST_F(EarlyDropTest, TheOneThatNobodyAnsweredMakesWay) {
  tracker_.set_max_connections(3);
  establish(1);
  establish(2);
  commit(there(3, "S", 1, 0));
  const std::uint64_t id = connections().back().id;
  forget_counters();
  EXPECT_EQ(commit(there(4, "S", 1, 0)), "+new+trk");
  expect_delta({{"created", 1}, {"destroyed", 1}, {"dropped_early", 1}, {"committed", 1}, {"lookups", 1}});
  EXPECT_EQ(tracker_.connections(), 3u);
  EXPECT_EQ(tracker_.census().live, 3u);
  EXPECT_EQ(tracker_.census().indexed, 3u);
  for (const ConnectionSnapshot& c : connections()) EXPECT_NE(c.id, id);
  EXPECT_EQ(track(back(4, "SA", 9, 2)), "+est+rpl+trk");
}

TEST_F(EarlyDropTest, AssuredConnectionsNeverDo) {
  tracker_.set_max_connections(2);
  establish(1);
  commit(Ip4{.src = "10.0.0.1", .dst = "10.0.0.2"} / Udp{.sport = 5, .dport = 53});
  commit(Ip4{.src = "10.0.0.2", .dst = "10.0.0.1"} / Udp{.sport = 53, .dport = 5});
  forget_counters();
  EXPECT_EQ(commit(there(4, "S", 1, 0)), "dropped");
  expect_delta({{"lookups", 1}, {"reason.table_full", 1}});
}

TEST_F(EarlyDropTest, AnAnsweredSynIsNotYetAssured) {
  tracker_.set_max_connections(1);
  commit(there(1, "S", 100, 0));
  EXPECT_EQ(commit(back(1, "SA", 500, 101)), "+est+rpl+trk");
  EXPECT_EQ(commit(there(2, "S", 1, 0)), "+new+trk");  // a spoofed address never sends the last ACK
  EXPECT_EQ(tracker_.connections(), 1u);
}

TEST_F(EarlyDropTest, ClosedConnectionsMakeWay) {
  tracker_.set_max_connections(1);
  establish(1);
  EXPECT_EQ(track(back(1, "R", 501, 0)), "+est+rpl+trk");
  EXPECT_EQ(commit(there(2, "S", 1, 0)), "+new+trk");
}

TEST_F(EarlyDropTest, PingsMakeWayAnsweredOrNot) {
  tracker_.set_max_connections(1);
  commit(Ip4{.src = "10.0.0.1", .dst = "10.0.0.2"} / Icmp4{.type = 8, .code = 0, .id = 7});
  EXPECT_EQ(commit(Ip4{.src = "10.0.0.2", .dst = "10.0.0.1"} / Icmp4{.type = 0, .code = 0, .id = 7}),
            "+est+rpl+trk");
  EXPECT_EQ(commit(there(2, "S", 1, 0)), "+new+trk");
}

TEST_F(EarlyDropTest, WhatIsOverCountsAsExpired) {
  tracker_.set_max_connections(1);
  establish(1);
  advance(Duration::seconds(86'401));
  forget_counters();
  EXPECT_EQ(commit(there(2, "S", 1, 0)), "+new+trk");
  expect_delta({{"created", 1}, {"destroyed", 1}, {"expired", 1}, {"committed", 1}, {"lookups", 1}});
}

TEST_F(EarlyDropTest, AFullZoneMakesRoomInItself) {
  tracker_.set_zone_limit(5, 2);
  for (std::uint16_t port = 1; port <= 20; ++port) commit(there(port, "S", 1, 0));
  establish(1, 5);
  track(there(2, "S", 1, 0), {.commit = true, .zone = 5});
  EXPECT_EQ(track(there(3, "S", 1, 0), {.commit = true, .zone = 5}), "+new+trk");
  EXPECT_EQ(tracker_.connections_in_zone(0), 20u);
  EXPECT_EQ(tracker_.connections_in_zone(5), 2u);
  EXPECT_EQ(track(there(1, "A", 101, 501), {.zone = 5}), "+est+trk");
  EXPECT_EQ(track(back(3, "SA", 9, 2), {.zone = 5}), "+est+rpl+trk");
}

TEST_F(EarlyDropTest, ALimitThatWasLoweredCostsNobody) {
  for (std::uint16_t port = 1; port <= 10; ++port) commit(there(port, "S", 1, 0));
  tracker_.set_zone_limit(0, 5);
  EXPECT_EQ(commit(there(11, "S", 1, 0)), "dropped");
  tracker_.set_zone_limit(0, 0);
  EXPECT_EQ(commit(there(11, "S", 1, 0)), "dropped");
  tracker_.set_zone_limit(0, std::nullopt);
  tracker_.set_max_connections(5);
  EXPECT_EQ(commit(there(11, "S", 1, 0)), "dropped");
  EXPECT_EQ(tracker_.connections(), 10u);
  EXPECT_EQ(counter("dropped_early"), 0u);
}

TEST_F(EarlyDropTest, AFloodOfSynsKeepsNobodyOut) {
  constexpr std::uint16_t kEstablished = 100, kNewcomers = 100;
  Rng rng(1);
  for (std::uint16_t port = 1; port <= kEstablished; ++port) establish(port);
  for (int i = 0; i < 2000; ++i) spoofed_syn(rng);
  ASSERT_EQ(tracker_.connections(), 1000u);
  const std::size_t memory = tracker_.memory_bytes();
  unsigned admitted = 0;
  for (std::uint16_t n = 0; n < kNewcomers; ++n) {
    const auto port = static_cast<std::uint16_t>(2000 + n);
    // Twenty of the flood come before every packet of the handshake.
    const auto flood = [&] {
      for (int i = 0; i < 20; ++i) EXPECT_EQ(spoofed_syn(rng), "+new+trk");
      advance(Duration::milliseconds(5));
    };
    flood();
    commit(there(port, "S", 100, 0));
    flood();
    if (track(back(port, "SA", 500, 101)) != "+est+rpl+trk") continue;
    flood();
    if (track(there(port, "A", 101, 501)) == "+est+trk") ++admitted;
  }
  EXPECT_GE(admitted, 95u);
  for (std::uint16_t port = 1; port <= kEstablished; ++port)
    EXPECT_EQ(track(back(port, "A", 501, 101)), "+est+rpl+trk") << port;
  EXPECT_EQ(tracker_.connections(), 1000u);
  EXPECT_EQ(tracker_.memory_bytes(), memory);
  EXPECT_EQ(tracker_.census().live, 1000u);
  EXPECT_EQ(tracker_.census().indexed, 1000u);
  EXPECT_EQ(counter("reason.table_full"), 0u);
}

TEST_F(EarlyDropTest, AFloodOfASmallZoneStaysThere) {
  tracker_.set_zone_limit(5, 20);
  Rng rng(1);
  for (std::uint16_t port = 1; port <= 900; ++port) commit(there(port, "S", 1, 0));
  for (std::uint16_t port = 1; port <= 10; ++port) establish(port, 5);
  unsigned refused = 0;
  for (int i = 0; i < 5000; ++i) refused += spoofed_syn(rng, 5) == "dropped";
  EXPECT_LE(refused, 250u);
  EXPECT_EQ(tracker_.connections_in_zone(5), 20u);
  EXPECT_EQ(tracker_.connections_in_zone(0), 900u);
  for (std::uint16_t port = 1; port <= 10; ++port)
    EXPECT_EQ(track(back(port, "A", 501, 101), {.zone = 5}), "+est+rpl+trk");
}

TEST_F(EarlyDropTest, AllOfItGoesAwayInTheEnd) {
  tracker_.set_max_connections(50);
  Rng rng(3);
  for (int i = 0; i < 500; ++i) spoofed_syn(rng);
  advance(Duration::seconds(31));
  expire();
  advance(Duration::seconds(31));
  expire();
  EXPECT_EQ(tracker_.connections(), 0u);
  EXPECT_EQ(tracker_.census().live, 0u);
  EXPECT_EQ(tracker_.census().indexed, 0u);
  const TrackerCounters c = tracker_.counters();
  EXPECT_EQ(c.created, c.destroyed);
  EXPECT_EQ(c.destroyed, c.expired + c.dropped_early);
}

}  // namespace
}  // namespace sluice::conntrack
