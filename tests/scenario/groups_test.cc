// Groups, meters and learned flows with packets: what comes out, and what was counted.
#include <gmock/gmock.h>

#include "tests/scenario/scenario.h"

namespace sluice::testing {
namespace {

using action::GroupCommand;
using action::MeterCommand;
using ::testing::HasSubstr;

class Groups : public Scenario {
 protected:
  void group(const std::string& text, GroupCommand command = GroupCommand::Add) {
    const auto done = device().bridge().change_groups(text, command, device().clock.now());
    ASSERT_TRUE(done) << text << ": " << done.error().message;
  }
  std::string stats(std::uint32_t id) {
    device().device->push_stats();
    return device().bridge().dump_group_stats(id, device().clock.now());
  }
};

TEST_F(Groups, CopiesOfAllAreCountedByBucket) {
  start(3, "");
  group("group_id=1,type=all,bucket=set_field:00:00:00:00:00:09->eth_dst,output:2,bucket=output:3");
  add_flow("priority=5,udp,actions=group:1");
  for (unsigned i = 0; i < 3; ++i) {
    send(1, Ip4{.src = "10.0.0.1"} / Udp{.dport = 53});
    expect(2, Eth{.dst = "00:00:00:00:00:09"} / Ip4{.src = "10.0.0.1"} / Udp{.dport = 53});
    expect(3, Ip4{.src = "10.0.0.1"} / Udp{.dport = 53});
  }
  expect_delta({{"t0p5", 3}, {"copied", 3}});
  EXPECT_THAT(stats(1), HasSubstr("ref_count=1,packet_count=3,"));
  EXPECT_THAT(stats(1), HasSubstr("bucket1:packet_count=3,"));
}

TEST_F(Groups, SelectSpreadsConnectionsAndKeepsEachTogether) {
  start(3, "");
  group("group_id=1,type=select,bucket=output:2,bucket=output:3");
  add_flow("priority=5,udp,actions=group:1");
  unsigned second = 0;
  for (std::uint16_t port = 1; port <= 200; ++port) {
    std::uint32_t way = 0;
    for (unsigned again = 0; again < 2; ++again) {
      send(1, Ip4{.src = "10.0.0.1", .dst = "10.0.0.2"} / Udp{.sport = port, .dport = 53});
      const std::uint32_t out = device().take_sent(2).empty() ? 3 : 2;
      if (out == 3) {
        EXPECT_EQ(device().take_sent(3).size(), 1u);
      }
      if (again == 0) way = out;
      EXPECT_EQ(out, way);
    }
    second += way == 3;
  }
  EXPECT_GT(second, 60u);
  EXPECT_LT(second, 140u);
  // A megaflow a slot, not one a connection.
  EXPECT_LE(device().device->datapath().stats().megaflows, 17u);
  EXPECT_THAT(stats(1), HasSubstr("packet_count=400,"));
}

TEST_F(Groups, BucketsTranslateToTheAddressesOfServers) {
  start(2, "table=1,actions=output:2\n");
  group("group_id=1,type=select,bucket=actions=ct(commit,nat(dst=10.0.0.9:8080),table=1)");
  group("group_id=2,type=select,bucket=actions=ct(commit,nat(dst=fd00::9),table=1)");
  add_flow("table=0,ip,in_port=1,actions=group:1");
  add_flow("table=0,ipv6,in_port=1,actions=group:2");
  send(1, Ip4{.dst = "10.0.0.100"} / Udp{.dport = 53});
  expect(2, Ip4{.dst = "10.0.0.9"} / Udp{.dport = 8080});
  send(1, Ip6{.dst = "fd00::100"} / Udp{.dport = 53});
  expect(2, Ip6{.dst = "fd00::9"} / Udp{.dport = 53});
}

TEST_F(Groups, ALearnedFlowServesTheVeryNextPacket) {
  start(2, "");
  add_flow(
      "table=0,priority=2,in_port=1,udp,actions=learn(table=1,priority=9,eth_type=0x800,nw_proto=17,"
      "NXM_OF_IP_SRC[]=NXM_OF_IP_DST[],NXM_OF_UDP_SRC[]=NXM_OF_UDP_DST[],output:NXM_OF_IN_PORT[]),output:2");
  add_flow("table=0,priority=1,in_port=2,actions=resubmit(,1)");
  send(2, Ip4{.src = "10.0.0.2", .dst = "10.0.0.1"} / Udp{.sport = 53, .dport = 7});
  expect_delta({{"t0p1", 1}, {"drop.table_miss", 1}});
  send(1, Ip4{.src = "10.0.0.1", .dst = "10.0.0.2"} / Udp{.sport = 7, .dport = 53});
  expect(2, Udp{.dport = 53});
  send(2, Ip4{.src = "10.0.0.2", .dst = "10.0.0.1"} / Udp{.sport = 53, .dport = 7});
  expect(1, Udp{.sport = 53});
  expect_delta({{"t0p1", 1}, {"t0p2", 1}, {"t1p9", 1}});
}

TEST_F(Groups, MetersDropWhatIsBeyondAndCountIt) {
  start(2, "");
  auto& bridge = device().bridge();
  EXPECT_THAT(
      bridge.change_flow("actions=meter:1,2", action::FlowCommand::Add, device().clock.now()).error().message,
      HasSubstr("meter 1 does not exist"));
  ASSERT_TRUE(bridge.change_meter("meter=1,pktps,burst,stats,band=type=drop,rate=10,burst_size=4",
                                  MeterCommand::Add, device().clock.now()));
  add_flow("priority=3,actions=meter:1,2");
  for (unsigned i = 0; i < 6; ++i) {
    send(1, Ip4{} / Udp{.dport = 53});
    if (i < 4) expect(2, Udp{.dport = 53});
  }
  expect_delta({{"t0p3", 6}, {"drop.meter_exceeded", 2}});
  advance(Duration::milliseconds(100));
  send(1, Ip4{} / Udp{.dport = 53});
  expect(2, Udp{.dport = 53});
  const auto counters = bridge.meter_counters(1, device().clock.now());
  EXPECT_EQ(counters.flows, 1u);
  EXPECT_EQ(counters.packets_in, 7u);
  EXPECT_EQ(counters.bands.at(0).packets, 2u);
  EXPECT_EQ(bridge.change_meter("", MeterCommand::Delete, device().clock.now()).value(), 1u);
  EXPECT_EQ(bridge.pipeline().flow_count(), 0u);
}

TEST_F(Groups, AllMetersAndTheirFlowsGoAtOnce) {
  start(2, "");
  auto& bridge = device().bridge();
  const auto meter = [&](const std::string& text, MeterCommand command = MeterCommand::Add) {
    return bridge.change_meter(text, command, device().clock.now());
  };
  constexpr unsigned kMeters = 1'000;
  for (unsigned id = kMeters; id > 0; --id)
    ASSERT_TRUE(meter("meter=" + std::to_string(id * 7) + ",pktps,band=type=drop,rate=10"));
  add_flow("priority=3,actions=meter:7,2");
  add_flow("priority=4,udp,actions=meter:14,2");
  add_flow("priority=5,tcp,actions=2");
  EXPECT_EQ(bridge.meter_counters(7, device().clock.now()).flows, 1u);
  unsigned ids = 0;
  for (auto id = bridge.next_meter(0); id; id = bridge.next_meter(*id + 1)) EXPECT_EQ(*id, ++ids * 7);
  EXPECT_EQ(ids, kMeters);
  const std::uint64_t before = bridge.pipeline().epoch();
  EXPECT_EQ(meter("", MeterCommand::Delete).value(), 2u);
  EXPECT_EQ(bridge.pipeline().epoch(), before + 1);
  EXPECT_EQ(bridge.next_meter(0), std::nullopt);
  EXPECT_EQ(bridge.pipeline().flow_count(), 1u);
  EXPECT_FALSE(bridge.change_flow("actions=meter:7,2", action::FlowCommand::Add, device().clock.now()));
  ASSERT_TRUE(meter("meter=7,pktps,band=type=drop,rate=10"));
  add_flow("priority=3,actions=meter:7,2");
}

TEST_F(Groups, MetersOfWhatGoesToControllersAndToMain) {
  start(2, "");
  auto& bridge = device().bridge();
  const auto meter = [&](const std::string& text, MeterCommand command = MeterCommand::Add) {
    ASSERT_TRUE(bridge.change_meter(text, command, device().clock.now()));
  };
  const auto take = [&] { return device().device->upcalls().packet_ins().take().size(); };
  add_flow("priority=3,actions=controller,2");
  add_flow("priority=4,udp,actions=controller(meter_id=5),2");
  const auto expect_copies = [&](const Layers& packet, std::size_t copies) {
    advance(Duration::seconds(1));
    for (unsigned i = 0; i < 4; ++i) {
      send(1, packet);
      expect(2, packet);
    }
    EXPECT_EQ(take(), copies);
  };
  expect_copies(Ip4{} / Tcp{}, 4);
  meter("meter=controller,pktps,burst,band=type=drop,rate=10,burst_size=2");
  // The packet goes on, whatever becomes of the copy; a meter that is not there has the controllers' in its
  // place.
  expect_copies(Ip4{} / Tcp{}, 2);
  expect_copies(Ip4{} / Udp{}, 2);
  meter("meter=5,pktps,burst,band=type=drop,rate=10,burst_size=1");
  expect_copies(Ip4{} / Udp{}, 1);
  EXPECT_EQ(bridge.meter_counters(action::meter_id::kController, device().clock.now()).packets_in, 8u);
  EXPECT_EQ(bridge.meter_counters(5, device().clock.now()).bands.at(0).packets, 3u);
  meter("meter=controller", MeterCommand::Delete);
  expect_copies(Ip4{} / Tcp{}, 4);
}

TEST_F(Groups, MetersRaiseTheDropPrecedenceOfWhatIsBeyond) {
  start(2, "");
  ASSERT_TRUE(device().bridge().change_meter(
      "meter=1,pktps,burst,band=type=dscp_remark,rate=10,burst_size=1,prec_level=1", MeterCommand::Add,
      device().clock.now()));
  add_flow("priority=3,actions=meter:1,2");
  const auto first_passes = [&] { advance(Duration::seconds(1)); };
  // AF11 becomes AF12, whatever else the byte says; the checksum is that of the packet as it leaves.
  constexpr std::uint8_t kAf11 = 10 << 2, kAf12 = 12 << 2, kAf13 = 14 << 2, kEf = 46 << 2, kEcn = 2;
  const Ip4 ip4{.src = "10.0.0.1", .dst = "10.0.0.2", .tos = kAf11 | kEcn};
  first_passes();
  send(1, ip4 / Udp{.dport = 53});
  expect(2, Ip4{.tos = kAf11 | kEcn});
  send(1, ip4 / Udp{.dport = 53});
  expect(2, Ip4{.src = "10.0.0.1", .tos = kAf12 | kEcn} / Udp{.dport = 53});
  send(1, Ip6{.src = "fd00::1", .dst = "fd00::2", .tos = kAf12 | kEcn, .label = 0x12345} / Udp{.dport = 53});
  expect(2, Ip6{.src = "fd00::1", .tos = kAf13 | kEcn, .label = 0x12345} / Udp{.dport = 53});
  send(1, Vlan{.vid = 5} / ip4 / Udp{.dport = 53});
  expect(2, Vlan{.vid = 5} / Ip4{.tos = kAf12 | kEcn});
  // The highest precedence of its class, no class of assured forwarding, and no IP.
  send(1, Ip4{.tos = kAf13} / Udp{});
  expect(2, Ip4{.tos = kAf13});
  send(1, Ip4{.tos = kEf} / Udp{});
  expect(2, Ip4{.tos = kEf});
  send(1, Eth{.type = 0x88b5});
  expect(2, Eth{.type = 0x88b5});
  expect_delta({{"t0p3", 7}});
  EXPECT_EQ(device().bridge().meter_counters(1, device().clock.now()).bands.at(0).packets, 6u);
  first_passes();
  send(1, ip4 / Udp{.dport = 53});
  expect(2, Ip4{.tos = kAf11 | kEcn});
}

}  // namespace
}  // namespace sluice::testing
