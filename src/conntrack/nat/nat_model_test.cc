// Random packets, with and without NAT, against a naive tracker: a list of connections, looked through from
// end to end. The tracker chooses reply tuples; the model checks each choice: within what was asked, and no
// other connection's. It knows all choices that there were, so that a packet may be dropped only if there was
// none.
#include <algorithm>
#include <vector>

#include "base/rng.h"
#include "conntrack/nat/nat_fixture.h"

namespace sluice::conntrack {
namespace {

using namespace sluice::testing;

struct Ends {
  unsigned src, dst;  ///< host numbers
  std::uint16_t sport, dport;
  bool operator==(const Ends&) const = default;
  Ends reversed() const { return {dst, src, dport, sport}; }
};

struct ModelConnection {
  std::uint16_t zone;
  bool ipv6;
  Ends original, reply;
  NatRange::Kind kind;  ///< None if not translated
  bool answered;
  std::int64_t seen_ns;

  bool dead(std::int64_t now) const { return now - seen_ns >= (answered ? 30 : 60) * 1'000'000'000ll; }
};

class NatModelTest : public NatFixture, public ::testing::WithParamInterface<std::uint64_t> {
 protected:
  static constexpr unsigned kNatHost = 100;  ///< the first address of ranges

  static be128 address(unsigned host, bool ipv6) {
    return ipv6 ? be128{be64{0xfd00000000000000}, be64{host}} : net::v4_mapped(be32{0x0a000000 + host});
  }
  static Layers packet_of(const Ends& e, bool ipv6) {
    const Udp udp{.sport = e.sport, .dport = e.dport};
    if (ipv6) return Ip6{.src = address(e.src, true), .dst = address(e.dst, true)} / udp;
    return Ip4{.src = net::v4_of(address(e.src, false)), .dst = net::v4_of(address(e.dst, false))} / udp;
  }
  static Ends ends_of(const Tuple& t) {
    const auto host = [](const be128& a) { return static_cast<unsigned>(a.lo.host() & 0xff); };
    return {host(t.src), host(t.dst), t.src_port.host(), t.dst_port.host()};
  }

  ModelConnection* find(std::uint16_t zone, bool ipv6, const Ends& ends, bool& reply) {
    for (ModelConnection& c : all_) {
      if (c.zone != zone || c.ipv6 != ipv6 || c.dead(now())) continue;
      reply = c.original != ends;
      if (!reply || c.reply == ends) return &c;
    }
    return nullptr;
  }
  bool is_taken(std::uint16_t zone, bool ipv6, const Ends& ends) {
    bool reply;
    return find(zone, ipv6, ends, reply) != nullptr;
  }
  std::int64_t now() const { return clock_.now().ns; }

  /// All reply tuples that the range allows for the packet; for ports of a whole class only some.
  std::vector<Ends> choices(const Ends& packet, const NatRange& range) const {
    std::vector<Ends> result;
    const bool source = range.kind == NatRange::Kind::Source;
    const Ends plain = packet.reversed();
    const unsigned own = source ? plain.dst : plain.src;
    const unsigned first = range.has_address ? kNatHost : own,
                   last = range.has_address ? last_host(range) : own;
    const std::uint16_t own_port = source ? plain.dport : plain.sport;
    const bool named = range.has_ports;
    for (unsigned host = first; host <= last; ++host)
      for (unsigned port = named    ? range.min_port
                           : source ? 1
                                    : own_port;
           port <= (named    ? range.max_port
                    : source ? 511
                             : own_port);
           ++port) {
        Ends e = plain;
        (source ? e.dst : e.src) = host;
        (source ? e.dport : e.sport) = static_cast<std::uint16_t>(port);
        result.push_back(e);
      }
    return result;
  }
  static unsigned last_host(const NatRange& range) {
    return static_cast<unsigned>(range.max_address.lo.host() & 0xff);
  }

  void compare() {
    std::erase_if(all_, [&](const ModelConnection& c) { return c.dead(now()); });
    const auto have = connections();
    ASSERT_EQ(have.size(), all_.size());
    std::vector<std::tuple<std::uint16_t, bool, unsigned, unsigned, std::uint16_t, std::uint16_t>> tuples;
    for (const ConnectionSnapshot& c : have) {
      const Ends original = ends_of(c.original), reply = ends_of(c.reply);
      const auto it = std::find_if(all_.begin(), all_.end(), [&](const ModelConnection& m) {
        return m.zone == c.zone && m.ipv6 == c.original.is_ipv6 && m.original == original && m.reply == reply;
      });
      ASSERT_NE(it, all_.end()) << format_connection(c);
      for (const Ends& e : {original, reply})
        tuples.emplace_back(c.zone, c.original.is_ipv6, e.src, e.dst, e.sport, e.dport);
      if (original == reply) tuples.pop_back();  // an endpoint that talks to itself has one tuple
      // Both directions find it.
      for (const Ends& e : {original, reply}) {
        packet::Packet* p = make_packet(pool_, packet_of(e, it->ipv6));
        const PeekResult peeked = tracker_.peek(*p, c.zone, clock_.now());
        pool_.give(p);
        ASSERT_TRUE(peeked.connection);
        EXPECT_EQ(peeked.connection->id, c.id);
      }
    }
    std::sort(tuples.begin(), tuples.end());
    EXPECT_EQ(std::adjacent_find(tuples.begin(), tuples.end()), tuples.end()) << "two have a tuple in common";
  }

  /// One packet through both; returns false where they disagree.
  void step(Rng& rng, unsigned number) {
    const std::uint16_t zone = static_cast<std::uint16_t>(rng.below(2));
    const bool ipv6 = rng.chance(40);
    const auto host = [&] {
      return static_cast<unsigned>(rng.chance(25) ? kNatHost + rng.below(2) : 1 + rng.below(3));
    };
    const auto port = [&] { return static_cast<std::uint16_t>(1 + rng.below(3)); };
    Ends ends{host(), host(), port(), port()};
    if (ends.src == ends.dst) ++ends.dst;
    if (rng.chance(30) && !all_.empty()) {  // something that there is, in its reply direction
      const ModelConnection& c = all_[rng.below(all_.size())];
      if (c.zone == zone && c.ipv6 == ipv6) ends = c.reply;
    }
    CtRequest request{.zone = zone};
    request.nat = rng.chance(70);
    request.commit = rng.chance(60);
    request.force = request.commit && rng.chance(10);
    if (request.nat && request.commit && rng.chance(80)) {
      NatRange& range = request.nat_range;
      range.kind = rng.chance(50) ? NatRange::Kind::Source : NatRange::Kind::Destination;
      range.is_ipv6 = ipv6;
      range.has_address = rng.chance(80);
      if (range.has_address) {
        range.min_address = address(kNatHost, ipv6);
        range.max_address = address(kNatHost + static_cast<unsigned>(rng.below(2)), ipv6);
        range.has_ports = rng.chance(70);
        if (range.has_ports) {
          range.min_port = static_cast<std::uint16_t>(1 + rng.below(3));
          range.max_port = static_cast<std::uint16_t>(range.min_port + rng.below(3));
        }
      }
      range.random = rng.chance(20);
      range.hash = !range.random && rng.chance(20);
      range.persistent = rng.chance(20);
    }

    packet::Packet* p = make_packet(pool_, packet_of(ends, ipv6));
    const std::string state = track(p, request);
    const Frame frame(p->bytes().begin(), p->bytes().end());
    pool_.give(p);
    ASSERT_TRUE(checksums_ok(frame));

    bool reply = false;
    ModelConnection* known = find(zone, ipv6, ends, reply);
    if (known != nullptr && reply && request.force) {
      std::erase_if(all_, [&](const ModelConnection& c) { return &c == known; });
      known = nullptr;
    }
    if (known != nullptr) {
      known->answered = known->answered || reply;
      known->seen_ns = now();
      std::string expected = !known->answered ? "+new+trk" : reply ? "+est+rpl+trk" : "+est+trk";
      Ends leaves = ends;
      if (request.nat && known->kind != NatRange::Kind::None) {
        expected += (known->kind == NatRange::Kind::Source) != reply ? "+snat" : "+dnat";
        leaves = (reply ? known->original : known->reply).reversed();
      }
      EXPECT_EQ(state, expected) << number;
      EXPECT_EQ(mismatch(packet_of(leaves, ipv6), frame), "") << number;
      return;
    }
    if (!request.commit) {
      EXPECT_EQ(state, "+new+trk") << number;
      EXPECT_EQ(mismatch(packet_of(ends, ipv6), frame), "") << number;
      return;
    }
    const bool wants = request.nat_range.kind != NatRange::Kind::None;
    const Ends plain = ends.reversed();
    const auto allowed = wants ? choices(ends, request.nat_range) : std::vector<Ends>{plain};
    // A packet from an endpoint to itself is its own reply; with NAT that is never chosen.
    const bool possible = std::any_of(allowed.begin(), allowed.end(), [&](const Ends& e) {
      return (e != ends || !wants) && !is_taken(zone, ipv6, e);
    });
    // Destination NAT may move the client's port, of which there are more than this model has packets.
    const bool moves = request.nat_range.kind == NatRange::Kind::Destination;
    if (state == "dropped") {
      EXPECT_FALSE(possible || moves) << number;
      return;
    }
    ASSERT_TRUE(possible || moves) << number;
    // What it has become is what leaves.
    Ends chosen = plain;
    const auto became = connections();
    const auto made = std::max_element(became.begin(), became.end(),
                                       [](const auto& a, const auto& b) { return a.id < b.id; });
    ASSERT_NE(made, became.end());
    ASSERT_EQ(ends_of(made->original), ends);
    chosen = ends_of(made->reply);
    EXPECT_FALSE(is_taken(zone, ipv6, chosen)) << number;
    Ends asked = chosen;
    if (moves && !possible) asked.dport = plain.dport;
    EXPECT_NE(std::find(allowed.begin(), allowed.end(), asked), allowed.end()) << number;
    EXPECT_EQ(mismatch(packet_of(chosen.reversed(), ipv6), frame), "") << number;
    const auto kind = chosen == plain ? NatRange::Kind::None : request.nat_range.kind;
    EXPECT_EQ(state, kind == NatRange::Kind::None     ? "+new+trk"
                     : kind == NatRange::Kind::Source ? "+new+trk+snat"
                                                      : "+new+trk+dnat")
        << number;
    all_.push_back({zone, ipv6, ends, chosen, kind, false, now()});
  }

  std::vector<ModelConnection> all_;
};

TEST_P(NatModelTest, AgreesWithAList) {
  Rng rng(GetParam());
  for (unsigned n = 0; n < 1500; ++n) {
    if (rng.chance(20)) advance(Duration::milliseconds(700) * static_cast<std::int64_t>(rng.below(20)));
    const auto what = static_cast<unsigned>(rng.below(100));
    if (what < 94) {
      step(rng, n);
    } else if (what < 95) {
      const auto zone = static_cast<std::uint16_t>(rng.below(2));
      tracker_.flush(zone);
      std::erase_if(all_, [&](const ModelConnection& c) { return c.zone == zone; });
    } else {
      advance(Duration::milliseconds(700));
      tracker_.expire(clock_.now(), static_cast<unsigned>(rng.below(50)));
    }
    if (n % 25 == 0) compare();
    if (HasFatalFailure() || HasNonfatalFailure()) return;
  }
  compare();
  advance(Duration::milliseconds(100 * 700));
  expire();
  EXPECT_EQ(tracker_.connections(), 0u);
  expect_no_leak();
  EXPECT_EQ(tracker_.census().port_chunks, 0u);
  EXPECT_EQ(tracker_.census().lane_members, 0u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, NatModelTest, ::testing::Range<std::uint64_t>(1, 21));

}  // namespace
}  // namespace sluice::conntrack
