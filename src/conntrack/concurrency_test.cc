// Several workers process the same connections while others flush, dump, expire and change limits. Run under
// tsan it shows that there is no race; everywhere it shows that nothing is counted wrong or leaks.
#include <atomic>
#include <thread>

#include "base/rng.h"
#include "conntrack/tracker_fixture.h"

namespace sluice::conntrack {
namespace {

using namespace sluice::testing;

constexpr Instant kStart{Duration::seconds(1000).ns};

/// A worker with packets of its own between a few hosts that all workers share.
void work(Tracker& tracker, std::uint64_t seed, unsigned batches, bool with_commit) {
  packet::PacketPool pool(limits::kBatchSize * 2);
  Rng rng(seed);
  std::vector<packet::Packet*> packets;
  for (unsigned i = 0; i < limits::kBatchSize; ++i) {
    const auto client = static_cast<std::uint16_t>(1000 + i / 2);
    const bool reply = i % 2 == 1;
    const Ip4 ip =
        reply ? Ip4{.src = "10.0.0.2", .dst = "10.0.0.1"} : Ip4{.src = "10.0.0.1", .dst = "10.0.0.2"};
    const std::uint16_t sport = reply ? 80 : client, dport = reply ? client : 80;
    if (i % 4 < 2)
      packets.push_back(
          make_packet(pool, ip / Tcp{.sport = sport, .dport = dport, .flags = reply ? "SA" : "S"}));
    else
      packets.push_back(make_packet(pool, ip / Udp{.sport = sport, .dport = dport}));
  }
  for (unsigned n = 0; n < batches; ++n) {
    packet::PacketBatch batch, dropped;
    for (packet::Packet* p : packets) {
      if (rng.chance(70)) p->meta.ct = {};
      batch.push(p);
    }
    const CtRequest request{.commit = with_commit && rng.chance(50),
                            .force = rng.chance(5),
                            .zone = static_cast<std::uint16_t>(rng.below(2)),
                            .mark = 1,
                            .mark_mask = 1};
    tracker.process(batch, request, kStart + Duration::milliseconds(n), dropped);
    ASSERT_EQ(batch.size() + dropped.size(), limits::kBatchSize);
  }
  for (packet::Packet* p : packets) pool.give(p);
}

TEST(Concurrency, WorkersAndCommands) {
  Tracker tracker({.max_connections = 64, .hash_secret = 3});
  std::atomic<bool> done = false;
  std::vector<std::thread> workers;
  for (std::uint64_t seed = 1; seed <= 3; ++seed)
    workers.emplace_back([&tracker, seed] { work(tracker, seed, 1000, true); });
  std::thread commands([&] {
    Rng rng(99);
    for (unsigned n = 0; !done.load(); ++n) {
      const Instant now = kStart + Duration::milliseconds(n % 3000);
      switch (rng.below(6)) {
        case 0:
          tracker.flush(static_cast<std::uint16_t>(rng.below(2)));
          break;
        case 1:
          tracker.flush_matching(Filter{.zone = 1});
          break;
        case 2:
          tracker.set_zone_limit(1, static_cast<std::uint32_t>(rng.below(64)));
          break;
        case 3:
          tracker.set_timeout_policy(0, TimeoutPolicy{.seconds = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}});
          break;
        case 4: {
          std::vector<ConnectionSnapshot> all;
          for (std::uint64_t cursor = 0; cursor != Tracker::kDumpDone;)
            cursor = tracker.dump(cursor, 16, now, all);
          for (const ConnectionSnapshot& c : all) ASSERT_EQ(c.reply, reversed(c.original));
          break;
        }
        default:
          tracker.expire(now, 32);
      }
      std::this_thread::yield();
    }
  });
  std::thread sweeper([&] {
    for (unsigned n = 0; !done.load(); ++n) {
      tracker.expire(kStart + Duration::milliseconds(n % 3000), 64);
      std::this_thread::yield();
    }
  });
  for (std::thread& t : workers) t.join();
  done = true;
  commands.join();
  sweeper.join();

  const TrackerCounters counters = tracker.counters();
  EXPECT_EQ(counters.created - counters.destroyed, tracker.connections());
  EXPECT_EQ(tracker.connections(), tracker.connections_in_zone(0) + tracker.connections_in_zone(1));
  EXPECT_LE(tracker.connections(), 32u);  // 16 tuples in two zones
  EXPECT_GT(counters.created, 32u);
  while (tracker.expire(kStart + Duration::seconds(86400 * 2), 100)) {
  }
  EXPECT_EQ(tracker.connections(), 0u);
  EXPECT_EQ(tracker.census().live, 0u);
  EXPECT_EQ(tracker.census().indexed, 0u);
}

TEST(Concurrency, EveryPacketOfASharedConnectionIsCounted) {
  Tracker tracker({.max_connections = 64, .hash_secret = 3});
  work(tracker, 1, 1, false);
  {
    packet::PacketPool pool(8);
    packet::PacketBatch batch, dropped;
    batch.push(
        make_packet(pool, Ip4{.src = "10.0.0.1", .dst = "10.0.0.2"} / Udp{.sport = 1001, .dport = 80}));
    for (const std::uint16_t zone : {0, 1}) {
      batch[0]->meta.ct = {};
      tracker.process(batch, {.commit = true, .zone = zone}, kStart, dropped);
    }
    pool.give(batch);
  }
  const TrackerCounters before = tracker.counters();
  std::vector<std::thread> workers;
  for (std::uint64_t seed = 1; seed <= 3; ++seed)
    workers.emplace_back([&tracker, seed] { work(tracker, seed, 1000, false); });
  for (std::thread& t : workers) t.join();
  std::vector<ConnectionSnapshot> all;
  tracker.dump(0, 100, kStart, all);
  std::uint64_t packets = 0;
  for (const ConnectionSnapshot& c : all) packets += c.packets[0] + c.packets[1];
  EXPECT_EQ(packets, tracker.counters().hits - before.hits + 2);
}

}  // namespace
}  // namespace sluice::conntrack
