// What the tracker tells of itself: reasons with their zones and packets, and events of connections.
#include <functional>
#include <thread>

#include "base/rng.h"
#include "conntrack/event_log.h"
#include "conntrack/tracker_fixture.h"
#include "net/protocol.h"

namespace sluice::conntrack {
namespace {

using namespace sluice::testing;

Ip4 forth() {
  return {.src = "10.0.0.1", .dst = "10.0.0.2"};
}
Ip4 back() {
  return {.src = "10.0.0.2", .dst = "10.0.0.1"};
}

class ReasonsTest : public TrackerFixture {
 protected:
  /// "zone reason packets", a row each.
  std::vector<std::string> rows(std::optional<std::uint16_t> zone = {}) {
    std::vector<std::string> text;
    for (const auto& row : tracker_.reasons(zone).rows)
      text.push_back(std::to_string(row.zone) + " " + std::string(reason_name(row.reason)) + " " +
                     std::to_string(row.packets));
    return text;
  }
};

TEST_F(ReasonsTest, AreCountedPerZone) {
  for (int i = 0; i < 3; ++i) track(forth() / Tcp{.sport = 5, .dport = 6, .flags = "SF"}, {.zone = 7});
  track(forth() / Udp{.sport = 0, .dport = 6}, {.zone = 7});
  track(forth() / Udp{.sport = 0, .dport = 6}, {.zone = 0});
  track(forth() / Udp{.sport = 1, .dport = 6}, {.zone = 0});
  const std::vector<std::string> all = {"0 zero_port 1", "7 zero_port 1", "7 tcp_bad_flags 3"};
  EXPECT_EQ(rows(), all);
  EXPECT_EQ(rows(7), (std::vector<std::string>{"7 zero_port 1", "7 tcp_bad_flags 3"}));
  EXPECT_TRUE(rows(1).empty());
  EXPECT_TRUE(tracker_.reasons(1).recent.empty());
}

TEST_F(ReasonsTest, ShowTheLastPackets) {
  packet::Packet* const packet = make(
      forth() / (Tcp{.sport = 5, .dport = 6, .flags = "SA", .seq = 77, .ack = 88} / Payload{.size = 10}));
  packet->meta.in_port = 3;
  track(packet, {.zone = 9});
  advance(Duration::seconds(2));
  tracker_.set_zone_limit(9, 0);
  EXPECT_EQ(track(Ip6{.src = "fc00::1", .dst = "fc00::2"} / Udp{.sport = 1, .dport = 2},
                  {.commit = true, .zone = 9}),
            "dropped");
  const ReasonReport report = tracker_.reasons({});
  ASSERT_EQ(report.recent.size(), 2u);
  const ReasonSample& first = report.recent[0];
  EXPECT_EQ(first.time_ns, Duration::seconds(1000).ns);
  EXPECT_EQ(first.reason, Reason::TcpSynAckWithoutConnection);
  EXPECT_EQ(first.zone, 9);
  EXPECT_EQ(first.in_port, 3u);
  EXPECT_FALSE(first.dropped);
  EXPECT_EQ(net::v4_of(first.tuple.src), be32{0x0a000001});
  EXPECT_EQ(first.tuple.src_port, be16{5});
  EXPECT_EQ(first.tuple.dst_port, be16{6});
  EXPECT_EQ(first.tcp_seq, 77u);
  EXPECT_EQ(first.tcp_ack, 88u);
  EXPECT_EQ(first.tcp_flags, net::tcp_flag::kSyn | net::tcp_flag::kAck);
  EXPECT_EQ(first.bytes, packet->size());
  const ReasonSample& second = report.recent[1];
  EXPECT_EQ(second.time_ns, Duration::seconds(1002).ns);
  EXPECT_EQ(second.reason, Reason::ZoneFull);
  EXPECT_TRUE(second.dropped);
  EXPECT_TRUE(second.tuple.is_ipv6);
  EXPECT_EQ(net::format_ipv6(second.tuple.dst), "fc00::2");
  // Each pair of zone and reason keeps its last packet.
  ASSERT_EQ(report.rows.size(), 2u);
  EXPECT_EQ(report.rows[0].last.time_ns, Duration::seconds(1000).ns);
  EXPECT_EQ(report.rows[1].last.reason, Reason::ZoneFull);
}

TEST_F(ReasonsTest, ABrokenPacketIsShownAsFarAsItCanBeRead) {
  track(Arp{.op = 1});
  track(forth() / Icmp4{.type = 17, .code = 0, .id = 7});
  const auto recent = tracker_.reasons({}).recent;
  ASSERT_EQ(recent.size(), 2u);
  EXPECT_EQ(recent[0].tuple, Tuple{});
  EXPECT_EQ(recent[1].tuple.icmp_type, 17);
  EXPECT_EQ(recent[1].tuple.src_port, be16{});
}

TEST_F(ReasonsTest, AFloodLeavesFewSamplesAndExactCounts) {
  for (int i = 0; i < 1000; ++i) track(forth() / Udp{.sport = 0, .dport = 6}, {.zone = 1});
  track(forth() / Tcp{.sport = 5, .dport = 6, .flags = "SF"}, {.zone = 2});
  EXPECT_EQ(rows(), (std::vector<std::string>{"1 zero_port 1000", "2 tcp_bad_flags 1"}));
  EXPECT_EQ(tracker_.reasons({}).recent.size(), 2u);  // time stood still: one of each reason
  for (int i = 0; i < 1000; ++i) {
    advance(Duration::milliseconds(10));
    track(forth() / Udp{.sport = 0, .dport = 6}, {.zone = 1});
  }
  EXPECT_LE(tracker_.reasons({}).recent.size(), ReasonLog::kRecent * std::size_t{ReasonLog::kStripes});
  EXPECT_EQ(tracker_.reasons({}).rows[1].last.reason, Reason::TcpBadFlags);  // not pushed out
}

TEST_F(ReasonsTest, MoreZonesThanRowsAreCountedTogether) {
  for (unsigned zone = 0; zone < 8000; ++zone)
    track(forth() / Udp{.sport = 0, .dport = 6}, {.zone = static_cast<std::uint16_t>(zone)});
  const ReasonReport report = tracker_.reasons({});
  EXPECT_GT(report.rows.size(), ReasonLog::kRows / 2);
  EXPECT_LE(report.rows.size(), ReasonLog::kRows);
  std::uint64_t sum = report.other_zones[static_cast<unsigned>(Reason::ZeroPort)];
  EXPECT_GT(sum, 0u);
  for (const auto& row : report.rows) sum += row.packets;
  EXPECT_EQ(sum, 8000u);
}

class EventsTest : public TrackerFixture {
 protected:
  /// "kind why-or-dash zone state packets/packets", an event each.
  std::vector<std::string> events() {
    std::vector<ConnectionEvent> taken;
    while (tracker_.take_events(taken, 16)) {
    }
    std::vector<std::string> text;
    for (const ConnectionEvent& e : taken) {
      const auto& c = e.connection;
      text.push_back(std::string(event_name(e.kind)) +
                     (e.kind == ConnectionEvent::Kind::Destroy ? " " + std::string(end_name(e.why)) : "") +
                     " zone " + std::to_string(c.zone) + " mark " + std::to_string(c.mark) + " " +
                     std::to_string(c.packets[0]) + "/" + std::to_string(c.packets[1]));
    }
    return text;
  }
  using Texts = std::vector<std::string>;
};

TEST_F(EventsTest, LifeOfAConnection) {
  commit(forth() / Udp{.sport = 9, .dport = 9});  // nobody listens yet
  tracker_.listen_for_events(true);
  const Layers query = forth() / Udp{.sport = 1, .dport = 53}, answer = back() / Udp{.sport = 53, .dport = 1};
  track(query);
  EXPECT_EQ(events(), Texts{});
  track(query, {.commit = true, .zone = 3, .mark = 5, .mark_mask = ~0u});
  EXPECT_EQ(events(), Texts{"new zone 3 mark 5 1/0"});
  track(query, {.zone = 3});  // First -> Single
  track(query, {.zone = 3});
  track(answer, {.zone = 3});
  track(answer, {.zone = 3});
  EXPECT_EQ(events(), (Texts{"update zone 3 mark 5 2/0", "update zone 3 mark 5 3/1"}));
  track(query, {.commit = true, .zone = 3, .mark = 5, .mark_mask = ~0u});  // the mark it has
  EXPECT_EQ(events(), Texts{});
  track(query, {.commit = true, .zone = 3, .mark = 6, .mark_mask = ~0u});
  track(query, {.commit = true, .zone = 3, .label = {{}, be64{1}}, .label_mask = {{}, be64{1}}});
  EXPECT_EQ(events(), (Texts{"update zone 3 mark 6 5/2", "update zone 3 mark 6 6/2"}));
  advance(Duration::seconds(31));
  expire();
  EXPECT_EQ(events(), Texts{"destroy expired zone 3 mark 6 6/2"});
  tracker_.listen_for_events(false);
  commit(query);
  tracker_.listen_for_events(true);
  EXPECT_EQ(events(), Texts{});
  EXPECT_EQ(tracker_.lost_events(), 0u);
}

TEST_F(EventsTest, APacketThatChangesMuchIsToldOnce) {
  tracker_.listen_for_events(true);
  const Ip4 there{.src = "10.0.0.1", .dst = "10.0.0.2"}, here{.src = "10.0.0.2", .dst = "10.0.0.1"};
  const Udp query{.sport = 7, .dport = 53}, answer{.sport = 53, .dport = 7};
  const auto marked = [](std::uint32_t mark) {
    return CtRequest{.commit = true, .mark = mark, .mark_mask = ~0u};
  };
  track(there / query, marked(1));
  EXPECT_EQ(events(), (Texts{"new zone 0 mark 1 1/0"}));
  track(here / answer, marked(2));  // the first reply, another state and another mark
  EXPECT_EQ(events(), (Texts{"update zone 0 mark 2 1/1"}));
  track(here / answer, marked(2));
  EXPECT_EQ(events(), Texts{});
  track(here / answer, marked(3));
  EXPECT_EQ(events(), (Texts{"update zone 0 mark 3 1/3"}));
  track(here / answer, {.commit = true, .label = be128{{}, be64{5}}, .label_mask = be128{{}, be64{0xff}}});
  EXPECT_EQ(events(), (Texts{"update zone 0 mark 3 1/4"}));
}

/// Calls `what` with a stack that is deeper by about `kib` KiB.
void deeper(unsigned kib, const std::function<void()>& what) {
  volatile char frame[1024];
  frame[0] = 0;
  if (kib > 0)
    deeper(kib - 1, what);
  else
    what();
  frame[1023] = frame[0];
}

TEST_F(EventsTest, OfOneThreadKeepTheirOrder) {
  tracker_.listen_for_events(true);
  Texts expected;
  for (unsigned i = 1; i <= 16; ++i) {  // all at the same time
    deeper(i % 2 == 0 ? 300 : 10 * i, [&] {
      commit(forth() / Udp{.sport = static_cast<std::uint16_t>(i), .dport = 53});
      track(forth() / Udp{.sport = static_cast<std::uint16_t>(i), .dport = 53},
            CtRequest{.commit = true, .mark = i + 1, .mark_mask = ~0u});
    });
    expected.push_back("new zone 0 mark 0 1/0");
    expected.push_back("update zone 0 mark " + std::to_string(i + 1) + " 2/0");
  }
  EXPECT_EQ(events(), expected);
}

TEST_F(EventsTest, SayHowAConnectionEnded) {
  tracker_.listen_for_events(true);
  const auto syn = [](std::uint16_t port) {
    return forth() / Tcp{.sport = port, .dport = 80, .flags = "S", .seq = 9};
  };
  commit(syn(1));
  track(back() / Tcp{.sport = 80, .dport = 1, .flags = "RA", .ack = 10});
  commit(syn(1));
  EXPECT_EQ(events(), (Texts{"new zone 0 mark 0 1/0", "update zone 0 mark 0 1/1",
                             "destroy replaced zone 0 mark 0 1/1", "new zone 0 mark 0 1/0"}));
  tracker_.flush_matching(Filter{.original = {.src_port = be16{1}}});
  EXPECT_EQ(events(), Texts{"destroy flushed zone 0 mark 0 1/0"});
  commit(syn(2));
  events();
  tracker_.flush(0);
  expire();
  EXPECT_EQ(events(), Texts{"destroy flushed zone 0 mark 0 1/0"});
}

TEST_F(EventsTest, WhatNobodyTakesIsCountedAsLost) {
  tracker_.listen_for_events(true);
  const unsigned n = static_cast<unsigned>(EventLog::kRingEvents) + 100;
  for (unsigned i = 0; i < n; ++i) {
    commit(forth() / Udp{.sport = 1, .dport = 53});
    tracker_.flush_matching(Filter{});
    expire();
  }
  EXPECT_EQ(tracker_.lost_events(), 2 * n - EventLog::kRingEvents);
  EXPECT_EQ(events().size(), EventLog::kRingEvents);
  commit(forth() / Udp{.sport = 1, .dport = 53});
  EXPECT_EQ(events(), Texts{"new zone 0 mark 0 1/0"});
}

/// Workers create and lose connections and invalid packets while main takes events and reads reasons: nothing
/// races (tsan), nothing is counted twice or missing.
TEST(SeeingConcurrency, EverythingIsToldOrCountedAsLost) {
  Tracker tracker({.max_connections = 4096, .hash_secret = 3});
  tracker.listen_for_events(true);
  constexpr unsigned kWorkers = 3, kRounds = 2000;
  std::atomic<unsigned> running = kWorkers;
  std::vector<std::thread> workers;
  for (unsigned w = 0; w < kWorkers; ++w)
    workers.emplace_back([&, w] {
      packet::PacketPool pool(limits::kBatchSize * 2);
      Rng rng(w);
      for (unsigned n = 0; n < kRounds; ++n) {
        packet::PacketBatch batch, dropped;
        const auto port = static_cast<std::uint16_t>(1 + rng.below(500));
        batch.push(
            make_packet(pool, forth() / Udp{.sport = port, .dport = static_cast<std::uint16_t>(w + 1)}));
        batch.push(make_packet(pool, forth() / Udp{.sport = 0, .dport = 1}));
        const Instant now{Duration::seconds(1000 + n / 10).ns};
        tracker.process(batch, {.commit = true, .zone = static_cast<std::uint16_t>(n % 3)}, now, dropped);
        tracker.expire(now, 16);
        pool.give(batch);
        pool.give(dropped);
      }
      --running;
    });
  std::uint64_t created = 0, destroyed = 0;
  std::vector<ConnectionEvent> taken;
  const auto take = [&] {
    taken.clear();
    const bool more = tracker.take_events(taken, 500);
    for (const ConnectionEvent& e : taken) {
      created += e.kind == ConnectionEvent::Kind::New;
      destroyed += e.kind == ConnectionEvent::Kind::Destroy;
    }
    return more || !taken.empty();
  };
  while (running > 0) {
    take();
    tracker.reasons({});
  }
  for (std::thread& t : workers) t.join();
  while (take()) {
  }
  const TrackerCounters counters = tracker.counters();
  EXPECT_LE(created, counters.created);
  EXPECT_LE(destroyed, counters.destroyed);
  EXPECT_GE(created + destroyed + tracker.lost_events(), counters.created + counters.destroyed);
  std::uint64_t invalid = 0;
  for (const auto& row : tracker.reasons({}).rows) invalid += row.packets;
  EXPECT_EQ(invalid, std::uint64_t{kWorkers} * kRounds);
}

}  // namespace
}  // namespace sluice::conntrack
