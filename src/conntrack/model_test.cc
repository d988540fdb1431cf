// Random packets and commands against a naive tracker: a map from (zone, tuple) to what a connection has.
// After each step states, counts and marks agree; now and then the whole table is compared and searched for
// leaks.
#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "base/rng.h"
#include "conntrack/tracker_fixture.h"

namespace sluice::conntrack {
namespace {

using namespace sluice::testing;

struct ModelConnection {
  bool answered = false;
  bool repeated = false;
  std::uint32_t mark = 0;
  std::uint64_t packets[2] = {1, 0};
  std::int64_t seen_ns = 0;
};

/// zone, source host, destination host, source port, destination port, IPv6
using ModelKey = std::tuple<std::uint16_t, unsigned, unsigned, std::uint16_t, std::uint16_t, bool>;

ModelKey reverse(const ModelKey& k) {
  return {std::get<0>(k), std::get<2>(k), std::get<1>(k), std::get<4>(k), std::get<3>(k), std::get<5>(k)};
}

/// UDP only: its states are simple enough to be written down twice.
class Model {
 public:
  std::string track(const ModelKey& key, const CtRequest& request, std::int64_t now) {
    auto it = find(key, now);
    bool reply = false;
    if (it == all.end()) {
      it = find(reverse(key), now);
      reply = it != all.end();
    }
    if (it != all.end() && !(request.commit && request.force && reply)) {
      ModelConnection& c = it->second;
      c.answered = c.answered || reply;
      c.repeated = true;
      ++c.packets[reply ? 1 : 0];
      c.seen_ns = now;
      if (request.commit) c.mark = (c.mark & ~request.mark_mask) | (request.mark & request.mark_mask);
      return !c.answered ? "+new+trk" : reply ? "+est+rpl+trk" : "+est+trk";
    }
    if (!request.commit) return "+new+trk";
    if (it != all.end()) all.erase(it);
    // Dead ones with this tuple that nobody has swept make way.
    all.erase(key);
    all.erase(reverse(key));
    const auto zone = std::get<0>(key);
    if (zone_limit.contains(zone) && in_zone(zone) >= zone_limit[zone]) return "dropped";
    all[key] = {.mark = request.mark & request.mark_mask, .seen_ns = now};
    return "+new+trk";
  }
  std::uint32_t in_zone(std::uint16_t zone) const {
    return static_cast<std::uint32_t>(std::count_if(
        all.begin(), all.end(), [&](const auto& row) { return std::get<0>(row.first) == zone; }));
  }
  static std::int64_t timeout_ns(const ModelConnection& c) {
    return (c.answered ? 30 : 60) * 1'000'000'000ll;
  }
  static bool dead(const ModelConnection& c, std::int64_t now) { return now - c.seen_ns >= timeout_ns(c); }

  std::map<ModelKey, ModelConnection> all;
  std::map<std::uint16_t, std::uint32_t> zone_limit;

 private:
  std::map<ModelKey, ModelConnection>::iterator find(const ModelKey& key, std::int64_t now) {
    const auto it = all.find(key);
    return it != all.end() && !dead(it->second, now) ? it : all.end();
  }
};

class ModelTest : public TrackerFixture, public ::testing::WithParamInterface<std::uint64_t> {
 protected:
  static Layers packet_of(const ModelKey& key) {
    const auto [zone, from, to, sport, dport, ipv6] = key;
    if (!ipv6)
      return Ip4{.src = be32{0x0a000000 + from}, .dst = be32{0x0a000000 + to}} /
             Udp{.sport = sport, .dport = dport};
    return Ip6{.src = be128{be64{0x20010db800000000}, be64{from}},
               .dst = be128{be64{0x20010db800000000}, be64{to}}} /
           Udp{.sport = sport, .dport = dport};
  }
  /// Both directions of a connection are found, as one, or neither is; and what the model says of it is
  /// shown.
  void check_both_directions(const ModelKey& key, const Model& model) {
    const auto peek = [&](const ModelKey& k) {
      packet::Packet* packet = make_packet(pool_, packet_of(k));
      const PeekResult result = tracker_.peek(*packet, std::get<0>(key), clock_.now());
      pool_.give(packet);
      return result;
    };
    const ModelConnection* known = nullptr;
    for (const ModelKey& k : {key, reverse(key)})
      if (const auto it = model.all.find(k);
          it != model.all.end() && !Model::dead(it->second, clock_.now().ns))
        known = &it->second;
    const PeekResult forth = peek(key), back = peek(reverse(key));
    ASSERT_EQ(forth.connection.has_value(), known != nullptr);
    ASSERT_EQ(back.connection.has_value(), known != nullptr);
    if (known == nullptr) return;
    EXPECT_EQ(forth.connection->id, back.connection->id);
    EXPECT_EQ(forth.connection->original, back.connection->original);
    EXPECT_EQ(forth.connection->mark, known->mark);
    EXPECT_EQ(forth.connection->seen_reply, known->answered);
  }
  static unsigned host(const be128& address) { return static_cast<unsigned>(address.lo.host() & 0xff); }

  /// An unassured connection of zone 2 made way: which one, only the tracker's table tells.
  void forget_dropped(Model& model) {
    std::set<ModelKey> left;
    for (const ConnectionSnapshot& c : connections())
      left.insert({c.zone, host(c.original.src), host(c.original.dst), c.original.src_port.host(),
                   c.original.dst_port.host(), c.original.is_ipv6});
    const auto gone = [&](const auto& row) {
      return !Model::dead(row.second, clock_.now().ns) && !left.contains(row.first);
    };
    const auto victim = std::find_if(model.all.begin(), model.all.end(), gone);
    ASSERT_NE(victim, model.all.end());
    EXPECT_EQ(std::get<0>(victim->first), 2);
    EXPECT_FALSE(victim->second.answered);
    model.all.erase(victim);
    EXPECT_EQ(std::count_if(model.all.begin(), model.all.end(), gone), 0);
  }

  void compare(const Model& model) {
    std::map<ModelKey, const ModelConnection*> expected;
    for (const auto& [key, c] : model.all)
      if (!Model::dead(c, clock_.now().ns)) expected[key] = &c;
    const auto have = connections();
    ASSERT_EQ(have.size(), expected.size());
    for (const ConnectionSnapshot& c : have) {
      const auto it =
          expected.find({c.zone, host(c.original.src), host(c.original.dst), c.original.src_port.host(),
                         c.original.dst_port.host(), c.original.is_ipv6});
      ASSERT_NE(it, expected.end()) << format_connection(c);
      const ModelConnection& m = *it->second;
      EXPECT_EQ(c.mark, m.mark);
      EXPECT_EQ(c.packets[0], m.packets[0]);
      EXPECT_EQ(c.packets[1], m.packets[1]);
      EXPECT_EQ(c.seen_reply, m.answered);
      EXPECT_EQ(c.reply, reversed(c.original));
    }
  }
};

TEST_P(ModelTest, AgreesWithAMap) {
  Rng rng(GetParam());
  Model model;
  model.zone_limit[2] = 5;
  tracker_.set_zone_limit(2, 5);
  for (int step = 0; step < 3000; ++step) {
    // Steps of 700 ms: no packet ever comes within 100 ms of a deadline (30 s, 60 s).
    if (rng.chance(20)) advance(Duration::milliseconds(700) * static_cast<std::int64_t>(rng.below(20)));
    const unsigned what = static_cast<unsigned>(rng.below(100));
    if (what < 94) {
      const ModelKey key{
          static_cast<std::uint16_t>(rng.below(4)),     static_cast<unsigned>(1 + rng.below(3)),
          static_cast<unsigned>(1 + rng.below(3)),      static_cast<std::uint16_t>(1 + rng.below(3)),
          static_cast<std::uint16_t>(1 + rng.below(3)), rng.chance(30)};
      const bool commits = rng.chance(50);
      const CtRequest request{.commit = commits,
                              .force = commits && rng.chance(10),
                              .zone = std::get<0>(key),
                              .mark = static_cast<std::uint32_t>(rng.next()),
                              .mark_mask = rng.chance(50) ? static_cast<std::uint32_t>(rng.next()) : 0};
      // What is dead but unswept still counts against limits: sweep both, so that they agree.
      const std::int64_t now = clock_.now().ns;
      const auto in_the_way = [&](const auto& row) {
        return std::get<0>(row.first) == 2 && Model::dead(row.second, now);
      };
      if (std::get<0>(key) == 2 && std::any_of(model.all.begin(), model.all.end(), in_the_way)) continue;
      packet::Packet* packet = make_packet(pool_, packet_of(key));
      const std::uint64_t dropped_early = tracker_.counters().dropped_early;
      const std::string state = track(packet, request);
      if (tracker_.counters().dropped_early != dropped_early) {
        EXPECT_EQ(model.in_zone(2), 5u);
        EXPECT_EQ(tracker_.counters().dropped_early, dropped_early + 1);
        forget_dropped(model);
      }
      EXPECT_EQ(state, model.track(key, request, now)) << "step " << step;
      pool_.give(packet);
      check_both_directions(key, model);
    } else if (what < 96) {
      const auto zone = static_cast<std::uint16_t>(rng.below(4));
      tracker_.flush(zone);
      std::erase_if(model.all, [&](const auto& row) { return std::get<0>(row.first) == zone; });
    } else if (what < 97) {
      Filter filter;
      filter.mark_mask = 1;
      std::erase_if(model.all, [&](const auto& row) { return (row.second.mark & 1) == 0; });
      tracker_.flush_matching(filter);
    } else {
      advance(Duration::milliseconds(700));
      tracker_.expire(clock_.now(), static_cast<unsigned>(rng.below(50)));
    }
    if (step % 50 == 0) compare(model);
    // Exact where nothing dead waits for the sweep.
    for (std::uint16_t zone = 0; zone < 4; ++zone) {
      const auto dead = std::count_if(model.all.begin(), model.all.end(), [&](const auto& row) {
        return std::get<0>(row.first) == zone && Model::dead(row.second, clock_.now().ns);
      });
      if (dead != 0) continue;
      EXPECT_EQ(tracker_.connections_in_zone(zone), model.in_zone(zone)) << "step " << step;
    }
    if (HasFatalFailure() || HasNonfatalFailure()) return;
  }
  // Everything swept: nothing is left over anywhere.
  advance(Duration::milliseconds(700));
  expire();
  advance(Duration::milliseconds(45 * 700));
  expire();
  std::erase_if(model.all, [&](const auto& row) { return Model::dead(row.second, clock_.now().ns); });
  compare(model);
  EXPECT_EQ(tracker_.connections(), model.all.size());
  for (std::uint16_t zone = 0; zone < 4; ++zone)
    EXPECT_EQ(tracker_.connections_in_zone(zone), model.in_zone(zone));
  const TrackerCounters counters = tracker_.counters();
  EXPECT_EQ(counters.created - counters.destroyed, model.all.size());
  EXPECT_EQ(tracker_.census().live, model.all.size());
  EXPECT_EQ(tracker_.census().indexed, model.all.size());
}

INSTANTIATE_TEST_SUITE_P(Seeds, ModelTest, ::testing::Range<std::uint64_t>(1, 11));

}  // namespace
}  // namespace sluice::conntrack
