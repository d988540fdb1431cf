// NAT in flows: packets leave translated, match translated after recirculation, and are dropped where nothing
// is left to translate them to.
#include <gmock/gmock.h>

#include "conntrack/tracker.h"
#include "tests/scenario/scenario.h"

namespace sluice::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class Nat : public Scenario {
 protected:
  static Layers query(const char* src, std::uint16_t sport, const char* dst, std::uint16_t dport) {
    return Ip4{.src = src, .dst = dst} / Udp{.sport = sport, .dport = dport} / Payload{"data"};
  }
};

/// The inside is port 1, the outside port 2. What table 1 matches is what the tracker left.
constexpr const char* kSource = R"(
table=0,priority=10,in_port=1,ip,actions=ct(commit,zone=5,nat(src=10.9.0.1),table=1)
table=0,priority=20,in_port=2,ip,actions=ct(zone=5,nat,table=1)
table=1,priority=30,ct_state=+trk+snat,ip,nw_src=10.9.0.1,actions=output:2
table=1,priority=40,ct_state=+trk+rpl+dnat,ip,nw_dst=10.0.0.1,actions=output:1
table=1,priority=50,ct_state=+trk+rel+rpl+dnat,icmp,nw_dst=10.0.0.1,actions=output:1
)";

TEST_F(Nat, SourceIsMatchedTranslated) {
  start(2, kSource);
  send(1, query("10.0.0.1", 1000, "10.0.0.2", 53));
  expect(2, query("10.9.0.1", 1000, "10.0.0.2", 53));
  expect_delta({{"t0p10", 1},
                {"t1p30", 1},
                {"recirculated", 1},
                {"tracked", 1},
                {"ct.lookups", 1},
                {"ct.created", 1},
                {"ct.committed", 1}});
  send(2, query("10.0.0.2", 53, "10.9.0.1", 1000));
  expect(1, query("10.0.0.2", 53, "10.0.0.1", 1000));
  expect_delta(
      {{"t0p20", 1}, {"t1p40", 1}, {"recirculated", 1}, {"tracked", 1}, {"ct.lookups", 1}, {"ct.hits", 1}});
  send(2, Ip4{.src = "10.0.0.77", .dst = "10.9.0.1"} /
              (Icmp4{.type = 11, .code = 0, .rest = 0} / query("10.9.0.1", 1000, "10.0.0.2", 53)));
  expect(1, Ip4{.src = "10.0.0.77", .dst = "10.0.0.1"} /
                (Icmp4{.type = 11, .code = 0, .rest = 0} / query("10.0.0.1", 1000, "10.0.0.2", 53)));
  expect_delta(
      {{"t0p20", 1}, {"t1p50", 1}, {"recirculated", 1}, {"tracked", 1}, {"ct.lookups", 1}, {"ct.hits", 1}});
  EXPECT_THAT(connections(), ElementsAre("udp,orig=(src=10.0.0.1,dst=10.0.0.2,sport=1000,dport=53),"
                                         "reply=(src=10.0.0.2,dst=10.9.0.1,sport=53,dport=1000),zone=5"));
}

TEST_F(Nat, WithoutATablePacketsGoOnTranslated) {
  start(2, R"(
priority=10,in_port=1,ip,actions=ct(commit,nat(src=10.9.0.1:7)),set_field:10.0.0.9->nw_dst,output:2
)");
  send(1, query("10.0.0.1", 1000, "10.0.0.2", 53));
  expect(2, query("10.9.0.1", 7, "10.0.0.9", 53));
}

TEST_F(Nat, BothEndsInTwoZones) {
  start(2, R"(
table=0,priority=10,in_port=1,ip,actions=ct(commit,zone=1,nat(dst=10.0.0.2:8080),table=1)
table=1,priority=10,ip,nw_dst=10.0.0.2,actions=ct(commit,zone=2,nat(src=10.9.0.1),table=2)
table=2,priority=10,udp,nw_src=10.9.0.1,nw_dst=10.0.0.2,tp_dst=8080,actions=output:2
table=0,priority=20,in_port=2,ip,actions=ct(zone=2,nat,table=3)
table=3,priority=10,ip,nw_dst=10.0.0.1,actions=ct(zone=1,nat,table=4)
table=4,priority=10,udp,nw_src=10.0.0.99,nw_dst=10.0.0.1,tp_src=80,actions=output:1
)");
  for (int i = 0; i < 3; ++i) {
    send(1, query("10.0.0.1", 1000, "10.0.0.99", 80));
    expect(2, query("10.9.0.1", 1000, "10.0.0.2", 8080));
    send(2, query("10.0.0.2", 8080, "10.9.0.1", 1000));
    expect(1, query("10.0.0.99", 80, "10.0.0.1", 1000));
  }
}

TEST_F(Nat, NothingLeavesUntranslated) {
  start(2, R"(
table=0,priority=10,in_port=1,ip,actions=ct(commit,nat(src=10.9.0.1:5000-5001),table=1)
table=1,priority=10,actions=output:2
)");
  for (std::uint16_t i = 0; i < 2; ++i) {
    send(1, query("10.0.0.1", static_cast<std::uint16_t>(1000 + i), "10.0.0.2", 53));
    expect(2, {Ip4{.src = "10.9.0.1"}});
  }
  expect_delta({{"t0p10", 2},
                {"t1p10", 2},
                {"recirculated", 2},
                {"tracked", 2},
                {"ct.lookups", 2},
                {"ct.created", 2},
                {"ct.committed", 2}});
  send(1, query("10.0.0.1", 1002, "10.0.0.2", 53));
  expect_delta({{"t0p10", 1},
                {"tracked", 1},
                {"ct.lookups", 1},
                {"ct.reason.nat_exhausted", 1},
                {"drop.connection_limit", 1}});
}

TEST_F(Nat, Ipv6) {
  start(2, R"(
table=0,priority=10,in_port=1,ipv6,actions=ct(commit,nat(src=[fd09::1]:7),table=1)
table=0,priority=20,in_port=2,ipv6,actions=ct(nat,table=1)
table=1,priority=30,ipv6,ipv6_src=fd09::1,actions=output:2
table=1,priority=40,ipv6,ipv6_dst=fd00::1,actions=output:1
)");
  const auto packet = [](const char* src, std::uint16_t sport, const char* dst, std::uint16_t dport) {
    return Ip6{.src = src, .dst = dst} / Tcp{.sport = sport, .dport = dport, .flags = "S"};
  };
  send(1, packet("fd00::1", 1000, "fd00::2", 80));
  expect(2, packet("fd09::1", 7, "fd00::2", 80));
  send(2, Ip6{.src = "fd00::2", .dst = "fd09::1"} /
              Tcp{.sport = 80, .dport = 7, .flags = "SA", .seq = 1, .ack = 1});
  expect(1, Ip6{.src = "fd00::2", .dst = "fd00::1"} / Tcp{.sport = 80, .dport = 1000, .flags = "SA"});
}

TEST_F(Nat, TraceTellsWhatIsTranslated) {
  start(2, kSource);
  const std::string fresh =
      trace({"br0", "in_port=1,udp,nw_src=10.0.0.1,nw_dst=10.0.0.2,tp_src=1000,tp_dst=53"});
  EXPECT_THAT(fresh,
              HasSubstr("ct_state=new|trk|snat: no connection of zone 5 has these addresses and ports; "
                        "NAT makes it src=10.9.0.1,dst=10.0.0.2,sport=1000,dport=53"));
  EXPECT_THAT(fresh, HasSubstr("Datapath actions: 2"));
  EXPECT_THAT(connections(), ElementsAre());
  send(1, query("10.0.0.1", 1000, "10.0.0.2", 53));
  expect(2, query("10.9.0.1", 1000, "10.0.0.2", 53));
  const std::string reply =
      trace({"br0", "in_port=2,udp,nw_src=10.0.0.2,nw_dst=10.9.0.1,tp_src=53,tp_dst=1000"});
  EXPECT_THAT(reply, HasSubstr("ct_state=est|rpl|trk|dnat: meets connection"));
  EXPECT_THAT(reply, HasSubstr("NAT makes it src=10.0.0.2,dst=10.0.0.1,sport=53,dport=1000"));
  EXPECT_THAT(reply, HasSubstr("Datapath actions: 1"));
  // A second client gets another port.
  const std::string second =
      trace({"br0", "in_port=1,udp,nw_src=10.0.0.3,nw_dst=10.0.0.2,tp_src=1000,tp_dst=53"});
  EXPECT_THAT(second, HasSubstr("NAT makes it src=10.9.0.1,dst=10.0.0.2,sport=1001,dport=53"));
  del_flows("");
  add_flow("table=0,in_port=1,ip,actions=ct(commit,zone=5,nat(src=10.9.0.1:1000),table=1)");
  EXPECT_THAT(
      trace({"br0", "in_port=1,udp,nw_src=10.0.0.3,nw_dst=10.0.0.2,tp_src=1000,tp_dst=53"}),
      HasSubstr("it would be dropped: No connection was created: every address and port that NAT may use"));
}

}  // namespace
}  // namespace sluice::testing
