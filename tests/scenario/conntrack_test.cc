// Stateful flows: what ct() sees, remembers and lets pass.
#include <gmock/gmock.h>

#include "conntrack/tracker.h"
#include "tests/scenario/scenario.h"

namespace sluice::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// Connections may be opened from port 1 only.
constexpr const char* kFirewall = R"(
table=0,priority=100,arp,actions=NORMAL
table=0,priority=50,ip,actions=ct(table=1)
table=0,priority=50,ipv6,actions=ct(table=1)
table=1,priority=90,ct_state=+trk+inv,actions=drop
table=1,priority=80,ct_state=+trk+new,ip,in_port=1,actions=ct(commit),output:2
table=1,priority=80,ct_state=+trk+new,ipv6,in_port=1,actions=ct(commit),output:2
table=1,priority=70,ct_state=+trk+est,in_port=1,actions=output:2
table=1,priority=60,ct_state=+trk+est,in_port=2,actions=output:1
table=1,priority=50,ct_state=+trk+rel-new,in_port=2,actions=output:1
table=1,priority=1,actions=drop
)";

class Conntrack : public Scenario {
 protected:
  static Layers query() {
    return Ip4{.src = "10.1.1.1", .dst = "10.1.1.2"} / Udp{.sport = 1000, .dport = 53};
  }
  static Layers answer() {
    return Ip4{.src = "10.1.1.2", .dst = "10.1.1.1"} / Udp{.sport = 53, .dport = 1000};
  }
};

TEST_F(Conntrack, UdpOutAndBack) {
  start(2, kFirewall);
  send(1, query());
  expect(2, query());
  expect_delta({{"t0p50", 1},
                {"t1p80", 1},
                {"recirculated", 1},
                {"tracked", 2},
                {"ct.lookups", 2},
                {"ct.created", 1},
                {"ct.committed", 1}});
  EXPECT_THAT(connections(), ElementsAre("udp,orig=(src=10.1.1.1,dst=10.1.1.2,sport=1000,dport=53),"
                                         "reply=(src=10.1.1.2,dst=10.1.1.1,sport=53,dport=1000)"));
  send(2, answer());
  expect(1, answer());
  expect_delta(
      {{"t0p50", 1}, {"t1p60", 1}, {"recirculated", 1}, {"tracked", 1}, {"ct.lookups", 1}, {"ct.hits", 1}});
  send(1, query());
  expect(2, query());
  expect_delta(
      {{"t0p50", 1}, {"t1p70", 1}, {"recirculated", 1}, {"tracked", 1}, {"ct.lookups", 1}, {"ct.hits", 1}});
}

TEST_F(Conntrack, TheOutsideMayNotBegin) {
  start(2, kFirewall);
  send(2, answer());
  expect_delta({{"t0p50", 1},
                {"t1p1", 1},
                {"recirculated", 1},
                {"tracked", 1},
                {"ct.lookups", 1},
                {"drop.explicit_drop", 1}});
  EXPECT_THAT(connections(), ElementsAre());
}

TEST_F(Conntrack, TcpHandshakeAndData) {
  start(2, kFirewall);
  const Ip4 out{.src = "10.1.1.1", .dst = "10.1.1.2"}, in{.src = "10.1.1.2", .dst = "10.1.1.1"};
  send(1, out / Tcp{.sport = 1000, .dport = 80, .flags = "S", .seq = 100});
  expect(2, Tcp{.flags = "S"});
  send(2, in / Tcp{.sport = 80, .dport = 1000, .flags = "SA", .seq = 500, .ack = 101});
  expect(1, Tcp{.flags = "SA"});
  send(1, out / Tcp{.sport = 1000, .dport = 80, .flags = "A", .seq = 101, .ack = 501});
  expect(2, Tcp{.flags = "A"});
  send(1, out / Tcp{.sport = 1000, .dport = 80, .flags = "PA", .seq = 101, .ack = 501} / Payload{"GET /"});
  expect(2, Tcp{.flags = "PA"} / Payload{"GET /"});
  send(2, in / Tcp{.sport = 80, .dport = 1000, .flags = "PA", .seq = 501, .ack = 106} / Payload{"page"});
  expect(1, Payload{"page"});
  expect_delta({{"t0p50", 5},
                {"t1p80", 1},
                {"t1p70", 2},
                {"t1p60", 2},
                {"recirculated", 5},
                {"tracked", 6},
                {"ct.lookups", 6},
                {"ct.hits", 4},
                {"ct.created", 1},
                {"ct.committed", 1}});
  EXPECT_THAT(connections(), ElementsAre(HasSubstr("protoinfo=(state=ESTABLISHED)")));
}

// Windows of SYNs are never scaled, all others are (RFC 7323 section 2.2): what a SYN|ACK allows is its
// window as it stands, however large the scale that it announces.
TEST_F(Conntrack, WindowScaleDoesNotShrinkTheFirstFlight) {
  start(2, kFirewall);
  const Ip4 out{.src = "10.1.1.1", .dst = "10.1.1.2"}, in{.src = "10.1.1.2", .dst = "10.1.1.1"};
  send(1, out / Tcp{.sport = 1000, .dport = 80, .flags = "S", .seq = 100, .window = 64240, .wscale = 10});
  expect(2, Tcp{.flags = "S"});
  send(2, in / Tcp{.sport = 80,
                   .dport = 1000,
                   .flags = "SA",
                   .seq = 500,
                   .ack = 101,
                   .window = 65160,
                   .wscale = 10});
  expect(1, Tcp{.flags = "SA"});
  send(1, out / Tcp{.sport = 1000, .dport = 80, .flags = "A", .seq = 101, .ack = 501, .window = 63});
  expect(2, Tcp{.flags = "A"});
  for (std::uint32_t n = 0; n < 10; ++n) {
    send(1,
         out /
             Tcp{.sport = 1000, .dport = 80, .flags = "A", .seq = 101 + n * 1400, .ack = 501, .window = 63} /
             Payload{.size = 1400});
    expect(2, Tcp{.seq = 101 + n * 1400});
  }
  EXPECT_EQ(device().counters()["ct.reason.tcp_out_of_window"], 0);
}

TEST_F(Conntrack, OutOfWindowSegmentIsInvalid) {
  start(2, kFirewall);
  const Ip4 out{.src = "10.1.1.1", .dst = "10.1.1.2"}, in{.src = "10.1.1.2", .dst = "10.1.1.1"};
  send(1, out / Tcp{.sport = 1000, .dport = 80, .flags = "S", .seq = 100});
  expect(2, Tcp{});
  send(2, in / Tcp{.sport = 80, .dport = 1000, .flags = "SA", .seq = 500, .ack = 101});
  expect(1, Tcp{});
  send(1, out / Tcp{.sport = 1000, .dport = 80, .flags = "A", .seq = 101, .ack = 501});
  expect(2, Tcp{});
  expect_delta({{"t0p50", 3},
                {"t1p80", 1},
                {"t1p70", 1},
                {"t1p60", 1},
                {"recirculated", 3},
                {"tracked", 4},
                {"ct.lookups", 4},
                {"ct.hits", 2},
                {"ct.created", 1},
                {"ct.committed", 1}});
  send(1,
       out / Tcp{.sport = 1000, .dport = 80, .flags = "A", .seq = 2'000'000'000, .ack = 501} / Payload{"x"});
  expect_delta({{"t0p50", 1},
                {"t1p90", 1},
                {"recirculated", 1},
                {"tracked", 1},
                {"ct.lookups", 1},
                {"ct.hits", 1},
                {"ct.reason.tcp_out_of_window", 1},
                {"drop.explicit_drop", 1}});
}

TEST_F(Conntrack, StraySynAckIsInvalid) {
  start(2, kFirewall);
  send(2, Ip4{} / Tcp{.sport = 80, .dport = 1000, .flags = "SA", .seq = 1, .ack = 1});
  expect_delta({{"t0p50", 1},
                {"t1p90", 1},
                {"recirculated", 1},
                {"tracked", 1},
                {"ct.lookups", 1},
                {"ct.reason.tcp_syn_ack_without_connection", 1},
                {"drop.explicit_drop", 1}});
}

TEST_F(Conntrack, BadChecksumIsInvalid) {
  start(2, kFirewall);
  send(1, Ip4{} / Udp{.checksum = 0x1234} / Payload{"x"});
  expect_delta({{"t0p50", 1},
                {"t1p90", 1},
                {"recirculated", 1},
                {"tracked", 1},
                {"ct.reason.bad_transport_checksum", 1},
                {"drop.explicit_drop", 1}});
}

TEST_F(Conntrack, PingIpv4AndIpv6) {
  start(2, kFirewall);
  send(1, Ip4{.src = "10.1.1.1", .dst = "10.1.1.2"} / Icmp4{.type = 8, .id = 7, .seq = 1});
  expect(2, Icmp4{.type = 8, .id = 7});
  send(2, Ip4{.src = "10.1.1.2", .dst = "10.1.1.1"} / Icmp4{.type = 0, .id = 7, .seq = 1});
  expect(1, Icmp4{.type = 0, .id = 7});
  send(1, Ip6{.src = "fd00::1", .dst = "fd00::2"} / Icmp6{.type = 128, .id = 7, .seq = 1});
  expect(2, Icmp6{.type = 128, .id = 7});
  send(2, Ip6{.src = "fd00::2", .dst = "fd00::1"} / Icmp6{.type = 129, .id = 7, .seq = 1});
  expect(1, Icmp6{.type = 129, .id = 7});
  expect_delta({{"t0p50", 4},
                {"t1p80", 2},
                {"t1p60", 2},
                {"recirculated", 4},
                {"tracked", 6},
                {"ct.lookups", 6},
                {"ct.hits", 2},
                {"ct.created", 2},
                {"ct.committed", 2}});
}

TEST_F(Conntrack, IcmpErrorIsRelated) {
  start(2, kFirewall);
  send(1, query());
  expect(2, query());
  expect_delta({{"t0p50", 1},
                {"t1p80", 1},
                {"recirculated", 1},
                {"tracked", 2},
                {"ct.lookups", 2},
                {"ct.created", 1},
                {"ct.committed", 1}});
  // From a router that no rule knows.
  send(2, Ip4{.src = "10.9.9.9", .dst = "10.1.1.1"} / Icmp4{.type = 3, .code = 3} / query());
  expect(1, Ip4{.src = "10.9.9.9"} / Icmp4{.type = 3});
  expect_delta(
      {{"t0p50", 1}, {"t1p50", 1}, {"recirculated", 1}, {"tracked", 1}, {"ct.lookups", 1}, {"ct.hits", 1}});
  // About a connection that does not exist.
  send(2, Ip4{.src = "10.9.9.9", .dst = "10.1.1.1"} / Icmp4{.type = 3, .code = 3} /
              Ip4{.src = "10.1.1.1", .dst = "10.1.1.7"} / Udp{.sport = 1, .dport = 2});
  expect_delta({{"t0p50", 1},
                {"t1p90", 1},
                {"recirculated", 1},
                {"tracked", 1},
                {"ct.lookups", 1},
                {"ct.reason.icmp_error_no_connection", 1},
                {"drop.explicit_drop", 1}});
}

TEST_F(Conntrack, TwoZonesAreTwoTables) {
  start(2, R"(
table=0,priority=10,ip,actions=ct(table=1,zone=1)
table=1,priority=10,ct_state=+trk+new,ct_zone=1,ip,in_port=1,actions=ct(commit,zone=1),ct(table=2,zone=2)
table=1,priority=9,ct_state=+trk+est,ct_zone=1,ip,actions=ct(table=2,zone=2)
table=2,priority=10,ct_state=+trk+new,ct_zone=2,ip,in_port=1,actions=ct(commit,zone=2),output:2
table=2,priority=9,ct_state=+trk+est,ct_zone=2,ip,in_port=2,actions=output:1
)");
  send(1, query());
  expect(2, query());
  EXPECT_THAT(connections(), ElementsAre(HasSubstr(",zone=1"), HasSubstr(",zone=2")));
  send(2, answer());
  expect(1, answer());
  expect_delta({{"t0p10", 2},
                {"t1p10", 1},
                {"t1p9", 1},
                {"t2p10", 1},
                {"t2p9", 1},
                {"recirculated", 4},
                {"tracked", 6},
                {"ct.lookups", 6},
                {"ct.hits", 2},
                {"ct.created", 2},
                {"ct.committed", 2}});
}

TEST_F(Conntrack, ZoneOutOfARegister) {
  start(2, R"(
table=0,priority=10,ip,actions=load:7->NXM_NX_REG0[0..15],ct(table=1,zone=NXM_NX_REG0[0..15])
table=1,priority=10,ct_state=+trk+new,ct_zone=7,ip,in_port=1,actions=ct(commit,zone=NXM_NX_REG0[0..15]),output:2
table=1,priority=9,ct_state=+trk+est,ct_zone=7,ip,in_port=2,actions=output:1
)");
  send(1, query());
  expect(2, query());
  send(2, answer());
  expect(1, answer());
  EXPECT_THAT(connections(), ElementsAre(HasSubstr(",zone=7")));
}

TEST_F(Conntrack, MarkAndLabelByRuleAndByRegister) {
  start(2, R"(
table=0,priority=10,ip,in_port=1,actions=load:0x55->NXM_NX_REG1[],ct(table=1)
table=0,priority=10,ip,in_port=2,actions=ct(table=1)
table=1,priority=20,ct_state=+trk+new,udp,in_port=1,tp_dst=53,actions=ct(commit,exec(set_field:0x1->ct_mark,set_field:0x1d/0xff->ct_label)),output:2
table=1,priority=19,ct_state=+trk+new,udp,in_port=1,actions=ct(commit,exec(move:NXM_NX_REG1[]->NXM_NX_CT_MARK[])),output:2
table=1,priority=10,ct_state=+trk+est,ct_mark=1,ct_label=0x1d,in_port=2,actions=output:1
table=1,priority=9,ct_state=+trk+est,ct_mark=0x55,in_port=2,actions=output:1
table=1,priority=1,actions=drop
)");
  send(1, query());
  expect(2, query());
  send(2, answer());
  expect(1, answer());
  EXPECT_THAT(connections(), ElementsAre(HasSubstr(",mark=1,labels=0x1d")));
  expect_delta({{"t0p10", 2},
                {"t1p20", 1},
                {"t1p10", 1},
                {"recirculated", 2},
                {"tracked", 3},
                {"ct.lookups", 3},
                {"ct.hits", 1},
                {"ct.created", 1},
                {"ct.committed", 1}});
  send(1, Ip4{.src = "10.1.1.1", .dst = "10.1.1.2"} / Udp{.sport = 1000, .dport = 99});
  expect(2, Udp{.dport = 99});
  send(2, Ip4{.src = "10.1.1.2", .dst = "10.1.1.1"} / Udp{.sport = 99, .dport = 1000});
  expect(1, Udp{.sport = 99});
  EXPECT_THAT(connections(), ElementsAre(HasSubstr(",mark=1,labels=0x1d"), HasSubstr(",mark=85")));
  expect_delta({{"t0p10", 2},
                {"t1p19", 1},
                {"t1p9", 1},
                {"recirculated", 2},
                {"tracked", 3},
                {"ct.lookups", 3},
                {"ct.hits", 1},
                {"ct.created", 1},
                {"ct.committed", 1}});
}

TEST_F(Conntrack, RegistersMetadataAndStackSurviveTheTracker) {
  start(3, R"(
table=0,priority=10,ip,actions=set_field:3->reg3,set_field:0xabc->metadata,push:NXM_NX_REG3[],resubmit(,1)
table=1,priority=10,ip,actions=set_field:9->reg3,ct(table=2)
table=2,priority=10,metadata=0xabc,reg3=9,actions=pop:NXM_NX_REG4[],output:NXM_NX_REG4[]
)");
  send(1, query());
  expect(3, query());
  expect_delta(
      {{"t0p10", 1}, {"t1p10", 1}, {"t2p10", 1}, {"recirculated", 1}, {"tracked", 1}, {"ct.lookups", 1}});
}

TEST_F(Conntrack, TheListGoesOnAfterCt) {
  start(3, R"(
table=0,priority=10,ip,actions=ct(table=1),output:3
table=1,priority=10,ct_state=+trk+new,ip,actions=output:2
)");
  send(1, query());
  expect(2, query());
  expect(3, query());
  expect_delta(
      {{"t0p10", 1}, {"t1p10", 1}, {"recirculated", 1}, {"tracked", 1}, {"ct.lookups", 1}, {"copied", 1}});
}

TEST_F(Conntrack, CtClearMakesUntracked) {
  start(3, R"(
table=0,priority=10,ip,actions=ct(table=1)
table=1,priority=10,ct_state=+trk,ip,actions=ct_clear,resubmit(,2)
table=2,priority=10,ct_state=-trk,ip,actions=output:2
table=2,priority=9,ct_state=+trk,ip,actions=output:3
)");
  send(1, query());
  expect(2, query());
  expect_delta(
      {{"t0p10", 1}, {"t1p10", 1}, {"t2p10", 1}, {"recirculated", 1}, {"tracked", 1}, {"ct.lookups", 1}});
}

TEST_F(Conntrack, ConnectionsExpire) {
  start(2, kFirewall);
  send(1, query());
  expect(2, query());
  for (int i = 0; i < 62; ++i) advance(Duration::seconds(1));
  EXPECT_THAT(connections(), ElementsAre());
  send(2, answer());
  expect_delta({{"t0p50", 2},
                {"t1p80", 1},
                {"t1p1", 1},
                {"recirculated", 2},
                {"tracked", 3},
                {"ct.lookups", 3},
                {"ct.created", 1},
                {"ct.destroyed", 1},
                {"ct.expired", 1},
                {"ct.committed", 1},
                {"drop.explicit_drop", 1}});
}

TEST_F(Conntrack, ZoneLimitDropsWithAReason) {
  start(2, kFirewall);
  device().device->tracker().set_zone_limit(0, 1);
  send(1, query());
  expect(2, query());
  expect_delta({{"t0p50", 1},
                {"t1p80", 1},
                {"recirculated", 1},
                {"tracked", 2},
                {"ct.lookups", 2},
                {"ct.created", 1},
                {"ct.committed", 1}});
  send(2, answer());  // an answered connection does not make way for another
  expect(1, answer());
  expect_delta(
      {{"t0p50", 1}, {"t1p60", 1}, {"recirculated", 1}, {"tracked", 1}, {"ct.lookups", 1}, {"ct.hits", 1}});
  send(1, Ip4{.src = "10.1.1.1", .dst = "10.1.1.2"} / Udp{.sport = 1001, .dport = 53});
  expect_delta({{"t0p50", 1},
                {"t1p80", 1},
                {"recirculated", 1},
                {"tracked", 2},
                {"ct.lookups", 2},
                {"ct.reason.zone_full", 1},
                {"drop.connection_limit", 1}});
}

// --- Trace consults the same table and changes nothing

TEST_F(Conntrack, TraceMeetsTheRealConnection) {
  start(2, kFirewall);
  const std::vector<std::string> words = {
      "br0", "udp,in_port=2,nw_src=10.1.1.2,nw_dst=10.1.1.1,tp_src=53,tp_dst=1000"};
  const auto before = trace(words);
  EXPECT_THAT(
      before,
      HasSubstr(
          "resume conntrack with ct_state=new|trk: no connection of zone 0 has these addresses and ports"));
  EXPECT_THAT(before, HasSubstr("Datapath actions: drop"));
  send(1, query());
  expect(2, query());
  const auto after = trace(words);
  EXPECT_THAT(after, HasSubstr("ct_state=est|rpl|trk: meets connection"));
  EXPECT_THAT(after, HasSubstr("udp,orig=(src=10.1.1.1,dst=10.1.1.2,sport=1000,dport=53)"));
  EXPECT_THAT(after, HasSubstr("table 1"));
  expect_delta({{"t0p50", 1},
                {"t1p80", 1},
                {"recirculated", 1},
                {"tracked", 2},
                {"ct.lookups", 2},
                {"ct.created", 1},
                {"ct.committed", 1}});
}

TEST_F(Conntrack, TraceSaysWhyInvalid) {
  start(2, kFirewall);
  EXPECT_THAT(
      trace({"br0", "tcp,in_port=2,nw_src=10.1.1.2,nw_dst=10.1.1.1,tp_src=80,tp_dst=9,tcp_flags=syn|ack"}),
      HasSubstr("ct_state=inv|trk: "));
  expect_delta({});
}

TEST_F(Conntrack, TraceByHand) {
  start(2, kFirewall);
  EXPECT_THAT(trace({"br0", "tcp,in_port=2,nw_src=1.1.1.1", "--ct-next", "trk,est"}),
              HasSubstr("resume conntrack with ct_state=est|trk\n"));
  EXPECT_EQ(trace({"br0", "tcp,in_port=2", "--ct-next", "foo"}),
            "error: foo: unknown connection tracking state flag");
  EXPECT_EQ(trace({"nobr", "tcp,in_port=2"}), "error: nobr: unknown bridge");
  EXPECT_EQ(trace({"br0"}), "error: syntax error at br0 (or the bridge name was omitted)");
  expect_delta({});
}

// Where the user says what the tracker says, NAT takes the first of its range.
TEST_F(Conntrack, TraceByHandWithNat) {
  start(2,
        "table=0,tcp,actions=ct(commit,table=1,nat(src=10.9.0.1-10.9.0.3:5000-6000))\n"
        "table=0,udp6,actions=ct(commit,table=1,nat(dst=fd00::9))\n"
        "table=0,icmp,actions=ct(table=1,nat)\n"
        "table=1,nw_src=10.9.0.1,tcp,tp_src=5000,actions=output:2\n");
  const auto tcp = trace({"br0", "tcp,in_port=1,nw_src=10.0.0.1,nw_dst=10.0.0.2,tcp_src=7,tcp_dst=80",
                          "--ct-next", "trk,est,rpl"});
  EXPECT_THAT(tcp, HasSubstr(" - resume conntrack with ct_state=est|rpl|trk\n"
                             "Replacing src/dst IP/ports to simulate NAT:\n"
                             " Initial flow: nw_src=10.0.0.1,tp_src=7,nw_dst=10.0.0.2,tp_dst=80\n"
                             " Modified flow: nw_src=10.9.0.1,tp_src=5000,nw_dst=10.0.0.2,tp_dst=80\n===="));
  EXPECT_THAT(tcp, HasSubstr("Datapath actions: 2"));
  EXPECT_THAT(trace({"br0", "udp6,in_port=1,ipv6_src=fd00::1,ipv6_dst=fd00::2", "--ct-next", "trk,new"}),
              HasSubstr(" Modified flow: ipv6_src=[fd00::1],tp_src=0,ipv6_dst=[fd00::9],tp_dst=0\n===="));
  EXPECT_THAT(trace({"br0", "icmp,in_port=1", "--ct-next", "trk,new"}),
              HasSubstr(" Initial flow: \n Modified flow: \n===="));
  expect_delta({});
}

TEST_F(Conntrack, TraceOfADatapathFlowAndOfBytes) {
  start(2, kFirewall);
  const auto odp =
      trace({"in_port(1),eth(src=50:54:00:00:00:05,dst=50:54:00:00:00:07),eth_type(0x0800),"
             "ipv4(src=10.1.1.1,dst=10.1.1.2,proto=17,tos=0,ttl=64,frag=no),udp(src=1000,dst=53)"});
  EXPECT_THAT(odp, HasSubstr("Datapath actions: ct(commit),2"));
  std::string hex;
  for (const auto byte : build(query())) {
    static constexpr char kDigits[] = "0123456789abcdef";
    hex += kDigits[byte >> 4];
    hex += kDigits[byte & 15];
  }
  EXPECT_THAT(trace({"br0", "in_port=1", hex}), HasSubstr("Datapath actions: ct(commit),2"));
  EXPECT_EQ(trace({"br0", "in_port=1", hex + "0"}), "error: Trailing garbage in packet data");
  expect_delta({});
}

}  // namespace
}  // namespace sluice::testing
