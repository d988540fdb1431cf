// The text of dumps, compared with lines that ovs-appctl dpctl/dump-conntrack (Open vSwitch 3.1) printed for
// the same packets, except for ids, status and counters, which that tracker does not keep.
#include "conntrack/dump.h"

#include "conntrack/tracker_fixture.h"

namespace sluice::conntrack {
namespace {

using namespace sluice::testing;

class DumpTest : public TrackerFixture {
 protected:
  std::string line(DumpFormat format = {}) { return format_connection(only_connection(), format); }
};

TEST_F(DumpTest, TcpWithScalesMarkLabelAndZone) {
  const CtRequest request{.commit = true,
                          .zone = 9,
                          .mark = 0x1f,
                          .mark_mask = ~0u,
                          .label = {be64{0xab}, be64{1}},
                          .label_mask = {be64{~0ull}, be64{~0ull}}};
  track(Ip4{.src = "10.0.0.1", .dst = "10.0.0.2"} /
            Tcp{.sport = 1000, .dport = 80, .flags = "S", .seq = 100, .wscale = 7},
        request);
  EXPECT_EQ(line(),
            "tcp,orig=(src=10.0.0.1,dst=10.0.0.2,sport=1000,dport=80),reply=(src=10.0.0.2,dst=10.0.0.1,sport="
            "80,dport=1000)"
            ",zone=9,mark=31,labels=0xab0000000000000001,protoinfo=(state=SYN_SENT)");
  EXPECT_EQ(
      line({.verbose = true}),
      "tcp,orig=(src=10.0.0.1,dst=10.0.0.2,sport=1000,dport=80),reply=(src=10.0.0.2,dst=10.0.0.1,sport=80,"
      "dport=1000)"
      ",id=1,zone=9,status=CONFIRMED,mark=31,labels=0xab0000000000000001,protoinfo=(state_orig=SYN_SENT,"
      "state_reply=CLOSED,wscale_orig=7,wscale_reply=0,flags_orig=WINDOW_SCALE,flags_reply=0)");
}

TEST_F(DumpTest, TcpPickedUp) {
  commit(Ip4{.src = "10.0.0.1", .dst = "10.0.0.2"} /
         Tcp{.sport = 1000, .dport = 80, .flags = "A", .seq = 100, .ack = 3});
  EXPECT_EQ(line({.verbose = true, .statistics = true}),
            "tcp,orig=(src=10.0.0.1,dst=10.0.0.2,sport=1000,dport=80,packets=1,bytes=40),reply=(src=10.0.0.2,"
            "dst=10.0.0.1,"
            "sport=80,dport=1000,packets=0,bytes=0),id=1,status=CONFIRMED,timeout=30,protoinfo=(state_orig="
            "SYN_SENT,"
            "state_reply=CLOSED,flags_orig=BE_LIBERAL,flags_reply=BE_LIBERAL)");
}

TEST_F(DumpTest, StatesThatTheShortFormMerges) {
  ConnectionSnapshot c;
  c.original.proto = 6;
  const auto shown = [&](TcpState a, TcpState b) {
    c.state[0] = static_cast<std::uint8_t>(a);
    c.state[1] = static_cast<std::uint8_t>(b);
    const std::string text = format_connection(c);
    return text.substr(text.find("state="));
  };
  EXPECT_EQ(shown(TcpState::FinWait2, TcpState::Established), "state=TIME_WAIT)");
  EXPECT_EQ(shown(TcpState::SynRecv, TcpState::SynSent), "state=ESTABLISHED)");
  EXPECT_EQ(shown(TcpState::Established, TcpState::SynSent), "state=ESTABLISHED)");
  EXPECT_EQ(shown(TcpState::SynSent, TcpState::Closed), "state=SYN_SENT)");
  EXPECT_EQ(shown(TcpState::Established, TcpState::Closing), "state=CLOSING)");
  EXPECT_EQ(shown(TcpState::TimeWait, TcpState::TimeWait), "state=TIME_WAIT)");
}

TEST_F(DumpTest, IcmpShowsTheTypeOfTheReply) {
  commit(Ip4{.src = "10.0.0.1", .dst = "10.0.0.2"} / Icmp4{.type = 8, .code = 0, .id = 7});
  EXPECT_EQ(line(),
            "icmp,orig=(src=10.0.0.1,dst=10.0.0.2,id=7,type=8,code=0),reply=(src=10.0.0.2,dst=10.0.0.1,id=7,"
            "type=0,code=0)");
}

TEST_F(DumpTest, Ipv6AndNumberedProtocols) {
  commit(Ip6{.src = "fc00::1", .dst = "fc00::2", .proto = 99} / Payload{"abc"});
  EXPECT_EQ(
      line(),
      "99,orig=(src=fc00::1,dst=fc00::2,sport=0,dport=0),reply=(src=fc00::2,dst=fc00::1,sport=0,dport=0)");
  EXPECT_EQ(protocol_name(132), "sctp");
  EXPECT_EQ(protocol_name(58), "icmpv6");
  EXPECT_EQ(protocol_name(47), "47");
}

TEST_F(DumpTest, SctpShowsStateAndTags) {
  const std::string init("\1\0\0\24\0\0\0\7\0\1\0\0\0\1\0\1\0\0\0\1", 20);
  commit(Ip4{.src = "10.0.0.1", .dst = "10.0.0.2"} /
         (Sctp{.sport = 5, .dport = 6, .tag = 0} / Payload{init}));
  const std::string tuples =
      "sctp,orig=(src=10.0.0.1,dst=10.0.0.2,sport=5,dport=6),reply=(src=10.0.0.2,dst=10.0.0.1,sport=6,dport="
      "5)";
  EXPECT_EQ(line(), tuples + ",protoinfo=(state=COOKIE_WAIT)");
  EXPECT_EQ(line({.verbose = true}),
            tuples + ",id=1,status=CONFIRMED,protoinfo=(state=COOKIE_WAIT,vtag_orig=0,vtag_reply=0)");
}

TEST_F(DumpTest, StartIsShownByTheWallClock) {
  ::setenv("TZ", "UTC", 1);
  ::tzset();
  commit(Ip4{.src = "10.0.0.1", .dst = "10.0.0.2"} / Udp{.sport = 1000, .dport = 53});
  // The tracker's clock stands at 1000 s; a start is kept to 65 us.
  const std::int64_t ahead = (1'700'000'000 - 1000) * std::int64_t{1'000'000'000} + 500'000;
  const std::string text = line({.statistics = true, .wall_ahead_ns = ahead});
  EXPECT_NE(text.find("packets=0,bytes=0),start=2023-11-14T22:13:20.000,timeout=60"), std::string::npos)
      << text;
}

TEST_F(DumpTest, StatusSaysWhatIsAssuredAndTranslated) {
  const auto status = [&] {
    const std::string text = line({.verbose = true});
    const auto from = text.find("status=") + 7;
    return text.substr(from, text.find_first_of(",", from) - from);
  };
  const Ip4 there{.src = "10.0.0.1", .dst = "10.0.0.2"};
  NatRange range{.kind = NatRange::Kind::Source, .has_address = true};
  range.min_address = range.max_address = net::v4_mapped(*Ip4Arg("10.9.0.1"));
  track(there / Udp{.sport = 1, .dport = 2}, {.commit = true, .nat = true, .nat_range = range});
  EXPECT_EQ(status(), "CONFIRMED|SRC_NAT|SRC_NAT_DONE");
  const Layers answer = Ip4{.src = "10.0.0.2", .dst = "10.9.0.1"} / Udp{.sport = 2, .dport = 1};
  track(answer, {.nat = true});
  EXPECT_EQ(status(), "SEEN_REPLY|ASSURED|CONFIRMED|SRC_NAT|SRC_NAT_DONE");
  tracker_.flush(std::nullopt);
  range.kind = NatRange::Kind::Destination;
  range.has_address = false;
  range.has_ports = true;
  range.min_port = range.max_port = 99;
  track(there / Udp{.sport = 1, .dport = 2}, {.commit = true, .nat = true, .nat_range = range});
  EXPECT_EQ(status(), "CONFIRMED|DST_NAT|DST_NAT_DONE");
  tracker_.flush(std::nullopt);
  track(there / Icmp4{.type = 8, .code = 0, .id = 7}, {.commit = true});
  track(Ip4{.src = "10.0.0.2", .dst = "10.0.0.1"} / Icmp4{.type = 0, .code = 0, .id = 7});
  EXPECT_EQ(status(), "SEEN_REPLY|CONFIRMED");
}

TEST_F(DumpTest, FilterByCookie) {
  track(Ip4{.src = "10.0.0.1", .dst = "10.0.0.2"} / Udp{.sport = 1, .dport = 2},
        {.commit = true, .cookie = 0x1234});
  const ConnectionSnapshot c = only_connection();
  EXPECT_EQ(c.cookie, 0x1234u);
  EXPECT_TRUE((Filter{.cookie = 0x1234, .cookie_mask = ~std::uint64_t{0}}.matches(c)));
  EXPECT_FALSE((Filter{.cookie = 0x1235, .cookie_mask = ~std::uint64_t{0}}.matches(c)));
  EXPECT_TRUE((Filter{.cookie = 0x34, .cookie_mask = 0xff}.matches(c)));
}

TEST_F(DumpTest, TimeoutCountsDown) {
  commit(Ip4{.src = "10.0.0.1", .dst = "10.0.0.2"} / Udp{.sport = 1000, .dport = 53});
  advance(Duration::milliseconds(500));
  EXPECT_EQ(line({.statistics = true}),
            "udp,orig=(src=10.0.0.1,dst=10.0.0.2,sport=1000,dport=53,packets=1,bytes=28),reply=(src=10.0.0.2,"
            "dst=10.0.0.1,"
            "sport=53,dport=1000,packets=0,bytes=0),timeout=59");
}

TEST_F(DumpTest, Statistics) {
  const Ip4 ip{.src = "10.0.0.1", .dst = "10.0.0.2"};
  for (std::uint16_t port = 1; port <= 2; ++port) commit(ip / Tcp{.sport = port, .dport = 80, .flags = "S"});
  commit(ip / Udp{.sport = 3, .dport = 4});
  for (const std::uint8_t number : {47, 99, 136}) {
    Ip4 other = ip;
    other.proto = number;
    // Of UDP-Lite: ports, coverage and checksum.
    commit(other / Payload{std::string("abcd\0\x08\x26\x9e", 8)});
  }
  ConnectionStats stats;
  for (const ConnectionSnapshot& c : connections()) stats.add(c);
  EXPECT_EQ(stats.format(false),
            "Connections Stats:\n    Total: 6\n  TCP: 2\n  UDP: 1\n  UDPLITE: 1\n  Other: 2\n");
  EXPECT_EQ(
      stats.format(true),
      "Connections Stats:\n    Total: 6\n  TCP: 2\n    Conn per TCP states:\n\t  [SYN_SENT]=2\n  UDP: 1\n"
      "  UDPLITE: 1\n  Other: 2\n");
}

TEST_F(DumpTest, FilterByPartsOfTuples) {
  track(Ip4{.src = "10.0.0.1", .dst = "10.0.0.2"} / Icmp4{.type = 8, .code = 0, .id = 7},
        {.commit = true, .zone = 3});
  const ConnectionSnapshot c = only_connection();
  Filter filter;
  EXPECT_TRUE(filter.matches(c));
  filter.original.icmp_id = be16{7};
  filter.original.icmp_type = 8;
  filter.reply.icmp_type = 0;
  EXPECT_TRUE(filter.matches(c));
  filter.original.src_port = be16{7};  // ports are not ids
  EXPECT_FALSE(filter.matches(c));
  filter = {};
  filter.zone = 4;
  EXPECT_FALSE(filter.matches(c));
  filter = {};
  filter.label_mask = {be64{0}, be64{1}};
  EXPECT_TRUE(filter.matches(c));
  filter.label = {be64{0}, be64{1}};
  EXPECT_FALSE(filter.matches(c));
}

}  // namespace
}  // namespace sluice::conntrack
