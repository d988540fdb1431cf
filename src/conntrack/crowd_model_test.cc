// Random packets and commands against a naive tracker, with all that makes connections depend on each other:
// NAT, what helpers expect, limits of zones and of the table, and connections that go early to make room. The
// model is a list, looked through from end to end. Where the tracker may choose (the tuple of a pool, who
// makes way) the model knows all choices that there were and holds the tracker's against them.
//
// After every step the whole table is what the list says; every connection is found from both sides; no two
// of a zone have a tuple in common; the counts of zones agree and respect the limits; the index names what
// lives and nothing else; and what is expected is what was announced.
#include <algorithm>
#include <array>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <tuple>
#include <vector>

#include "base/rng.h"
#include "conntrack/nat/nat_fixture.h"
#include "net/protocol.h"

namespace sluice::conntrack {
namespace {

using namespace sluice::testing;

constexpr unsigned kZones = 3;

struct Ends {
  unsigned src, dst;  ///< host numbers
  std::uint16_t sport, dport;
  auto operator<=>(const Ends&) const = default;
  Ends reversed() const { return {dst, src, dport, sport}; }
};

/// What a packet is looked up by.
struct Key {
  std::uint16_t zone;
  bool ipv6, tcp;
  Ends ends;
  auto operator<=>(const Key&) const = default;
};

enum class Progress : std::uint8_t { Opened, Answered, Established };  // of UDP the first two

struct ModelConnection {
  Key key;  ///< of the opener's packets
  Ends reply;
  NatRange::Kind kind = NatRange::Kind::None;  ///< None if not translated
  std::uint32_t mark = 0;
  std::int64_t seen_ns = 0;
  std::uint64_t id = 0;
  Progress progress = Progress::Opened;
  bool controls = false;       ///< has the FTP helper
  std::optional<Ends> parent;  ///< of what an FTP connection announced
  std::uint64_t packets[2] = {1, 0};
  std::uint32_t next_seq = 0;  ///< of the opener; the other end stays where it is

  std::int64_t timeout_s() const {
    if (!key.tcp) return progress == Progress::Opened ? 60 : 30;
    return progress == Progress::Established ? 86'400 : 30;
  }
  bool is_dead(std::int64_t now) const { return now - seen_ns >= timeout_s() * 1'000'000'000; }
  bool is_assured() const { return progress == (key.tcp ? Progress::Established : Progress::Answered); }
};

struct ModelExpectation {
  std::uint16_t zone;
  unsigned src, dst;
  std::uint16_t dport;
  std::uint64_t parent;  ///< its id
  std::uint32_t mark;
  std::int64_t expires_ns;
  auto operator<=>(const ModelExpectation&) const = default;
};

class CrowdModelTest : public NatFixture, public ::testing::WithParamInterface<std::uint64_t> {
 protected:
  static constexpr unsigned kNatHost = 100;  ///< the first address of ranges
  static constexpr std::uint32_t kExpectationsOfZone = 12;

  CrowdModelTest()
      : NatFixture(
            {.max_connections = 1000,
             .hash_secret = 7,
             .expectations = {.per_zone = kExpectationsOfZone, .families = 100, .ftp_controls = 100}}) {}

  // Packets, and tuples as the model has them.

  static be128 address(unsigned host, bool ipv6) {
    return ipv6 ? be128{be64{0xfd00000000000000}, be64{host}} : net::v4_mapped(be32{0x0a000000 + host});
  }
  static Layers over_ip(const Key& key, const Layers& rest) {
    const be128 src = address(key.ends.src, key.ipv6), dst = address(key.ends.dst, key.ipv6);
    if (key.ipv6) return Ip6{.src = src, .dst = dst} / rest;
    return Ip4{.src = net::v4_of(src), .dst = net::v4_of(dst)} / rest;
  }
  static Layers packet_of(const Key& key) {
    const auto [src, dst, sport, dport] = key.ends;
    if (key.tcp) return over_ip(key, Tcp{.sport = sport, .dport = dport, .flags = "S", .seq = 100});
    return over_ip(key, Udp{.sport = sport, .dport = dport});
  }
  static Ends ends_of(const Tuple& t) {
    const auto host = [](const be128& a) { return static_cast<unsigned>(a.lo.host() & 0xff); };
    return {host(t.src), host(t.dst), t.src_port.host(), t.dst_port.host()};
  }
  static Key key_of(const ConnectionSnapshot& c, const Tuple& t) {
    return {c.zone, t.is_ipv6, t.proto == net::ip_proto::kTcp, ends_of(t)};
  }
  std::int64_t now() const { return clock_.now().ns; }

  ModelConnection* find(const Key& key, bool& reply) {
    for (ModelConnection& c : all_) {
      if (c.key.zone != key.zone || c.key.ipv6 != key.ipv6 || c.key.tcp != key.tcp) continue;
      reply = c.key.ends != key.ends;
      if (!reply || c.reply == key.ends) return &c;
    }
    return nullptr;
  }
  bool is_taken(Key key, const Ends& ends) {
    bool reply;
    key.ends = ends;
    return find(key, reply) != nullptr;
  }
  void erase(std::uint64_t id) {
    std::erase_if(expected_, [&](const ModelExpectation& e) { return e.parent == id; });
    std::erase_if(all_, [&](const ModelConnection& c) { return c.id == id; });
  }
  template <typename Predicate>
  void erase_all(Predicate&& predicate) {
    std::vector<std::uint64_t> ids;
    for (const ModelConnection& c : all_)
      if (predicate(c)) ids.push_back(c.id);
    for (const std::uint64_t id : ids) erase(id);
  }

  /// All reply tuples that the range allows for the packet; of the ports of a class only some.
  static std::vector<Ends> choices(const Ends& packet, const NatRange& range) {
    std::vector<Ends> result;
    const bool source = range.kind == NatRange::Kind::Source;
    const Ends plain = packet.reversed();
    const unsigned own = source ? plain.dst : plain.src;
    const unsigned first = range.has_address ? kNatHost : own,
                   last = range.has_address ? static_cast<unsigned>(range.max_address.lo.host() & 0xff) : own;
    const std::uint16_t own_port = source ? plain.dport : plain.sport;
    const unsigned first_port = range.has_ports ? range.min_port
                                : source        ? 1
                                                : own_port,
                   last_port = range.has_ports ? range.max_port
                               : source        ? 511
                                               : own_port;
    for (unsigned host = first; host <= last; ++host)
      for (unsigned port = first_port; port <= last_port; ++port) {
        Ends e = plain;
        (source ? e.dst : e.src) = host;
        (source ? e.dport : e.sport) = static_cast<std::uint16_t>(port);
        result.push_back(e);
      }
    return result;
  }

  // The tracker's table: read before and after what may make a connection.

  void read_table() {
    table_.clear();
    for (const ConnectionSnapshot& c : connections()) table_.emplace(c.id, c);
  }
  std::uint32_t limit_of(std::uint16_t zone) const {
    return tracker_.zone_limit(zone).value_or(
        tracker_.default_zone_limit() != 0 ? tracker_.default_zone_limit() : ~0u);
  }
  struct Room {
    bool zone_full, table_full;
    std::uint64_t dropped_early;
  };
  Room room(std::uint16_t zone) const {
    return {tracker_.connections_in_zone(zone) >= limit_of(zone),
            tracker_.connections() >= tracker_.max_connections(), tracker_.counters().dropped_early};
  }
  /// Who went early to make room, if anybody did, was one that may go, and there was no other room.
  void account_for_early_drop(const Room& before, std::uint16_t zone) {
    read_table();
    const std::uint64_t dropped = tracker_.counters().dropped_early - before.dropped_early;
    std::vector<const ModelConnection*> gone;
    for (const ModelConnection& c : all_)
      if (!table_.contains(c.id)) gone.push_back(&c);
    ASSERT_EQ(gone.size(), dropped);
    if (gone.empty()) return;
    ASSERT_EQ(dropped, 1u);
    EXPECT_TRUE(before.zone_full || before.table_full);
    EXPECT_FALSE(gone[0]->is_assured());
    EXPECT_TRUE(!before.zone_full || gone[0]->key.zone == zone);
    ++early_drops_;
    erase(gone[0]->id);
  }
  /// The connection that the table has and the list has not.
  const ConnectionSnapshot* find_new() const {
    std::set<std::uint64_t> known;
    for (const ModelConnection& c : all_) known.insert(c.id);
    const ConnectionSnapshot* found = nullptr;
    for (const auto& [id, c] : table_)
      if (!known.contains(id)) found = &c;
    return found;
  }

  // Steps.

  void step_udp(Rng& rng) {
    Key key{static_cast<std::uint16_t>(rng.below(kZones)), rng.chance(40), false, {}};
    const auto host = [&] {
      return static_cast<unsigned>(rng.chance(25) ? kNatHost + rng.below(2) : 1 + rng.below(3));
    };
    const auto port = [&] { return static_cast<std::uint16_t>(1 + rng.below(3)); };
    key.ends = {host(), host(), port(), port()};
    if (key.ends.src == key.ends.dst) ++key.ends.dst;
    if (rng.chance(40) && !all_.empty()) {  // something that there is, mostly in its reply direction
      const ModelConnection& c = all_[rng.below(all_.size())];
      if (!c.key.tcp) {
        key = c.key;
        if (rng.chance(80)) key.ends = c.reply;
      }
    }
    CtRequest request{.zone = key.zone};
    request.nat = rng.chance(70);
    request.commit = rng.chance(60);
    request.force = request.commit && rng.chance(10);
    if (request.commit && rng.chance(50)) {
      request.mark = static_cast<std::uint32_t>(rng.below(8));
      request.mark_mask = static_cast<std::uint32_t>(rng.below(8));
    }
    if (request.nat && request.commit && rng.chance(80)) request.nat_range = random_range(rng, key.ipv6);

    const Room before = room(key.zone);
    packet::Packet* p = make_packet(pool_, packet_of(key));
    const std::string state = track(p, request);
    const Frame frame(p->bytes().begin(), p->bytes().end());
    pool_.give(p);
    ASSERT_TRUE(checksums_ok(frame));
    const auto leaves_as = [&](const Ends& ends) {
      return mismatch(packet_of({key.zone, key.ipv6, false, ends}), frame);
    };

    bool reply = false;
    ModelConnection* known = find(key, reply);
    if (known != nullptr && reply && request.force) {
      erase(known->id);
      known = nullptr;
    }
    if (known != nullptr) {
      if (reply) known->progress = Progress::Answered;
      touch(*known, reply);
      if (request.commit)
        known->mark = (known->mark & ~request.mark_mask) | (request.mark & request.mark_mask);
      std::string expected = known->progress == Progress::Opened ? "+new+trk"
                             : reply                             ? "+est+rpl+trk"
                                                                 : "+est+trk";
      Ends leaves = key.ends;
      if (request.nat && known->kind != NatRange::Kind::None) {
        expected += (known->kind == NatRange::Kind::Source) != reply ? "+snat" : "+dnat";
        leaves = (reply ? known->key.ends : known->reply).reversed();
      }
      EXPECT_EQ(state, expected);
      EXPECT_EQ(leaves_as(leaves), "");
      return read_table();
    }
    if (!request.commit) {
      EXPECT_EQ(state, "+new+trk");
      EXPECT_EQ(leaves_as(key.ends), "");
      return read_table();
    }
    const bool wants = request.nat_range.kind != NatRange::Kind::None;
    const Ends plain = key.ends.reversed();
    const auto allowed = wants ? choices(key.ends, request.nat_range) : std::vector<Ends>{plain};
    // A packet from an endpoint to itself is its own reply; with NAT that is never chosen.
    const bool possible = std::any_of(allowed.begin(), allowed.end(), [&](const Ends& e) {
      return (e != key.ends || !wants) && !is_taken(key, e);
    });
    // Destination NAT may move the client's port, of which there are more than this model has packets.
    const bool moves = request.nat_range.kind == NatRange::Kind::Destination;
    account_for_early_drop(before, key.zone);
    if (state == "dropped") {
      EXPECT_TRUE(before.zone_full || before.table_full || !(possible || moves));
      ++refused_;
      return;
    }
    // Whoever made way may have had the tuple: then what was not possible is.
    ASSERT_TRUE(possible || moves || before.zone_full || before.table_full);
    const ConnectionSnapshot* made = find_new();
    ASSERT_NE(made, nullptr);
    ASSERT_EQ(key_of(*made, made->original), key);
    const Ends chosen = ends_of(made->reply);
    EXPECT_FALSE(is_taken(key, chosen));
    Ends asked = chosen;
    if (moves && !possible) asked.dport = plain.dport;
    EXPECT_NE(std::find(allowed.begin(), allowed.end(), asked), allowed.end());
    EXPECT_EQ(leaves_as(chosen.reversed()), "");
    const auto kind = chosen == plain ? NatRange::Kind::None : request.nat_range.kind;
    EXPECT_EQ(state, kind == NatRange::Kind::None     ? "+new+trk"
                     : kind == NatRange::Kind::Source ? "+new+trk+snat"
                                                      : "+new+trk+dnat");
    all_.push_back({.key = key,
                    .reply = chosen,
                    .kind = kind,
                    .mark = request.mark & request.mark_mask,
                    .seen_ns = now(),
                    .id = made->id});
  }

  static NatRange random_range(Rng& rng, bool ipv6) {
    NatRange range{.kind = rng.chance(50) ? NatRange::Kind::Source : NatRange::Kind::Destination,
                   .has_address = rng.chance(80),
                   .is_ipv6 = ipv6};
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
    return range;
  }
  void touch(ModelConnection& c, bool reply) {
    c.seen_ns = now();
    ++c.packets[reply ? 1 : 0];
  }

  /// An FTP client connects; or somebody to a port that a helper may expect somebody at.
  void step_syn(Rng& rng) {
    Key key{static_cast<std::uint16_t>(rng.below(kZones)), false, true, {}};
    const auto host = [&] { return static_cast<unsigned>(1 + rng.below(3)); };
    const bool controls = rng.chance(50);
    key.ends = {host(), host(), static_cast<std::uint16_t>(1 + rng.below(3)),
                static_cast<std::uint16_t>(controls ? 21 : 50'001 + rng.below(10))};
    if (!controls && !expected_.empty() && rng.chance(75)) {
      const ModelExpectation& e = expected_[rng.below(expected_.size())];
      key.zone = e.zone;
      key.ends = {e.src, e.dst, key.ends.sport, e.dport};
    }
    if (key.ends.src == key.ends.dst || is_taken(key, key.ends)) return read_table();
    const auto e = std::find_if(expected_.begin(), expected_.end(), [&](const ModelExpectation& x) {
      return x.zone == key.zone && x.src == key.ends.src && x.dst == key.ends.dst &&
             x.dport == key.ends.dport && x.expires_ns > now();
    });
    const bool related = e != expected_.end();
    CtRequest request{.commit = controls || rng.chance(70), .zone = key.zone};
    if (controls) {
      request.helper = Helper::Ftp;
      request.mark = static_cast<std::uint32_t>(rng.below(8));
      request.mark_mask = ~0u;
    }
    const Room before = room(key.zone);
    const std::string state = track(packet_of(key), request);
    if (state != "dropped") {
      EXPECT_EQ(state, related ? "+new+rel+trk" : "+new+trk");
      EXPECT_EQ(meta().mark, related ? e->mark : request.commit ? request.mark : 0u);
    }
    if (!request.commit) return read_table();
    std::optional<ModelExpectation> taken;
    if (related && state != "dropped") {
      taken = *e;
      expected_.erase(e);
      ++children_;
    }
    std::optional<Ends> parent;
    if (taken)
      parent = std::find_if(all_.begin(), all_.end(), [&](const auto& c) {
                 return c.id == taken->parent;
               })->key.ends;
    account_for_early_drop(before, key.zone);
    if (state == "dropped") {
      EXPECT_TRUE(before.zone_full || before.table_full);
      ++refused_;
      return;
    }
    const ConnectionSnapshot* made = find_new();
    ASSERT_NE(made, nullptr);
    ASSERT_EQ(key_of(*made, made->original), key);
    all_.push_back({.key = key,
                    .reply = key.ends.reversed(),
                    .mark = taken ? taken->mark : request.mark,
                    .seen_ns = now(),
                    .id = made->id,
                    .controls = controls,
                    .parent = parent,
                    .next_seq = 101});
  }

  /// A TCP connection goes on: the server answers, the client acknowledges, data, or what a client of FTP
  /// announces.
  void step_tcp(Rng& rng) {
    std::vector<ModelConnection*> candidates;
    for (ModelConnection& c : all_)
      if (c.key.tcp) candidates.push_back(&c);
    if (!candidates.empty()) {
      ModelConnection& c = *candidates[rng.below(candidates.size())];
      if (c.progress == Progress::Opened) {
        send(c, true, "SA", 500, 101);
        c.progress = Progress::Answered;
      } else if (c.progress == Progress::Answered) {
        send(c, false, "A", 101, 501);
        c.progress = Progress::Established;
      } else if (c.controls) {
        announce(c, static_cast<std::uint16_t>(50'001 + rng.below(10)));
      } else {
        send(c, rng.chance(50), "A", 0, 0);
      }
    }
    read_table();
  }
  /// A segment of a connection; the numbers of one without flags but A are those that are next.
  void send(ModelConnection& c, bool reply, const char* flags, std::uint32_t seq, std::uint32_t ack,
            const std::string& text = {}) {
    Key key = c.key;
    if (reply) key.ends = c.reply;
    if (seq == 0) seq = reply ? 501 : c.next_seq;
    if (ack == 0) ack = reply ? c.next_seq : 501;
    const Tcp tcp{.sport = key.ends.sport,
                  .dport = key.ends.dport,
                  .flags = flags,
                  .seq = seq,
                  .ack = ack,
                  .window = 60'000};
    const Layers segment = text.empty() ? Layers(tcp) : tcp / Payload{text};
    EXPECT_EQ(track(over_ip(key, segment), {.zone = key.zone}),
              std::string("+est") + (c.parent ? "+rel" : "") + (reply ? "+rpl" : "") + "+trk");
    EXPECT_EQ(meta().mark, c.mark);
    touch(c, reply);
  }
  void announce(ModelConnection& c, std::uint16_t port) {
    const std::string text = "PORT 10,0,0," + std::to_string(c.key.ends.src) + "," +
                             std::to_string(port >> 8) + "," + std::to_string(port & 0xff) + "\r\n";
    const std::uint64_t refused = tracker_.counters().expectations_refused;
    send(c, false, "PA", 0, 0, text);
    c.next_seq += static_cast<std::uint32_t>(text.size());
    send(c, true, "A", 0, 0);
    const ModelExpectation e{c.key.zone,
                             c.key.ends.dst,
                             c.key.ends.src,
                             port,
                             c.id,
                             c.mark,
                             now() + Duration::seconds(limits::kExpectationSeconds).ns};
    const auto same = [&](const ModelExpectation& x) {
      return x.zone == e.zone && x.src == e.src && x.dst == e.dst && x.dport == e.dport;
    };
    std::erase_if(expected_, same);
    const auto is_own = [&](const ModelExpectation& x) { return x.parent == c.id; };
    if (std::count_if(expected_.begin(), expected_.end(), is_own) >=
        static_cast<std::ptrdiff_t>(limits::kExpectationsPerParent))
      expected_.erase(std::find_if(expected_.begin(), expected_.end(), is_own));  // in the order of time
    if (tracker_.counters().expectations_refused != refused) {
      EXPECT_GE(tracker_.helper_census().expectations, kExpectationsOfZone);
      ++refused_expectations_;
      return;
    }
    expected_.push_back(e);
  }

  void step_command(Rng& rng) {
    const auto zone = static_cast<std::uint16_t>(rng.below(kZones));
    switch (rng.below(8)) {
      case 0:
        tracker_.flush(zone);
        erase_all([&](const ModelConnection& c) { return c.key.zone == zone; });
        ghosts_[zone] = 0;
        EXPECT_EQ(tracker_.connections_in_zone(zone), 0u);
        break;
      case 1: {
        Filter filter;
        filter.zone = zone;
        filter.mark = static_cast<std::uint32_t>(rng.below(8));
        filter.mark_mask = 7;
        const std::size_t before = all_.size();
        erase_all(
            [&](const ModelConnection& c) { return c.key.zone == zone && (c.mark & 7) == filter.mark; });
        const std::uint64_t flushed = tracker_.flush_matching(filter);
        EXPECT_GE(flushed, before - all_.size());
        EXPECT_LE(flushed, before - all_.size() + ghosts_[zone]);
        break;
      }
      case 2:
      case 3:
        tracker_.expire(clock_.now(), static_cast<unsigned>(rng.below(50)));
        break;
      case 4:
        sweep();
        break;
      default:
        if (limits_) change_limit(rng, zone);
    }
    read_table();
  }
  void change_limit(Rng& rng, std::uint16_t zone) {
    if (rng.chance(30)) tracker_.set_max_connections(static_cast<std::uint32_t>(15 + rng.below(30)));
    if (rng.chance(30))
      tracker_.set_default_zone_limit(rng.chance(50) ? 0 : 8 + static_cast<std::uint32_t>(rng.below(10)));
    if (rng.chance(50))
      tracker_.set_zone_limit(
          zone, rng.chance(50) ? std::optional<std::uint32_t>{} : static_cast<std::uint32_t>(rng.below(12)));
  }
  void sweep() {
    tracker_.set_sweep_interval(tracker_.sweep_interval());  // all are visited
    expire();
    ghosts_.fill(0);
  }

  /// What is over is absent, but may keep its place in the counts until it is swept.
  void bury() {
    for (const ModelConnection& c : all_) ghosts_[c.key.zone] += c.is_dead(now());
    erase_all([&](const ModelConnection& c) { return c.is_dead(now()); });
    std::erase_if(expected_, [&](const ModelExpectation& e) { return e.expires_ns <= now(); });
  }

  // What has to hold after each step.

  void check() {
    ASSERT_EQ(table_.size(), all_.size());
    std::vector<Key> tuples;
    for (const ModelConnection& m : all_) {
      const auto row = table_.find(m.id);
      ASSERT_NE(row, table_.end());
      const ConnectionSnapshot& c = row->second;
      SCOPED_TRACE(format_connection(c));
      ASSERT_EQ(key_of(c, c.original), m.key);
      EXPECT_EQ(ends_of(c.reply), m.reply);
      EXPECT_EQ(c.mark, m.mark);
      EXPECT_EQ(c.packets[0], m.packets[0]);
      EXPECT_EQ(c.packets[1], m.packets[1]);
      EXPECT_EQ(c.seen_reply, m.progress != Progress::Opened);
      EXPECT_EQ(c.assured, m.is_assured());
      EXPECT_EQ(c.helper != 0, m.controls);
      EXPECT_EQ(c.parent.has_value(), m.parent.has_value());
      EXPECT_TRUE(!c.parent || ends_of(*c.parent) == m.parent);
      Key back = m.key;
      back.ends = m.reply;
      for (const Key& key : {m.key, back}) {
        packet::Packet* p = make_packet(pool_, packet_of(key));
        const PeekResult peeked = tracker_.peek(*p, key.zone, clock_.now());
        pool_.give(p);
        ASSERT_TRUE(peeked.connection);
        EXPECT_EQ(peeked.connection->id, m.id);
        tuples.push_back(key);
      }
      if (back == m.key) tuples.pop_back();  // an endpoint that talks to itself has one tuple
    }
    std::sort(tuples.begin(), tuples.end());
    EXPECT_EQ(std::adjacent_find(tuples.begin(), tuples.end()), tuples.end()) << "two have a tuple in common";
    check_counts();
    check_expectations();
  }
  void check_counts() {
    std::array<std::uint32_t, kZones> alive{};
    for (const ModelConnection& c : all_) ++alive[c.key.zone];
    std::uint32_t total = 0;
    for (std::uint16_t zone = 0; zone < kZones; ++zone) {
      const std::uint32_t counted = tracker_.connections_in_zone(zone);
      EXPECT_GE(counted, alive[zone]);
      EXPECT_LE(counted, alive[zone] + ghosts_[zone]);
      EXPECT_LE(counted, std::max(limit_of(zone), counted_[zone])) << "more than the limit of zone " << zone;
      counted_[zone] = counted;
      total += counted;
    }
    EXPECT_EQ(tracker_.connections(), total);
    EXPECT_LE(total, std::max(tracker_.max_connections(), total_));
    total_ = total;
    const TrackerCounters counters = tracker_.counters();
    EXPECT_EQ(counters.created - counters.destroyed, total);
    const Tracker::Census census = tracker_.census();
    EXPECT_EQ(census.indexed, census.live + census.translated) << "the index leaks";
    EXPECT_GE(census.live, total);
  }
  void check_expectations() {
    std::vector<ExpectationSnapshot> dumped;
    for (std::uint64_t cursor = 0; cursor != Tracker::kDumpDone;)
      cursor = tracker_.dump_expectations(cursor, 5, clock_.now(), dumped);
    using Row = std::tuple<std::uint16_t, Ends, std::uint32_t>;
    std::vector<Row> have, want;
    for (const ExpectationSnapshot& e : dumped) have.emplace_back(e.zone, ends_of(e.expected), e.mark);
    for (const ModelExpectation& e : expected_)
      want.emplace_back(e.zone, Ends{e.src, e.dst, 0, e.dport}, e.mark);
    std::sort(have.begin(), have.end());
    std::sort(want.begin(), want.end());
    EXPECT_EQ(have, want);
  }

  bool limits_ = false;
  std::vector<ModelConnection> all_;        ///< those that are not over
  std::vector<ModelExpectation> expected_;  ///< in the order in which they were announced
  std::map<std::uint64_t, ConnectionSnapshot> table_;
  std::array<std::uint32_t, kZones> ghosts_{};  ///< over, perhaps still counted
  std::array<std::uint32_t, kZones> counted_{};
  std::uint32_t total_ = 0;
  unsigned early_drops_ = 0, refused_ = 0, children_ = 0, refused_expectations_ = 0;
};

TEST_P(CrowdModelTest, AgreesWithAList) {
  Rng rng(GetParam());
  limits_ = GetParam() % 3 != 0;  // without, a pool that is used up is the only reason to refuse
  for (unsigned n = 0; n < 1500; ++n) {
    SCOPED_TRACE(n);
    // Steps of 700 ms: no packet ever comes within 100 ms of a deadline (30, 60, 300 s).
    if (rng.chance(20)) advance(Duration::milliseconds(700) * static_cast<std::int64_t>(rng.below(20)));
    bury();
    const auto what = static_cast<unsigned>(rng.below(100));
    if (what < 50)
      step_udp(rng);
    else if (what < 65)
      step_syn(rng);
    else if (what < 90)
      step_tcp(rng);
    else
      step_command(rng);
    if (!HasFatalFailure()) check();
    if (HasFatalFailure() || HasNonfatalFailure()) return;
  }
  EXPECT_GT(children_, 5u);
  if (limits_) {
    EXPECT_GT(early_drops_, 0u);
    EXPECT_GT(refused_, 0u);
  }
  // All of it goes, and leaves nothing behind.
  for (std::uint16_t zone = 0; zone < kZones; ++zone) tracker_.flush(zone);
  sweep();
  EXPECT_EQ(tracker_.connections(), 0u);
  const Tracker::Census census = tracker_.census();
  EXPECT_EQ(census.live, 0u);
  EXPECT_EQ(census.indexed, 0u);
  EXPECT_EQ(census.port_chunks, 0u);
  EXPECT_EQ(census.lane_members, 0u);
  EXPECT_EQ(tracker_.helper_census().families, 0u);
  EXPECT_EQ(tracker_.helper_census().expectations, 0u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, CrowdModelTest, ::testing::Range<std::uint64_t>(1, 13));

}  // namespace
}  // namespace sluice::conntrack
