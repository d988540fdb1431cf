// NORMAL in a bridge that snoops on multicast.
#include "l2/multicast_table.h"
#include "net/address.h"
#include "pipeline/pipeline_fixture.h"

namespace sluice::pipeline {
namespace {

class MulticastForwardingTest : public PipelineFixture {
 protected:
  MulticastForwardingTest() {
    mod("actions=NORMAL");
    configure(BridgeConfig::Multicast{});
  }
  void configure(std::optional<BridgeConfig::Multicast> multicast) {
    BridgeConfig config = pipeline.config();
    config.multicast = multicast;
    pipeline.configure(config);
  }
  l2::MulticastTable& table() { return pipeline.multicast_table(); }
  static be128 group(const std::string& text) {
    const auto v4 = net::parse_ipv4(text);
    return v4 ? net::v4_mapped(*v4) : *net::parse_ipv6(text);
  }
  std::string udp(unsigned port, const std::string& to, const std::string& tag = "") {
    return actions("in_port=" + std::to_string(port) + tag + ",dl_dst=01:00:5e:00:00:01,udp,nw_dst=" + to);
  }
  std::string udp6(unsigned port, const std::string& to) {
    return actions("in_port=" + std::to_string(port) + ",dl_dst=33:33:00:00:00:01,udp6,ipv6_dst=" + to);
  }
  std::string igmp(unsigned port, unsigned type) {
    flow::FlowKey key = key_of("in_port=" + std::to_string(port) +
                               ",dl_dst=01:00:5e:00:00:01,ip,nw_proto=2,nw_dst=225.0.0.1");
    key.tp_src = be16{static_cast<std::uint16_t>(type)};
    return dp_action::format_program(translate(key).program);
  }

  static constexpr const char* kToMain = "userspace(pid=0,slow_path(action))";
};

TEST_F(MulticastForwardingTest, AGroupGoesToWhoWantsIt) {
  EXPECT_EQ(udp(1, "225.0.0.1"), "100,2,3,4") << "nobody has asked";
  table().join(group("225.0.0.1"), 0, 3, at(1));
  table().join(group("225.0.0.1"), 0, 1, at(1));
  EXPECT_EQ(udp(1, "225.0.0.1"), "3");
  EXPECT_EQ(udp(3, "225.0.0.1"), "1");
  EXPECT_EQ(udp(2, "225.0.0.1"), "1,3");
  EXPECT_EQ(udp(1, "225.0.0.2"), "100,2,3,4");
  EXPECT_EQ(udp(1, "225.0.0.1", ",dl_vlan=5"), "100,2,3,4");
  table().hear_router(0, 4, at(1));
  table().hear_router(0, 3, at(1));
  EXPECT_EQ(udp(2, "225.0.0.1"), "1,3,4") << "each once";
  table().join(group("ff05::1"), 0, 2, at(1));
  EXPECT_EQ(udp6(1, "ff05::1"), "2,3,4");
  // The only one who wants it sends it.
  table().flush();
  table().join(group("225.0.0.1"), 0, 1, at(1));
  EXPECT_EQ(udp(1, "225.0.0.1"), "drop");
}

TEST_F(MulticastForwardingTest, WhatIsNeverAskedForIsFlooded) {
  configure(BridgeConfig::Multicast{.floods_unregistered = false});
  for (const char* to : {"224.0.0.5", "224.0.0.251"}) EXPECT_EQ(udp(1, to), "100,2,3,4");
  EXPECT_EQ(udp6(1, "ff02::1"), "100,2,3,4");
  EXPECT_EQ(udp(1, "224.0.1.1"), "drop");
  EXPECT_EQ(udp6(1, "ff02::2"), "drop");
  table().hear_router(0, 2, at(1));
  EXPECT_EQ(udp(1, "224.0.1.1"), "2");
  EXPECT_EQ(actions("in_port=1,dl_dst=ff:ff:ff:ff:ff:ff,udp,nw_dst=225.0.0.1"), "100,2,3,4");
  EXPECT_EQ(actions("in_port=1,dl_dst=01:00:5e:00:00:01,arp"), "100,2,3,4");
  EXPECT_EQ(actions("in_port=1,dl_dst=33:33:00:00:00:01,icmp6,icmp_type=128,ipv6_dst=ff02::1"), "100,2,3,4");
  configure(std::nullopt);
  EXPECT_EQ(udp(1, "224.0.1.1"), "100,2,3,4");
}

TEST_F(MulticastForwardingTest, PortsThatWantEverything) {
  configure(BridgeConfig::Multicast{.floods_unregistered = false});
  pipeline.set_port(2, {.dp_port = 2, .name = "p2", .vlan = {}, .wants_multicast = true});
  pipeline.set_port(3, {.dp_port = 3, .name = "p3", .vlan = {}, .wants_reports = true});
  EXPECT_EQ(udp(1, "225.0.0.1"), "2");
  table().join(group("225.0.0.1"), 0, 4, at(1));
  EXPECT_EQ(udp(1, "225.0.0.1"), "2,4");
  EXPECT_EQ(udp(2, "225.0.0.1"), "4");
  EXPECT_EQ(igmp(1, 0x16), std::string(kToMain) + ",3");
}

TEST_F(MulticastForwardingTest, ReportsGoToRoutersAndAllToMain) {
  for (const unsigned type : {0x12u, 0x16u, 0x17u, 0x22u}) EXPECT_EQ(igmp(1, type), kToMain);
  EXPECT_EQ(igmp(1, 0x11), std::string(kToMain) + ",100,2,3,4");
  EXPECT_EQ(igmp(1, 0x30), std::string(kToMain) + ",100,2,3,4");
  table().hear_router(0, 4, at(1));
  EXPECT_EQ(igmp(1, 0x16), std::string(kToMain) + ",4");
  EXPECT_EQ(igmp(4, 0x16), kToMain);
  EXPECT_FALSE(result.drop) << "it is heard";
  for (const auto& [type, sent] :
       std::map<int, std::string>{{130, ",100,2,3,4"}, {131, ",4"}, {132, ",4"}, {143, ",4"}})
    EXPECT_EQ(actions("in_port=1,dl_dst=33:33:00:00:00:01,icmp6,icmp_type=" + std::to_string(type)),
              kToMain + sent);
  // The state says where the frame came in, the action in which VLAN.
  translate(key_of("in_port=1,dl_vlan=7,dl_dst=33:33:00:00:00:01,icmp6,icmp_type=131"));
  const auto& told = std::get<dp_action::Userspace>(result.program.at(0).variant());
  EXPECT_EQ(told.vlan, 7);
  EXPECT_EQ(pipeline.frozen_state(told.recirc_id)->data.in_port, 1u);
}

TEST_F(MulticastForwardingTest, VlansAreKept) {
  PortInfo access{.dp_port = 2, .name = "p2", .vlan = {}};
  access.vlan.mode = l2::VlanMode::Access;
  access.vlan.tag = 7;
  pipeline.set_port(2, access);
  table().join(group("225.0.0.1"), 7, 2, at(1));
  table().join(group("225.0.0.1"), 7, 3, at(1));
  EXPECT_EQ(udp(1, "225.0.0.1", ",dl_vlan=7"), "3,pop_vlan,2");
  EXPECT_EQ(udp(2, "225.0.0.1"), "push_vlan(vid=7,pcp=0),3");
  access.vlan.tag = 8;
  pipeline.set_port(2, access);
  EXPECT_EQ(udp(1, "225.0.0.1", ",dl_vlan=7"), "3") << "it is in that VLAN no more";
}

TEST_F(MulticastForwardingTest, RestsOnItsGroupAndRouters) {
  table().join(group("225.0.0.1"), 0, 3, at(1));
  udp(1, "225.0.0.1");
  const auto tables = pipeline.tables_epoch();
  auto rests_on = result.l2;
  const auto epoch = pipeline.epoch();
  for (unsigned i = 2; i < 20; ++i) table().join(group("225.0.0." + std::to_string(i)), 0, 3, at(1));
  EXPECT_EQ(pipeline.epoch(), epoch + 18);
  EXPECT_EQ(pipeline.tables_epoch(), tables);
  EXPECT_TRUE(rests_on.unchanged());
  table().join(group("225.0.0.1"), 0, 4, at(1));
  EXPECT_FALSE(rests_on.unchanged());
  udp(1, "225.0.0.1");
  rests_on = result.l2;
  table().hear_router(0, 2, at(1));
  EXPECT_FALSE(rests_on.unchanged());
  udp(1, "224.0.0.1");
  rests_on = result.l2;
  table().flush();
  EXPECT_TRUE(rests_on.unchanged()) << "it looked no group up";
  pipeline.remove_port(3);
  EXPECT_EQ(udp(1, "225.0.0.9"), "100,2,4");
}

}  // namespace
}  // namespace sluice::pipeline
