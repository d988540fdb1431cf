// Helpers through the tracker: who is expected, who becomes a child, what others see of it (nothing).
#include <algorithm>

#include "base/rng.h"
#include "conntrack/tracker_fixture.h"

namespace sluice::conntrack {
namespace {

using namespace sluice::testing;

class HelpersTest : public TrackerFixture {
 protected:
  HelpersTest() : TrackerFixture({.max_connections = 200, .hash_secret = 7}) {}

  /// One end's view of a control connection: numbers as TCP counts them.
  struct Control {
    bool ipv6 = false;
    std::uint16_t port = 40000;
    std::uint32_t client_seq = 1000, server_seq = 5000;
  };
  static Layers ip(const Control& c, bool from_client) {
    if (c.ipv6)
      return from_client ? Layers(Ip6{.src = "fd00::1", .dst = "fd00::2"})
                         : Layers(Ip6{.src = "fd00::2", .dst = "fd00::1"});
    return from_client ? Layers(Ip4{.src = "10.0.0.1", .dst = "10.0.0.2"})
                       : Layers(Ip4{.src = "10.0.0.2", .dst = "10.0.0.1"});
  }
  /// The control connection may use any port: the helper is chosen by alg.
  static constexpr std::uint16_t kControlPort = 2121;

  void open(Control& c, const CtRequest& request = {.commit = true, .helper = Helper::Ftp}) {
    EXPECT_EQ(
        track(ip(c, true) / Tcp{.sport = c.port, .dport = kControlPort, .flags = "S", .seq = c.client_seq},
              request),
        "+new+trk");
    const CtRequest look{.zone = request.zone};
    track(ip(c, false) / Tcp{.sport = kControlPort,
                             .dport = c.port,
                             .flags = "SA",
                             .seq = c.server_seq,
                             .ack = c.client_seq + 1},
          look);
    ++c.client_seq;
    ++c.server_seq;
    track(ip(c, true) / Tcp{.sport = c.port, .dport = kControlPort, .seq = c.client_seq, .ack = c.server_seq},
          look);
  }
  Layers client(const Control& c, const std::string& text, std::uint32_t offset = 0) {
    return ip(c, true) /
           Tcp{.sport = c.port,
               .dport = kControlPort,
               .flags = "PA",
               .seq = c.client_seq + offset,
               .ack = c.server_seq} /
           Payload{text};
  }
  Layers server(const Control& c, const std::string& text, std::uint32_t offset = 0) {
    return ip(c, false) /
           Tcp{.sport = kControlPort,
               .dport = c.port,
               .flags = "PA",
               .seq = c.server_seq + offset,
               .ack = c.client_seq} /
           Payload{text};
  }
  void say(Control& c, bool from_client, const std::string& text, std::uint16_t zone = 0) {
    EXPECT_EQ(track(from_client ? client(c, text) : server(c, text), {.zone = zone}),
              from_client ? "+est+trk" : "+est+rpl+trk");
    (from_client ? c.client_seq : c.server_seq) += static_cast<std::uint32_t>(text.size());
  }
  static Layers syn(const Control& c, bool from_client, std::uint16_t sport, std::uint16_t dport) {
    return ip(c, from_client) / Tcp{.sport = sport, .dport = dport, .flags = "S", .seq = 1};
  }
  static Layers syn_ack(const Control& c, bool from_client, std::uint16_t sport, std::uint16_t dport) {
    return ip(c, from_client) / Tcp{.sport = sport, .dport = dport, .flags = "SA", .seq = 70, .ack = 2};
  }

  std::vector<std::string> expectations() {
    std::vector<ExpectationSnapshot> all;
    for (std::uint64_t cursor = 0; cursor != Tracker::kDumpDone;)
      cursor = tracker_.dump_expectations(cursor, 2, clock_.now(), all);
    std::vector<std::string> lines;
    for (const auto& e : all) lines.push_back(format_expectation(e));
    std::sort(lines.begin(), lines.end());
    return lines;
  }
  using Lines = std::vector<std::string>;
  const CtRequest commit_{.commit = true};
};

struct Way {
  const char* name;
  bool ipv6, from_client;
  const char* text;
};
class HelpersFtpTest : public HelpersTest, public ::testing::WithParamInterface<Way> {};

TEST_P(HelpersFtpTest, DataConnectionIsRelatedAllItsLife) {
  const Way way = GetParam();
  Control c{.ipv6 = way.ipv6};
  open(c, {.commit = true,
           .helper = Helper::Ftp,
           .mark = 5,
           .mark_mask = ~0u,
           .label = {be64{1}, be64{2}},
           .label_mask = {be64{~0ull}, be64{~0ull}}});
  say(c, way.from_client, way.text);
  const char* const expected = way.ipv6          ? way.from_client
                                                       ? "tcp,orig=(src=fd00::2,dst=fd00::1,sport=0,dport=50000)"
                                                       : "tcp,orig=(src=fd00::1,dst=fd00::2,sport=0,dport=50000)"
                               : way.from_client ? "tcp,orig=(src=10.0.0.2,dst=10.0.0.1,sport=0,dport=50000)"
                                                 : "tcp,orig=(src=10.0.0.1,dst=10.0.0.2,sport=0,dport=50000)";
  const std::string parent = way.ipv6 ? "parent=(src=fd00::1,dst=fd00::2,sport=40000,dport=2121)"
                                      : "parent=(src=10.0.0.1,dst=10.0.0.2,sport=40000,dport=2121)";
  EXPECT_EQ(expectations(), Lines{std::string(expected) + ",mark=5,labels=0x10000000000000002," + parent});
  forget_counters();

  // Not committed: looked up as often as anybody likes.
  const bool opener = !way.from_client;  // who opens the data connection
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(track(syn(c, opener, 20, 50000)), "+new+rel+trk");
    EXPECT_EQ(meta().mark, 5u);
    EXPECT_EQ(meta().label, (be128{be64{1}, be64{2}}));
    EXPECT_EQ(meta().original.src_port, be16{40000});
    EXPECT_EQ(meta().original.dst_port, be16{2121});
  }
  expect_delta({{"lookups", 2}});
  EXPECT_EQ(track(syn(c, opener, 20, 50000), commit_), "+new+rel+trk");
  expect_delta({{"lookups", 1}, {"created", 1}, {"committed", 1}, {"related", 1}});
  EXPECT_EQ(expectations(), Lines{});

  EXPECT_EQ(track(syn_ack(c, !opener, 50000, 20)), "+est+rel+rpl+trk");
  EXPECT_EQ(meta().mark, 5u);
  EXPECT_EQ(meta().original.dst_port, be16{2121});
  // The mark is the child's own now.
  EXPECT_EQ(track(ip(c, opener) / Tcp{.sport = 20, .dport = 50000, .seq = 2, .ack = 71},
                  {.commit = true, .mark = 9, .mark_mask = ~0u}),
            "+est+rel+trk");
  EXPECT_EQ(track(ip(c, opener) / Tcp{.sport = 20, .dport = 50000, .seq = 2, .ack = 71}), "+est+rel+trk");
  EXPECT_EQ(meta().mark, 9u);
  EXPECT_EQ(meta().label, (be128{be64{1}, be64{2}}));
  say(c, true, "NOOP\r\n");
  EXPECT_EQ(meta().mark, 5u);

  // A second ct in the zone says the same.
  packet::Packet* twice = make(ip(c, opener) / Tcp{.sport = 20, .dport = 50000, .seq = 2, .ack = 71});
  track(twice);
  EXPECT_EQ(track(twice, commit_), "+est+rel+trk");
  EXPECT_EQ(meta().original.src_port, be16{40000});

  // An error about it is no packet of it.
  const Layers quoted = ip(c, opener) / Tcp{.sport = 20, .dport = 50000, .seq = 2, .ack = 71};
  EXPECT_EQ(track(way.ipv6 ? ip(c, !opener) / Icmp6{.type = 1, .code = 4} / quoted
                           : ip(c, !opener) / Icmp4{.type = 3, .code = 3} / quoted),
            "+rel+rpl+trk");
  EXPECT_EQ(meta().original.src_port, be16{40000});

  bool shown = false;
  for (const auto& connection : connections()) {
    const std::string line = format_connection(connection, {.verbose = true});
    EXPECT_EQ(line.find("," + parent) != std::string::npos, connection.original.src_port == be16{20}) << line;
    EXPECT_EQ(line.find(",helper=ftp") != std::string::npos, connection.original.src_port == be16{40000})
        << line;
    shown = shown || connection.parent;
  }
  EXPECT_TRUE(shown);

  // It outlives its parent, and remembers its tuple.
  Filter parent_only;
  parent_only.original.dst_port = be16{kControlPort};
  EXPECT_EQ(tracker_.flush_matching(parent_only), 1u);
  expire();
  EXPECT_EQ(track(ip(c, opener) / Tcp{.sport = 20, .dport = 50000, .seq = 2, .ack = 71}), "+est+rel+trk");
  EXPECT_EQ(meta().original.src_port, be16{40000});
}

INSTANTIATE_TEST_SUITE_P(Ways, HelpersFtpTest,
                         ::testing::Values(Way{"Port", false, true, "PORT 10,0,0,1,195,80\r\n"},
                                           Way{"Pasv", false, false,
                                               "227 Entering Passive Mode (10,0,0,2,195,80).\r\n"},
                                           Way{"PasvMultiLine", false, false,
                                               "227-Passive\r\n is good\r\n227 10,0,0,2,195,80\r\n"},
                                           Way{"Eprt4", false, true, "EPRT |1|10.0.0.1|50000|\r\n"},
                                           Way{"Epsv4", false, false, "229 Extended (|||50000|)\r\n"},
                                           Way{"Eprt6", true, true, "EPRT |2|fd00::1|50000|\r\n"},
                                           Way{"Epsv6", true, false, "229 Extended (|||50000|)\r\n"}),
                         [](const auto& row) { return row.param.name; });

TEST_F(HelpersTest, NobodyAnnouncesSomebodyElse) {
  Control c;
  open(c);
  say(c, true, "PORT 10,0,0,3,195,80\r\nEPRT |1|10.0.0.3|50000|\r\nEPRT |2|fd00::1|50000|\r\n");
  say(c, false, "227 (10,0,0,1,195,80)\r\n");
  EXPECT_EQ(expectations(), Lines{});
}

TEST_F(HelpersTest, WithoutHelperNothingIsExpected) {
  Control c;
  open(c, commit_);
  say(c, true, "PORT 10,0,0,1,195,80\r\n");
  track(Ip4{.src = "10.0.0.1", .dst = "10.0.0.2"} / Udp{.sport = 9, .dport = 21} /
            Payload{"PORT 10,0,0,1,195,80\r\n"},
        {.commit = true, .helper = Helper::Ftp});
  EXPECT_EQ(expectations(), Lines{});
  for (const auto& connection : connections()) EXPECT_EQ(connection.helper, 0);
}

TEST_F(HelpersTest, TheHelperIsThatOfTheFirstCommit) {
  Control c;
  open(c, commit_);
  track(client(c, ""), {.commit = true, .helper = Helper::Ftp});
  EXPECT_EQ(only_connection().helper, 0);
  // Without commit alg= means nothing.
  Control other{.port = 40001};
  track(ip(other, true) / Tcp{.sport = 40001, .dport = 21, .flags = "S"}, {.helper = Helper::Ftp});
  EXPECT_EQ(tracker_.connections(), 1u);
}

/// Every cut of a command over two segments, in order, repeated and the other way round.
TEST_F(HelpersTest, CutRepeatedAndReordered) {
  const std::string text = "PORT 10,0,0,1,195,80\r\n";
  for (unsigned order = 0; order < 3; ++order)
    for (std::size_t cut = 1; cut < text.size(); ++cut) {
      SCOPED_TRACE(std::to_string(order) + "/" + std::to_string(cut));
      Control c{.port = static_cast<std::uint16_t>(41000 + order * 100 + cut)};
      open(c);
      const Layers first = client(c, text.substr(0, cut));
      const Layers second = client(c, text.substr(cut), static_cast<std::uint32_t>(cut));
      if (order == 2) track(second);
      track(first);
      if (order == 1) track(first);
      if (order != 2) track(second);
      if (order == 1) track(client(c, text));
      EXPECT_EQ(expectations().size(), 1u);
      tracker_.flush(0);
      expire();
      EXPECT_EQ(expectations(), Lines{});
    }
}

TEST_F(HelpersTest, MidStreamPickUp) {
  Control c;
  EXPECT_EQ(track(client(c, "PORT 10,0,0,1,195,80\r\n"), {.commit = true, .helper = Helper::Ftp}),
            "+new+trk");
  EXPECT_EQ(expectations().size(), 1u);
}

TEST_F(HelpersTest, SeveralAtOnceAndEachOnce) {
  Control c;
  open(c);
  say(c, false, "229 (|||50000|)\r\n");
  say(c, false, "229 (|||50001|)\r\n");
  EXPECT_EQ(expectations().size(), 2u);
  EXPECT_EQ(track(syn(c, true, 3000, 50001), commit_), "+new+rel+trk");
  EXPECT_EQ(track(syn(c, true, 3001, 50001), commit_), "+new+trk");
  EXPECT_EQ(track(syn(c, true, 3002, 50000), commit_), "+new+rel+trk");
  EXPECT_EQ(expectations(), Lines{});
}

TEST_F(HelpersTest, OtherAddressesZonesAndProtocolsAreNotExpected) {
  Control c;
  open(c);
  say(c, false, "229 (|||50000|)\r\n");
  EXPECT_EQ(track(Ip4{.src = "10.0.0.3", .dst = "10.0.0.2"} / Tcp{.sport = 1, .dport = 50000, .flags = "S"}),
            "+new+trk");
  EXPECT_EQ(track(syn(c, false, 1, 50000)), "+new+trk");
  EXPECT_EQ(track(syn(c, true, 1, 50001)), "+new+trk");
  EXPECT_EQ(track(syn(c, true, 1, 50000), {.zone = 1}), "+new+trk");
  EXPECT_EQ(track(ip(c, true) / Udp{.sport = 1, .dport = 50000}), "+new+trk");
  EXPECT_EQ(track(syn(c, true, 1, 50000)), "+new+rel+trk");
}

TEST_F(HelpersTest, TimesOut) {
  Control c;
  open(c);
  say(c, false, "229 (|||50000|)\r\n");
  advance(Duration::seconds(limits::kExpectationSeconds) - Duration::milliseconds(1));
  EXPECT_EQ(track(syn(c, true, 1, 50000)), "+new+rel+trk");
  advance(Duration::milliseconds(1));
  EXPECT_EQ(track(syn(c, true, 1, 50000)), "+new+trk");
  EXPECT_EQ(expectations(), Lines{});
  // Announced again in good time it lives on.
  say(c, false, "229 (|||50000|)\r\n");
  advance(Duration::seconds(200));
  say(c, false, "229 (|||50000|)\r\n");
  advance(Duration::seconds(200));
  EXPECT_EQ(track(syn(c, true, 1, 50000)), "+new+rel+trk");
}

TEST_F(HelpersTest, EndsWithItsParent) {
  const auto expected = [&](const Control& c) { return track(syn(c, true, 1, 50000), {.zone = 3}); };
  const auto announce = [&](Control& c) {
    open(c, {.commit = true, .helper = Helper::Ftp, .zone = 3});
    say(c, false, "229 (|||50000|)\r\n", 3);
    EXPECT_EQ(expected(c), "+new+rel+trk");
  };
  Control flushed{.port = 1};
  announce(flushed);
  tracker_.flush(3);
  EXPECT_EQ(expected(flushed), "+new+trk");
  EXPECT_EQ(expectations(), Lines{});
  expire();

  Control filtered{.port = 2};
  announce(filtered);
  EXPECT_EQ(tracker_.flush_matching({.zone = 3}), 1u);
  EXPECT_EQ(expected(filtered), "+new+trk");

  Control replaced{.port = 3};
  announce(replaced);
  EXPECT_EQ(track(syn(replaced, false, kControlPort, 3), {.commit = true, .force = true, .zone = 3}),
            "+new+trk");
  EXPECT_EQ(expected(replaced), "+new+trk");
  tracker_.flush(3);

  Control idle{.port = 4};
  announce(idle);
  advance(Duration::seconds(86400 + 40));
  expire();
  EXPECT_EQ(expected(idle), "+new+trk");
  EXPECT_EQ(tracker_.connections(), 0u);
}

TEST_F(HelpersTest, BoundedPerParent) {
  Control c;
  open(c);
  forget_counters();
  for (unsigned i = 0; i < 100; ++i) say(c, false, "229 (|||" + std::to_string(50000 + i) + "|)\r\n");
  EXPECT_EQ(expectations().size(), limits::kExpectationsPerParent);
  EXPECT_EQ(track(syn(c, true, 1, 50099)), "+new+rel+trk");
  EXPECT_EQ(track(syn(c, true, 1, 50000)), "+new+trk");
  expect_delta({{"lookups", 102}, {"hits", 100}, {"expected", 100}});
}

/// A closed data connection's tuple is used again: expected again it is related again, else it is not.
TEST_F(HelpersTest, TupleUsedAgain) {
  Control c;
  open(c);
  const auto whole_life = [&](const std::string& state) {
    EXPECT_EQ(track(syn(c, false, 20, 50000), commit_), state);
    EXPECT_EQ(
        track(ip(c, true) / Tcp{.sport = 50000, .dport = 20, .flags = "RA", .seq = 0, .ack = 2}).substr(0, 4),
        "+est");
  };
  say(c, true, "PORT 10,0,0,1,195,80\r\n");
  whole_life("+new+rel+trk");
  say(c, true, "PORT 10,0,0,1,195,80\r\n");
  whole_life("+new+rel+trk");
  whole_life("+new+trk");
  EXPECT_EQ(tracker_.connections(), 2u);
}

TEST_F(HelpersTest, NothingOfItReachesOtherPacketsOfTheBatch) {
  Control c;
  open(c);
  packet::PacketBatch batch, dropped;
  batch.push(make(client(c, "PORT 10,0,0,1,195,80\r\n")));
  batch.push(make(Ip4{.src = "10.0.0.7", .dst = "10.0.0.2"} / Tcp{.sport = 5, .dport = 2121} /
                  Payload{"PORT 10,0,0,7,195,80\r\n"}));
  batch.push(make(syn(c, false, 20, 50000)));
  batch.push(
      make(Ip4{.src = "10.0.0.2", .dst = "10.0.0.7"} / Tcp{.sport = 20, .dport = 50000, .flags = "S"}));
  batch.push(make(Ip4{.src = "10.0.0.2", .dst = "10.0.0.1"} / Udp{.sport = 20, .dport = 50000}));
  tracker_.process(batch, {.commit = true}, clock_.now(), dropped);
  ASSERT_EQ(batch.size(), 5u);
  const char* const states[] = {"+est+trk", "+new+trk", "+new+rel+trk", "+new+trk", "+new+trk"};
  for (unsigned i = 0; i < 5; ++i) EXPECT_EQ(state_text(batch[i]->meta.ct.state), states[i]) << i;
  unsigned helped = 0, children = 0;
  for (const auto& connection : connections()) {
    helped += connection.helper != 0;
    children += connection.parent.has_value();
  }
  EXPECT_EQ(helped, 1u);
  EXPECT_EQ(children, 1u);
}

TEST_F(HelpersTest, PeekKnowsWhatIsExpected) {
  Control c;
  open(c, {.commit = true, .helper = Helper::Ftp, .mark = 5, .mark_mask = ~0u});
  say(c, false, "229 (|||50000|)\r\n");
  const PeekResult expected = tracker_.peek(*make(syn(c, true, 1, 50000)), 0, clock_.now());
  EXPECT_EQ(state_text(expected.state), "+new+rel+trk");
  ASSERT_TRUE(expected.expectation);
  EXPECT_EQ(expected.expectation->mark, 5u);
  EXPECT_EQ(expected.expectation->parent.dst_port, be16{kControlPort});
  track(syn(c, true, 1, 50000), commit_);
  const PeekResult child = tracker_.peek(*make(syn_ack(c, false, 50000, 1)), 0, clock_.now());
  EXPECT_EQ(state_text(child.state), "+est+rel+rpl+trk");
  EXPECT_EQ(child.connection->parent->dst_port, be16{kControlPort});
}

TEST_F(HelpersTest, Tftp) {
  for (const bool ipv6 : {false, true}) {
    const Control c{.ipv6 = ipv6};
    const std::string request("\0\1file\0octet\0", 13);
    EXPECT_EQ(track(ip(c, true) / Udp{.sport = 3000, .dport = 6969} / Payload{request},
                    {.commit = true, .helper = Helper::Tftp, .mark = 3, .mark_mask = ~0u}),
              "+new+trk");
    EXPECT_EQ(expectations().size(), 1u);
    // The server answers from a port of its own.
    EXPECT_EQ(track(ip(c, false) / Udp{.sport = 55555, .dport = 3000} / Payload{"data"}, commit_),
              "+new+rel+trk");
    EXPECT_EQ(meta().mark, 3u);
    EXPECT_EQ(meta().original.dst_port, be16{6969});
    EXPECT_EQ(track(ip(c, true) / Udp{.sport = 3000, .dport = 55555} / Payload{"ack"}), "+est+rel+rpl+trk");
    EXPECT_EQ(track(ip(c, false) / Udp{.sport = 55556, .dport = 3000} / Payload{"data"}), "+new+trk");
    // Another request of the same client.
    EXPECT_EQ(track(ip(c, true) / Udp{.sport = 3000, .dport = 6969} / Payload{request}), "+new+trk");
    EXPECT_EQ(track(ip(c, false) / Udp{.sport = 55556, .dport = 3000} / Payload{"data"}), "+new+rel+trk");
    // What is no request announces nothing.
    track(ip(c, true) / Udp{.sport = 3001, .dport = 6969} / Payload{std::string("\0\3file\0octet\0", 13)},
          {.commit = true, .helper = Helper::Tftp});
    EXPECT_EQ(expectations().size(), 1u);
    tracker_.flush(std::nullopt);
    expire();
  }
}

/// Parents and children that come and go in every order leave nothing behind.
TEST_F(HelpersTest, NothingLeaks) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Rng rng(seed);
    for (unsigned step = 0; step < 150; ++step) {
      Control c{.port = static_cast<std::uint16_t>(100 + rng.below(4))};
      switch (rng.below(6)) {
        case 0:
        case 1:
          track(client(c, "PORT 10,0,0,1,195," + std::to_string(rng.below(3)) + "\r\n"),
                {.commit = true, .force = rng.chance(20), .helper = Helper::Ftp});
          break;
        case 2:
        case 3:
          track(syn(c, false, 20, static_cast<std::uint16_t>(195 * 256 + rng.below(3))), commit_);
          break;
        case 4:
          advance(Duration::seconds(static_cast<std::int64_t>(rng.below(rng.chance(5) ? 90000 : 20))));
          if (rng.chance(50)) expire();
          break;
        default:
          if (rng.chance(20)) tracker_.flush(0);
          if (rng.chance(20)) {
            Filter some;
            some.original.src_port = be16{rng.chance(50) ? std::uint16_t{20} : c.port};
            tracker_.flush_matching(some);
          }
      }
      for (const auto& connection : connections())
        if (connection.parent) {
          ASSERT_EQ(connection.parent->dst_port, be16{kControlPort});
        }
    }
    tracker_.flush(std::nullopt);
    expire();
    advance(Duration::seconds(31));
    expire();
    EXPECT_EQ(tracker_.census().live, 0u);
    EXPECT_EQ(tracker_.helper_census().families, 0u) << "seed " << seed;
    EXPECT_EQ(tracker_.helper_census().expectations, 0u);
  }
}

}  // namespace
}  // namespace sluice::conntrack
