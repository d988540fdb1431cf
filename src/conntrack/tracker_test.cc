// The tracker's own rules: commit, mark and label, zones, repeated ct, force, limits, expiry, flush, dump,
// peek.
#include "conntrack/tracker.h"

#include "base/timer_wheel.h"
#include "conntrack/tracker_fixture.h"

namespace sluice::conntrack {
namespace {

using namespace sluice::testing;

Layers forth(std::uint16_t port = 1000) {
  return Ip4{.src = "10.0.0.1", .dst = "10.0.0.2"} / Udp{.sport = port, .dport = 53};
}
Layers back(std::uint16_t port = 1000) {
  return Ip4{.src = "10.0.0.2", .dst = "10.0.0.1"} / Udp{.sport = 53, .dport = port};
}
be128 label(std::uint64_t hi, std::uint64_t lo) {
  return {be64{hi}, be64{lo}};
}

class TrackerTest : public TrackerFixture {};

TEST_F(TrackerTest, ATimeoutThatBecameShorterIsNoticedWithinTheSweepInterval) {
  const auto kept_for = [&](Duration interval) {
    tracker_.set_sweep_interval(interval);
    EXPECT_EQ(tracker_.sweep_interval(), interval);
    TimeoutPolicy policy;
    policy[Timeout::UdpSingle] = policy[Timeout::UdpFirst] = 100;
    tracker_.set_timeout_policy(0, policy);
    commit(forth());
    advance(Duration::milliseconds(500));
    expire();
    policy[Timeout::UdpSingle] = policy[Timeout::UdpFirst] = 1;
    tracker_.set_timeout_policy(0, policy);
    const Instant start = clock_.now();
    while (tracker_.connections() != 0) {
      advance(Duration::milliseconds(250));
      expire();
    }
    return clock_.now() - start;
  };
  for (const Duration interval : {Duration::seconds(20), Duration::seconds(5), Duration::seconds(1)}) {
    const Duration kept = kept_for(interval);
    EXPECT_GE(kept, interval);
    EXPECT_LE(kept, interval + TimerWheel::kTick * 2);
  }
}

TEST_F(TrackerTest, NewPacketShowsItsOwnTuple) {
  EXPECT_EQ(track(forth(), {.zone = 4}), "+new+trk");
  EXPECT_EQ(meta().zone, 4);
  EXPECT_EQ(net::v4_of(meta().original.src), *net::parse_ipv4("10.0.0.1"));
  EXPECT_EQ(meta().original.dst_port, be16{53});
  EXPECT_EQ(meta().original.proto, 17);
  EXPECT_EQ(meta().connection, packet::CtMetadata::kNoConnection);
  expect_delta({{"lookups", 1}});
}

TEST_F(TrackerTest, MarkAndLabelUnderMaskOnEveryCommit) {
  track(forth(), {.commit = true,
                  .mark = 0xff,
                  .mark_mask = 0xf0,
                  .label = label(1, 2),
                  .label_mask = label(~0ull, ~0ull)});
  EXPECT_EQ(meta().mark, 0xf0u);
  EXPECT_EQ(meta().label, label(1, 2));
  track(back(), {.mark = 0x0f, .mark_mask = 0x0f});  // no commit, no write
  EXPECT_EQ(meta().mark, 0xf0u);
  EXPECT_EQ(meta().label, label(1, 2));
  track(back(),
        {.commit = true, .mark = 0x0a, .mark_mask = 0x0f, .label = label(0, 0), .label_mask = label(0, 2)});
  EXPECT_EQ(meta().mark, 0xfau);
  EXPECT_EQ(meta().label, label(1, 0));
  track(forth(), {.commit = true, .label = label(0, 0), .label_mask = label(~0ull, ~0ull)});
  EXPECT_TRUE(meta().label.is_zero());
  EXPECT_EQ(only_connection().mark, 0xfau);
  expect_delta({{"created", 1}, {"committed", 3}, {"lookups", 4}, {"hits", 3}});
}

TEST_F(TrackerTest, ZonesAreSeparate) {
  track(forth(), {.commit = true, .zone = 1, .mark = 1, .mark_mask = ~0u});
  EXPECT_EQ(track(back(), {.zone = 2}), "+new+trk");
  track(forth(), {.commit = true, .zone = 2, .mark = 2, .mark_mask = ~0u});
  EXPECT_EQ(track(back(), {.zone = 1}), "+est+rpl+trk");
  EXPECT_EQ(meta().mark, 1u);
  EXPECT_EQ(track(back(), {.zone = 2}), "+est+rpl+trk");
  EXPECT_EQ(meta().mark, 2u);
  EXPECT_EQ(tracker_.connections(), 2u);
  EXPECT_EQ(tracker_.connections_in_zone(1), 1u);
  EXPECT_EQ(tracker_.connections_in_zone(3), 0u);
}

TEST_F(TrackerTest, SecondCtInTheZoneCountsNothingTwice) {
  commit(forth());
  packet::Packet* p = make(back());
  EXPECT_EQ(track(p), "+est+rpl+trk");
  forget_counters();
  EXPECT_EQ(track(p), "+est+rpl+trk");
  EXPECT_EQ(only_connection().packets[1], 1u);
  expect_delta({});
  EXPECT_EQ(track(p, {.commit = true, .mark = 9, .mark_mask = ~0u}), "+est+rpl+trk");
  EXPECT_EQ(meta().mark, 9u);
  EXPECT_EQ(only_connection().mark, 9u);
  expect_delta({{"committed", 1}});
  // In another zone it is a packet like any other.
  EXPECT_EQ(track(p, {.zone = 8}), "+new+trk");
  expect_delta({{"lookups", 1}});
}

TEST_F(TrackerTest, CommitAfterALookupCreates) {
  packet::Packet* p = make(forth());
  EXPECT_EQ(track(p), "+new+trk");
  EXPECT_EQ(track(p, {.commit = true}), "+new+trk");
  EXPECT_EQ(tracker_.connections(), 1u);
  EXPECT_EQ(track(p, {.commit = true}), "+new+trk");
  EXPECT_EQ(only_connection().packets[0], 1u);
  EXPECT_EQ(only_connection().state[0], static_cast<std::uint8_t>(SimpleState::First));
  expect_delta({{"created", 1}, {"committed", 2}, {"lookups", 2}});
}

TEST_F(TrackerTest, InvalidStaysInvalidInTheZone) {
  packet::Packet* p = make(Ip4{} / Udp{.sport = 0, .dport = 1});
  EXPECT_EQ(track(p), "+inv+trk");
  EXPECT_EQ(track(p, {.commit = true}), "+inv+trk");
  expect_delta({{"reason.zero_port", 1}});
}

TEST_F(TrackerTest, SecondCtAfterAFlushLooksAgain) {
  commit(forth());
  packet::Packet* p = make(forth());
  track(p);
  tracker_.flush(std::nullopt);
  EXPECT_EQ(track(p), "+new+trk");
  EXPECT_EQ(meta().connection, packet::CtMetadata::kNoConnection);
  EXPECT_EQ(track(p, {.commit = true}), "+new+trk");
  EXPECT_EQ(tracker_.connections(), 1u);
}

TEST_F(TrackerTest, ForceTurnsAConnectionRound) {
  track(forth(), {.commit = true, .mark = 1, .mark_mask = ~0u});
  const ConnectionSnapshot old = only_connection();
  EXPECT_EQ(track(forth(), {.commit = true, .force = true}),
            "+new+trk");  // original direction: nothing to force
  EXPECT_EQ(only_connection().id, old.id);
  EXPECT_EQ(track(back(), {.commit = true, .force = true, .mark = 2, .mark_mask = ~0u}), "+new+trk");
  const ConnectionSnapshot turned = only_connection();
  EXPECT_NE(turned.id, old.id);
  EXPECT_EQ(turned.original.src_port, be16{53});
  EXPECT_EQ(turned.mark, 2u);
  EXPECT_EQ(track(forth()), "+est+rpl+trk");
  expect_delta({{"created", 2}, {"destroyed", 1}, {"committed", 3}, {"lookups", 4}, {"hits", 3}});
}

TEST_F(TrackerTest, ForceAfterALookup) {
  commit(forth());
  packet::Packet* p = make(back());
  EXPECT_EQ(track(p), "+est+rpl+trk");
  EXPECT_EQ(track(p, {.commit = true, .force = true}), "+new+trk");
  EXPECT_EQ(only_connection().original.src_port, be16{53});
  EXPECT_EQ(tracker_.census().indexed, 1u);
}

TEST_F(TrackerTest, ForceAfterARewriteGoesByTheNewTuple) {
  commit(forth());
  packet::Packet* p = make(back());
  EXPECT_EQ(track(p), "+est+rpl+trk");
  packet::Packet* rewritten = make(back(2000));
  rewritten->meta.ct = p->meta.ct;
  EXPECT_EQ(track(rewritten, {.commit = true, .force = true}), "+new+trk");
  EXPECT_EQ(tracker_.connections(), 2u);
  EXPECT_EQ(tracker_.census().indexed, 2u);
  EXPECT_EQ(track(forth(2000)), "+est+rpl+trk");  // found under its own name
  tracker_.flush(std::nullopt);
  expire();
  EXPECT_EQ(tracker_.census().indexed, 0u);
}

TEST_F(TrackerTest, PacketsOfOneBatchSeeEachOther) {
  packet::PacketBatch batch, dropped;
  std::vector<packet::Packet*> packets = {make(forth()), make(forth(1001)), make(back()), make(forth()),
                                          make(back(1001))};
  for (packet::Packet* p : packets) batch.push(p);
  tracker_.process(batch, {.commit = true}, clock_.now(), dropped);
  std::vector<std::string> states;
  for (packet::Packet* p : packets) states.push_back(state_text(p->meta.ct.state));
  EXPECT_EQ(states,
            (std::vector<std::string>{"+new+trk", "+new+trk", "+est+rpl+trk", "+est+trk", "+est+rpl+trk"}));
  EXPECT_EQ(tracker_.connections(), 2u);
}

TEST_F(TrackerTest, FullTableDropsWhatWouldCreate) {
  tracker_.set_max_connections(2);
  for (const std::uint16_t port : {1, 2}) {
    EXPECT_EQ(commit(forth(port)), "+new+trk");
    EXPECT_EQ(commit(back(port)), "+est+rpl+trk");
  }
  forget_counters();
  EXPECT_EQ(commit(forth(3)), "dropped");
  expect_delta({{"lookups", 1}, {"reason.table_full", 1}});
  EXPECT_EQ(track(forth(3)), "+new+trk");  // a lookup needs no room
  EXPECT_EQ(commit(back(1)), "+est+rpl+trk");
  EXPECT_EQ(tracker_.connections(), 2u);
  EXPECT_EQ(tracker_.connections_in_zone(0), 2u);
  tracker_.set_max_connections(3);
  EXPECT_EQ(commit(forth(3)), "+new+trk");
}

TEST_F(TrackerTest, DroppedPacketsLeaveTheBatchInOrder) {
  tracker_.set_max_connections(1);
  commit(forth(1));
  commit(back(1));
  packet::PacketBatch batch, dropped;
  std::vector<packet::Packet*> packets = {make(forth(1)), make(forth(2)), make(back(1)), make(forth(3)),
                                          make(forth(1))};
  for (packet::Packet* p : packets) batch.push(p);
  tracker_.process(batch, {.commit = true}, clock_.now(), dropped);
  EXPECT_EQ(std::vector<packet::Packet*>(batch.begin(), batch.end()),
            (std::vector<packet::Packet*>{packets[0], packets[2], packets[4]}));
  EXPECT_EQ(std::vector<packet::Packet*>(dropped.begin(), dropped.end()),
            (std::vector<packet::Packet*>{packets[1], packets[3]}));
}

TEST_F(TrackerTest, ZoneLimits) {
  tracker_.set_default_zone_limit(2);
  tracker_.set_zone_limit(5, 1);
  tracker_.set_zone_limit(6, 0);
  EXPECT_EQ(track(forth(1), {.commit = true, .zone = 5}), "+new+trk");
  EXPECT_EQ(track(back(1), {.zone = 5}), "+est+rpl+trk");
  EXPECT_EQ(track(forth(2), {.commit = true, .zone = 5}), "dropped");
  EXPECT_EQ(track(forth(1), {.commit = true, .zone = 6}), "dropped");
  EXPECT_EQ(track(forth(1), {.commit = true, .zone = 7}), "+new+trk");
  EXPECT_EQ(track(forth(2), {.commit = true, .zone = 7}), "+new+trk");
  for (const std::uint16_t port : {1, 2}) EXPECT_EQ(track(back(port), {.zone = 7}), "+est+rpl+trk");
  EXPECT_EQ(track(forth(3), {.commit = true, .zone = 7}), "dropped");
  EXPECT_EQ(tracker_.zone_limit(5), 1u);
  EXPECT_EQ(tracker_.zone_limit(7), std::nullopt);
  expect_delta({{"created", 3}, {"committed", 3}, {"lookups", 9}, {"hits", 3}, {"reason.zone_full", 3}});
  tracker_.set_zone_limit(5, std::nullopt);
  EXPECT_EQ(track(forth(2), {.commit = true, .zone = 5}), "+new+trk");
  EXPECT_EQ(tracker_.connections(), 4u);
}

TEST_F(TrackerTest, ExpiresAtItsTimeAndNotBefore) {
  commit(forth());
  advance(Duration::milliseconds(59'980));
  expire();
  EXPECT_EQ(tracker_.connections(), 1u);
  EXPECT_EQ(connections().size(), 1u);
  advance(Duration::milliseconds(30));
  EXPECT_TRUE(connections().empty());  // out of sight before the wheel comes by
  EXPECT_EQ(track(back()), "+new+trk");
  advance(Duration::milliseconds(500));
  forget_counters();
  expire();
  EXPECT_EQ(tracker_.connections(), 0u);
  expect_delta({{"destroyed", 1}, {"expired", 1}});
  EXPECT_EQ(tracker_.census().live, 0u);
  EXPECT_EQ(tracker_.census().indexed, 0u);
}

TEST_F(TrackerTest, TrafficKeepsAConnectionAlive) {
  commit(forth());
  for (int i = 0; i < 20; ++i) {
    advance(Duration::seconds(20));
    EXPECT_EQ(track(i % 2 == 0 ? back() : forth()), i % 2 == 0 ? "+est+rpl+trk" : "+est+trk");
    expire();
  }
  advance(Duration::seconds(31));
  expire();
  EXPECT_EQ(tracker_.connections(), 0u);
}

TEST_F(TrackerTest, ExpiredConnectionIsRenewedInPlace) {
  commit(forth());
  const ConnectionSnapshot old = only_connection();
  advance(Duration::seconds(61));
  EXPECT_EQ(commit(back()), "+new+trk");
  EXPECT_NE(only_connection().id, old.id);
  EXPECT_EQ(only_connection().original.src_port, be16{53});
  EXPECT_EQ(tracker_.connections(), 1u);
  expect_delta({{"created", 2}, {"destroyed", 1}, {"expired", 1}, {"committed", 2}, {"lookups", 2}});
  EXPECT_EQ(tracker_.census().indexed, 1u);
}

TEST_F(TrackerTest, WorkPerExpireIsBounded) {
  for (std::uint16_t port = 1; port <= 100; ++port) commit(forth(port));
  advance(Duration::seconds(100));
  unsigned calls = 0;
  std::uint32_t before = tracker_.connections();
  while (tracker_.expire(clock_.now(), 7)) {
    EXPECT_GE(before - tracker_.connections(), 0u);
    EXPECT_LE(before - tracker_.connections(), 7u);
    before = tracker_.connections();
    ++calls;
  }
  EXPECT_EQ(tracker_.connections(), 0u);
  EXPECT_GE(calls, 100u / 7);
}

TEST_F(TrackerTest, TimeoutPolicyOfAZone) {
  TimeoutPolicy policy;
  policy[Timeout::UdpFirst] = 5;
  policy[Timeout::UdpMultiple] = 500;
  tracker_.set_timeout_policy(3, policy);
  track(forth(), {.commit = true, .zone = 3});
  EXPECT_EQ(expires_in_seconds(), 5);
  track(back(), {.zone = 3});
  EXPECT_EQ(expires_in_seconds(), 500);
  tracker_.set_timeout_policy(3, std::nullopt);
  EXPECT_EQ(expires_in_seconds(), 30);
  advance(Duration::seconds(31));
  expire();
  EXPECT_EQ(tracker_.connections(), 0u);
}

TEST_F(TrackerTest, FlushOfAZone) {
  for (std::uint16_t port = 1; port <= 10; ++port) {
    track(forth(port), {.commit = true, .zone = 1});
    track(forth(port), {.commit = true, .zone = 2});
  }
  forget_counters();
  tracker_.flush(1);
  expect_delta({{"destroyed", 10}});
  EXPECT_EQ(tracker_.connections(), 10u);
  EXPECT_EQ(tracker_.connections_in_zone(1), 0u);
  EXPECT_EQ(connections().size(), 10u);
  EXPECT_EQ(track(back(1), {.zone = 1}), "+new+trk");
  EXPECT_EQ(track(back(1), {.zone = 2}), "+est+rpl+trk");
  EXPECT_EQ(track(back(2), {.commit = true, .zone = 1}), "+new+trk");  // in the flushed one's place
  EXPECT_EQ(tracker_.connections_in_zone(1), 1u);
  expire();
  EXPECT_EQ(tracker_.census().live, 11u);
  EXPECT_EQ(tracker_.census().indexed, 11u);
  tracker_.flush(std::nullopt);
  EXPECT_EQ(tracker_.connections(), 0u);
  expire();
  EXPECT_EQ(tracker_.census().live, 0u);
}

TEST_F(TrackerTest, FlushedMemoryComesBack) {
  for (int round = 0; round < 20; ++round) {
    for (std::uint32_t i = 0; i < 1000; ++i)
      ASSERT_EQ(commit(Ip4{.src = be32{0x0a000000u + i},
                           .dst = be32{0x0b000000u + static_cast<std::uint32_t>(round)}} /
                       Udp{}),
                "+new+trk");
    tracker_.flush(0);
    expire();
  }
  EXPECT_EQ(tracker_.census().live, 0u);
  EXPECT_EQ(tracker_.census().indexed, 0u);
}

TEST_F(TrackerTest, AGenerationThatComesRoundDoesNotRevive) {
  commit(forth());
  for (int i = 0; i < 65536; ++i) tracker_.flush(0);
  EXPECT_EQ(track(forth()), "+new+trk");
  EXPECT_EQ(tracker_.connections(), 0u);
  EXPECT_TRUE(connections().empty());
}

TEST_F(TrackerTest, FlushByFilter) {
  for (std::uint16_t port = 1; port <= 10; ++port)
    track(forth(port), {.commit = true, .zone = port, .mark = port, .mark_mask = ~0u, .cookie = port / 5u});
  forget_counters();
  Filter by_mark;
  by_mark.mark = 1;
  by_mark.mark_mask = 1;
  EXPECT_EQ(tracker_.flush_matching(by_mark), 5u);
  expect_delta({{"destroyed", 5}});
  Filter by_tuple;
  by_tuple.original.src_port = be16{4};
  EXPECT_EQ(tracker_.flush_matching(by_tuple), 1u);
  EXPECT_EQ(tracker_.flush_matching(by_tuple), 0u);
  Filter by_reply;
  by_reply.zone = 6;
  by_reply.reply.dst = net::v4_mapped(*net::parse_ipv4("10.0.0.1"));
  EXPECT_EQ(tracker_.flush_matching(by_reply), 1u);
  Filter by_cookie;
  by_cookie.cookie = 1;
  by_cookie.cookie_mask = ~std::uint64_t{0};
  EXPECT_EQ(tracker_.flush_matching(by_cookie), 1u);  // port 8; 6 is gone, 10 has cookie 2
  EXPECT_EQ(tracker_.connections(), 2u);
  expire();
  EXPECT_EQ(tracker_.census().live, 2u);
  EXPECT_EQ(tracker_.census().indexed, 2u);
}

TEST_F(TrackerTest, FlushByFilterGoesBySlices) {
  tracker_.set_max_connections(2000);
  constexpr std::uint32_t kMany = 2000;
  for (std::uint32_t i = 0; i < kMany; ++i)
    commit(Ip4{.src = be32{0x0a000000u + i}, .dst = "10.1.0.2"} / Udp{.sport = 1, .dport = 2});
  Filter filter;
  filter.original.dst = net::v4_mapped(*net::parse_ipv4("10.1.0.2"));
  std::uint64_t flushed = 0, cursor = 0;
  cursor = tracker_.flush_matching(filter, cursor, flushed);
  EXPECT_LE(flushed, limits::kFlushSlice);
  while (cursor != Tracker::kDumpDone) cursor = tracker_.flush_matching(filter, cursor, flushed);
  EXPECT_EQ(flushed, kMany);
  EXPECT_EQ(tracker_.flush_matching(filter, Tracker::kDumpDone - 1, flushed), Tracker::kDumpDone);
  EXPECT_EQ(tracker_.connections(), 0u);
}

TEST_F(TrackerTest, DumpGoesBySlices) {
  for (std::uint16_t port = 1; port <= 100; ++port) commit(forth(port));
  std::vector<ConnectionSnapshot> all;
  std::uint64_t cursor = 0;
  unsigned slices = 0;
  while (cursor != Tracker::kDumpDone) {
    const std::size_t before = all.size();
    cursor = tracker_.dump(cursor, 9, clock_.now(), all);
    EXPECT_LE(all.size() - before, 9u);
    ++slices;
  }
  EXPECT_EQ(all.size(), 100u);
  EXPECT_GE(slices, 11u);
  std::vector<std::uint64_t> ids;
  for (const ConnectionSnapshot& c : all) ids.push_back(c.id);
  std::sort(ids.begin(), ids.end());
  EXPECT_EQ(std::unique(ids.begin(), ids.end()), ids.end());
}

TEST_F(TrackerTest, PeekSaysWhatProcessWouldAndChangesNothing) {
  packet::Packet* first = make(forth());
  EXPECT_EQ(state_text(tracker_.peek(*first, 0, clock_.now()).state), "+new+trk");
  commit(forth());
  const ConnectionSnapshot before = only_connection();
  forget_counters();
  const PeekResult reply = tracker_.peek(*make(back()), 0, clock_.now());
  EXPECT_EQ(state_text(reply.state), "+est+rpl+trk");
  ASSERT_TRUE(reply.connection.has_value());
  EXPECT_EQ(reply.connection->id, before.id);
  EXPECT_EQ(only_connection().state[0], before.state[0]);
  EXPECT_EQ(only_connection().packets[1], 0u);
  const PeekResult invalid = tracker_.peek(*make(Ip4{} / Udp{.sport = 0, .dport = 1}), 0, clock_.now());
  EXPECT_EQ(state_text(invalid.state), "+inv+trk");
  EXPECT_EQ(invalid.reason, Reason::ZeroPort);
  EXPECT_EQ(state_text(tracker_.peek(*first, 9, clock_.now()).state), "+new+trk");
  advance(Duration::seconds(61));
  EXPECT_EQ(state_text(tracker_.peek(*first, 0, clock_.now()).state), "+new+trk");
  expect_delta({});
}

TEST_F(TrackerTest, SnapshotKnowsItsTimes) {
  advance(Duration::seconds(5));
  track(forth(), {.commit = true, .cookie = 0xabc});
  const std::int64_t start = clock_.now().ns;
  advance(Duration::seconds(7));
  track(back());
  const std::int64_t seen = clock_.now().ns;
  advance(Duration::seconds(2));
  const ConnectionSnapshot c = only_connection();
  EXPECT_NEAR(static_cast<double>(c.start_ns), static_cast<double>(start), 70'000);
  EXPECT_NEAR(static_cast<double>(c.last_seen_ns), static_cast<double>(seen), 5e6);
  EXPECT_NEAR(static_cast<double>(c.expires_in_ns), 28e9, 1e7);
  EXPECT_EQ(c.cookie, 0xabcu);
}

TEST_F(TrackerTest, CountersGrowBeyondTheirFirstWidth) {
  commit(forth());
  packet::Packet* p = make(forth());
  for (int i = 0; i < 70'000; ++i) {
    p->meta.ct = {};
    track(p);
  }
  EXPECT_EQ(only_connection().packets[0], 70'001u);
  EXPECT_EQ(only_connection().bytes[0], 70'001u * 28);
}

TEST_F(TrackerTest, MostOverlappingKeysStayApart) {
  // The same two addresses and ports, crosswise and equal.
  const auto udp = [](const char* src, const char* dst, std::uint16_t s, std::uint16_t d) {
    return Ip4{.src = src, .dst = dst} / Udp{.sport = s, .dport = d};
  };
  EXPECT_EQ(commit(udp("1.1.1.1", "2.2.2.2", 5, 6)), "+new+trk");
  EXPECT_EQ(commit(udp("1.1.1.1", "2.2.2.2", 6, 5)), "+new+trk");
  EXPECT_EQ(commit(udp("1.1.1.1", "1.1.1.1", 5, 5)), "+new+trk");
  EXPECT_EQ(commit(udp("1.1.1.1", "1.1.1.1", 5, 5)), "+new+trk");  // its own reverse: original direction
  EXPECT_EQ(tracker_.connections(), 3u);
  EXPECT_EQ(track(udp("2.2.2.2", "1.1.1.1", 6, 5)), "+est+rpl+trk");
  EXPECT_EQ(track(udp("2.2.2.2", "1.1.1.1", 5, 6)), "+est+rpl+trk");
}

}  // namespace
}  // namespace sluice::conntrack
