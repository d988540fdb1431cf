// How many connections a pool serves: exactly as many as it has tuples for each remote endpoint, whatever its
// size, whoever else has taken some, with several workers at once; and that nothing of it is left afterwards.
#include <set>
#include <thread>

#include "base/rng.h"
#include "conntrack/nat/nat_fixture.h"
#include "conntrack/nat/port_lanes.h"
#include "conntrack/nat/search.h"

namespace sluice::conntrack {
namespace {

using namespace sluice::testing;

Layers udp(std::uint32_t client, std::uint16_t sport, const char* dst = "192.168.0.1",
           std::uint16_t dport = 53) {
  return Ip4{.src = be32{0x0a000000 + client}, .dst = dst} / Udp{.sport = sport, .dport = dport};
}

class PoolTest : public NatFixture {
 protected:
  PoolTest() : NatFixture({.max_connections = 150'000, .hash_secret = 7}) {}

  /// Opens `n` connections of clients [first, first + n) to one endpoint; the tuples that they became.
  std::set<std::pair<std::uint32_t, std::uint16_t>> open(const NatRange& range, std::uint32_t first,
                                                         std::uint32_t n, std::uint16_t sport = 5000) {
    std::set<std::pair<std::uint32_t, std::uint16_t>> got;
    for (std::uint32_t i = 0; i < n; ++i) {
      if (track(udp(first + i, sport), commits(range)) != "+new+trk+snat") {
        ++refused_;
        continue;
      }
      const std::uint8_t* l3 = last()->data() + last()->layout.l3;
      const auto tuple = std::pair{be32::load(l3 + 12).host(), source_port()};
      EXPECT_TRUE(got.insert(tuple).second) << "given twice";
    }
    return got;
  }
  void expect_swept() {
    advance(Duration::seconds(100));
    expire();
    expect_no_leak();
    EXPECT_EQ(tracker_.connections(), 0u);
    EXPECT_EQ(tracker_.census().port_chunks, 0u);
    EXPECT_EQ(tracker_.census().lane_members, 0u);
  }

  unsigned refused_ = 0;
};

TEST_F(PoolTest, ServesExactlyAsManyAsItHasPorts) {
  for (const unsigned size : {1u, 2u, 63u, 64u, 65u, 500u, 2048u, 5000u}) {
    refused_ = 0;
    const auto first = static_cast<std::uint16_t>(10'000 + size);
    const NatRange range = snat_to("10.9.0.1", "", first, static_cast<std::uint16_t>(first + size - 1));
    const auto got = open(range, 1, size + 10);
    EXPECT_EQ(got.size(), size);
    EXPECT_EQ(refused_, 10u);
    for (const auto& [address, port] : got) {
      EXPECT_GE(port, first);
      EXPECT_LT(port, first + size);
    }
    // Another endpoint has the whole pool again.
    EXPECT_EQ(track(udp(1, 5000, "192.168.0.2"), commits(range)), "+new+trk+snat");
    EXPECT_EQ(track(udp(1, 5000, "192.168.0.1", 54), commits(range)), "+new+trk+snat");
    expect_swept();
  }
}

TEST_F(PoolTest, AddressesTimesPorts) {
  EXPECT_EQ(open(snat_to("10.9.0.1", "10.9.0.7", 20'000, 20'099), 1, 710).size(), 700u);
  EXPECT_EQ(refused_, 10u);
  expect_swept();
  EXPECT_EQ(open(snat_to("10.9.0.0", "10.9.0.255", 20'000, 20'000), 1, 260).size(), 256u);
  expect_swept();
}

TEST_F(PoolTest, AWholeClass) {
  EXPECT_EQ(open(snat_to("10.9.0.1"), 1, 520, 80).size(), 511u);
  EXPECT_EQ(open(snat_to("10.9.0.1"), 1, 430, 700).size(), 424u);
  EXPECT_EQ(open(snat_to("10.9.0.1"), 1, 64'520, 5000).size(), 64'512u);
  EXPECT_EQ(refused_, 9u + 6u + 8u);
  // One leaves, one comes.
  Filter filter;
  filter.reply.dst_port = be16{30'000};
  EXPECT_EQ(tracker_.flush_matching(filter), 1u);
  EXPECT_EQ(open(snat_to("10.9.0.1"), 70'000, 2, 5000),
            (std::set<std::pair<std::uint32_t, std::uint16_t>>{{0x0a090001, 30'000}}));
  expect_swept();
}

TEST_F(PoolTest, AClientThatTookAllPortsByItselfLeavesAnIndex) {
  // Each from the port that it keeps, so that no search meets a taken one.
  const NatRange range = snat_to("10.9.0.1");
  for (std::uint32_t port = 1024; port < 65536; ++port)
    ASSERT_EQ(track(udp(1, static_cast<std::uint16_t>(port)), commits(range)), "+new+trk+snat");
  EXPECT_GE(tracker_.census().port_chunks, 32u);
  EXPECT_EQ(track(udp(2, 5000), commits(range)), "dropped");
  Filter filter;
  filter.reply.dst_port = be16{4321};
  EXPECT_EQ(tracker_.flush_matching(filter), 1u);
  EXPECT_EQ(open(range, 2, 2),
            (std::set<std::pair<std::uint32_t, std::uint16_t>>{{0x0a090001, std::uint16_t{4321}}}));
  expect_swept();
}

TEST_F(PoolTest, WhatIsFreedIsFoundAtOnceAfterManyRefusals) {
  const NatRange range = snat_to("10.9.0.1", "10.9.0.9", 20'000, 20'009);
  EXPECT_EQ(open(range, 1, 90).size(), 90u);
  Rng rng(6);
  for (int i = 0; i < 50; ++i) {
    for (int k = 0; k < 3; ++k) EXPECT_EQ(track(udp(1000, 5000), commits(range)), "dropped");
    // Other pools, other endpoints and a packet with a port of another kind are not meant.
    EXPECT_EQ(track(udp(1000, 5000, "192.168.0.3", static_cast<std::uint16_t>(1 + i)), commits(range)),
              "+new+trk+snat");
    const auto last = static_cast<std::uint16_t>(1 + i);
    EXPECT_EQ(track(udp(5000 + last, 5000), commits(snat_to("10.9.1.1", "", 1, last))), "+new+trk+snat");
    if (i % 3 == 0) {
      advance(Duration::seconds(100));  // all expire, nobody sweeps
      EXPECT_EQ(open(range, 2000, 91).size(), 90u);
      continue;
    }
    Filter filter;
    filter.reply.dst = net::v4_mapped(be32{0x0a090001 + static_cast<std::uint32_t>(rng.below(9))});
    filter.reply.dst_port = be16{static_cast<std::uint16_t>(20'000 + rng.below(10))};
    filter.reply.src = net::v4_mapped(be32{0xc0a80001});
    EXPECT_EQ(tracker_.flush_matching(filter), 1u);
    EXPECT_EQ(open(range, 1000, 2).size(), 1u);
    filter = {};
    filter.original.src = net::v4_mapped(be32{0x0a000000 + 1000});
    tracker_.flush_matching(filter);
    EXPECT_EQ(open(range, 3000 + static_cast<std::uint32_t>(i), 1).size(), 1u);
  }
  expect_swept();
}

TEST_F(PoolTest, EveryEchoId) {
  const CtRequest request = commits(snat_to("10.9.0.1", "", 5000, 5001));  // of ports, not ids
  std::set<std::uint16_t> ids;
  for (std::uint32_t client = 1; client <= 65'537; ++client) {
    const std::string state = track(Ip4{.src = be32{0x0a000000 + client}, .dst = "192.168.0.1"} /
                                        Icmp4{.type = 8, .code = 0, .id = 77, .seq = 1},
                                    request);
    EXPECT_EQ(state, client <= 65'536 ? "+new+trk+snat" : "dropped") << client;
    if (state != "dropped") ids.insert(be16::load(last()->data() + last()->layout.l4 + 4).host());
  }
  EXPECT_EQ(ids.size(), 65'536u);
  expect_swept();
}

TEST_F(PoolTest, OthersTuplesAreStepped) {
  // Half of the pool is held by the translating host itself, without NAT; some of it opened from outside.
  for (std::uint16_t port = 20'000; port < 20'200; port = static_cast<std::uint16_t>(port + 4))
    EXPECT_EQ(track(udp(0x090001, port), {.commit = true}), "+new+trk");
  for (std::uint16_t port = 20'002; port < 20'200; port = static_cast<std::uint16_t>(port + 4))
    EXPECT_EQ(track(Ip4{.src = "192.168.0.1", .dst = "10.9.0.1"} / Udp{.sport = 53, .dport = port},
                    {.commit = true}),
              "+new+trk");
  const auto got = open(snat_to("10.9.0.1", "", 20'000, 20'199), 1, 110);
  EXPECT_EQ(got.size(), 100u);
  for (const auto& [address, port] : got) EXPECT_EQ(port % 2, 1);
  expect_swept();
}

TEST_F(PoolTest, DestinationNatServesAllPortsOfTheClient) {
  // One client, one backend: its port changes where it must.
  unsigned served = 0;
  for (std::uint32_t i = 0; i < 64'520; ++i)
    served += track(Ip4{.src = "10.0.0.1", .dst = be32{0x0b000000 + i}} / Udp{.sport = 5000, .dport = 53},
                    commits(dnat_to("10.9.0.1", "", 80, 80))) == "+new+trk+dnat";
  EXPECT_EQ(served, 64'512u);
  expect_swept();
}

TEST_F(PoolTest, SurvivesChurn) {
  Rng rng(5);
  const NatRange range = snat_to("10.9.0.1", "10.9.0.2", 20'000, 20'149);
  for (int round = 0; round < 40; ++round) {
    open(range, 1 + static_cast<std::uint32_t>(rng.below(100'000)),
         static_cast<std::uint32_t>(rng.below(200)));
    EXPECT_LE(tracker_.connections(), 300u);
    if (rng.chance(20)) tracker_.flush(0);
    if (rng.chance(30)) {
      Filter filter;
      filter.reply.dst_port = be16{static_cast<std::uint16_t>(20'000 + rng.below(150))};
      tracker_.flush_matching(filter);
    }
    advance(Duration::seconds(static_cast<std::int64_t>(rng.below(40))));
    if (rng.chance(50)) expire();
    const std::uint32_t before = tracker_.connections();
    std::vector<ConnectionSnapshot> all = connections();
    std::set<std::pair<be128, be16>> replies;
    for (const ConnectionSnapshot& c : all)
      EXPECT_TRUE(replies.insert({c.reply.dst, c.reply.dst_port}).second);
    EXPECT_LE(all.size(), before);
  }
  expire();
  const auto held = static_cast<unsigned>(connections().size());
  refused_ = 0;
  EXPECT_EQ(open(range, 500'000, 310).size(), 300u - held);
  expect_swept();
}

TEST(PortClasses, AreThoseOfTheFirstPort) {
  EXPECT_EQ(nat::class_of(1).first, 1);
  EXPECT_EQ(nat::class_of(511).last, 511);
  EXPECT_EQ(nat::class_of(512).first, 600);
  EXPECT_EQ(nat::class_of(1023).last, 1023);
  EXPECT_EQ(nat::class_of(1024).first, 1024);
  EXPECT_EQ(nat::class_of(65535).last, 65535);
}

/// Bits and their naive counterpart, a set.
class LaneModel {
 public:
  void toggle(std::uint64_t lane, std::uint16_t port, bool on) {
    if (on) {
      EXPECT_TRUE(lanes.set(lane, port));
      ports.insert(port);
    } else {
      lanes.clear(lane, port);
      ports.erase(port);
    }
  }
  std::optional<std::uint16_t> next_clear(std::uint32_t from, std::uint32_t to) const {
    for (std::uint32_t p = from; p <= to; ++p)
      if (!ports.contains(static_cast<std::uint16_t>(p))) return static_cast<std::uint16_t>(p);
    return std::nullopt;
  }

  nat::PortLanes lanes{1000};
  std::set<std::uint16_t> ports;
};

TEST(PortLanes, NextClearSkipsWhatIsSet) {
  LaneModel model;
  EXPECT_EQ(model.lanes.next_clear(1, 0, 65535), 0);
  Rng rng(3);
  for (int i = 0; i < 6000; ++i) {
    model.toggle(1, static_cast<std::uint16_t>(3000 + rng.below(4000)), rng.chance(70));
    if (i % 20 != 0) continue;
    const auto from = static_cast<std::uint32_t>(2990 + rng.below(4000));
    const auto to = from + static_cast<std::uint32_t>(rng.below(300));
    ASSERT_EQ(model.lanes.next_clear(1, from, to), model.next_clear(from, to)) << from << "-" << to;
  }
  EXPECT_EQ(model.lanes.next_clear(2, 3000, 3000), 3000);  // another lane
  for (const std::uint16_t port : std::set(model.ports)) model.lanes.clear(1, port);
  EXPECT_EQ(model.lanes.chunks(), 0u);
}

TEST(PortLanes, OfAFullLaneTheOneFreePortIsFound) {
  LaneModel model;
  for (std::uint32_t port = 0; port < 65536; ++port) model.toggle(1, static_cast<std::uint16_t>(port), true);
  EXPECT_EQ(model.lanes.next_clear(1, 0, 65535), std::nullopt);
  EXPECT_EQ(model.lanes.chunks(), 33u);  // and the summary
  Rng rng(4);
  for (int i = 0; i < 2000; ++i) {
    // A few holes: in whole chunks, at their ends, in others.
    const bool fill = model.ports.size() < 65530 || rng.chance(40);
    std::uint16_t port = static_cast<std::uint16_t>(rng.below(65536));
    if (rng.chance(30)) port = static_cast<std::uint16_t>((port & ~2047u) + (rng.chance(50) ? 0 : 2047));
    if (fill && model.ports.size() < 65536) port = *model.next_clear(0, 65535);
    model.toggle(1, port, fill);
    const auto from = static_cast<std::uint32_t>(rng.below(65536));
    const auto to = from + static_cast<std::uint32_t>(rng.below(65536 - from));
    ASSERT_EQ(model.lanes.next_clear(1, from, to), model.next_clear(from, to)) << from << "-" << to;
  }
  for (std::uint32_t port = 0; port < 65536; ++port) model.toggle(1, static_cast<std::uint16_t>(port), false);
  EXPECT_EQ(model.lanes.chunks(), 0u);
}

TEST(PortLanes, ACrowdIsRecordedFromTheFirstBeyondIt) {
  nat::PortLanes lanes(1000);
  const std::uint64_t lane = 0x1234567890abcdef;
  for (unsigned i = 0; i < nat::PortLanes::kCrowd; ++i) EXPECT_FALSE(lanes.enter(lane));
  EXPECT_TRUE(lanes.enter(lane));
  lanes.leave(lane);
  lanes.leave(lane);
  EXPECT_FALSE(lanes.enter(lane));
  EXPECT_EQ(lanes.counted(), nat::PortLanes::kCrowd);
}

TEST(PortLanes, WithoutMemoryTheySaySo) {
  nat::PortLanes lanes(2);
  unsigned made = 0;
  for (std::uint64_t lane = 1; lane <= 1000; ++lane) made += lanes.set(lane, 7);
  EXPECT_GE(made, 30u);
  EXPECT_LT(made, 1000u);
  EXPECT_EQ(lanes.chunks(), made);
}

/// A worker whose clients all want the same pool.
void crowd(Tracker& tracker, std::uint32_t first_client, std::uint32_t n, const NatRange& range) {
  packet::PacketPool pool(limits::kBatchSize);
  for (std::uint32_t i = 0; i < n; i += 8) {
    packet::PacketBatch batch, dropped;
    for (std::uint32_t k = 0; k < 8; ++k) batch.push(make_packet(pool, udp(first_client + i + k, 5000)));
    tracker.process(batch, {.commit = true, .nat = true, .nat_range = range},
                    Instant{Duration::seconds(1000).ns}, dropped);
    pool.give(batch);
    pool.give(dropped);
  }
}

TEST(PoolConcurrency, NoTupleIsGivenTwiceAndNoneIsLost) {
  for (const unsigned size : {40u, 1500u}) {
    Tracker tracker({.max_connections = 10'000, .hash_secret = 3});
    const NatRange range = snat_to("10.9.0.1", "", 20'000, static_cast<std::uint16_t>(20'000 + size - 1));
    std::vector<std::thread> workers;
    for (std::uint32_t w = 0; w < 4; ++w)
      workers.emplace_back([&, w] { crowd(tracker, 1 + w * 600, 600, range); });
    for (std::thread& t : workers) t.join();
    EXPECT_EQ(tracker.connections(), size);
    std::vector<ConnectionSnapshot> all;
    for (std::uint64_t cursor = 0; cursor != Tracker::kDumpDone;)
      cursor = tracker.dump(cursor, 1000, Instant{Duration::seconds(1000).ns}, all);
    std::set<std::uint16_t> ports;
    for (const ConnectionSnapshot& c : all) EXPECT_TRUE(ports.insert(c.reply.dst_port.host()).second);
    EXPECT_EQ(ports.size(), size);
  }
}

TEST(PoolConcurrency, TheSameConnectionsFromAllWorkers) {
  Tracker tracker({.max_connections = 10'000, .hash_secret = 3});
  const NatRange range = snat_to("10.9.0.1", "", 20'000, 20'999);
  std::vector<std::thread> workers;
  std::atomic<bool> done = false;
  for (std::uint32_t w = 0; w < 3; ++w) workers.emplace_back([&] { crowd(tracker, 1, 400, range); });
  std::thread other([&] {
    for (unsigned n = 0; !done.load(); ++n) {
      if (n % 4 == 0) tracker.flush_matching(Filter{});
      tracker.expire(Instant{Duration::seconds(1000).ns}, 64);
      std::this_thread::yield();
    }
  });
  for (std::thread& t : workers) t.join();
  done = true;
  other.join();
  EXPECT_LE(tracker.connections(), 400u);
  while (tracker.expire(Instant{Duration::seconds(2000).ns}, 100)) {
  }
  const Tracker::Census census = tracker.census();
  EXPECT_EQ(census.live, 0u);
  EXPECT_EQ(census.indexed, 0u);
  EXPECT_EQ(census.port_chunks, 0u);
  EXPECT_EQ(census.lane_members, 0u);
}

}  // namespace
}  // namespace sluice::conntrack
