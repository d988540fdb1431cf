// Flows without connection tracking: output, drop, VLAN, rewrite, NORMAL, deletion, timeouts.
#include "tests/scenario/scenario.h"

namespace sluice::testing {
namespace {

class Forwarding : public Scenario {};

TEST_F(Forwarding, OutputToAPort) {
  start(2, "priority=10,in_port=1,actions=output:2\n");
  send(1, Ip4{.src = "10.1.1.1", .dst = "10.1.1.2"} / Udp{.sport = 7, .dport = 53} / Payload{"hello"});
  expect(2, Ip4{.src = "10.1.1.1", .dst = "10.1.1.2", .ttl = 64} / Udp{.sport = 7, .dport = 53} /
                Payload{"hello"});
  expect_delta({{"t0p10", 1}});
}

TEST_F(Forwarding, NothingMatches) {
  start(2, "priority=10,in_port=1,actions=output:2\n");
  send(2, Ip4{} / Udp{});
  expect_delta({{"drop.table_miss", 1}});
}

TEST_F(Forwarding, DropAction) {
  start(2, "priority=10,udp,actions=drop\npriority=1,actions=output:2\n");
  send(1, Ip4{} / Udp{});
  send(1, Ip4{} / Tcp{});
  expect(2, Ip4{} / Tcp{});
  expect_delta({{"t0p10", 1}, {"t0p1", 1}, {"drop.explicit_drop", 1}});
}

TEST_F(Forwarding, TruncatedFrameIsMalformed) {
  start(2, "priority=1,actions=output:2\n");
  send_frame(1, Frame{1, 2, 3, 4, 5, 6, 7});
  expect_delta({{"drop.malformed_ethernet", 1}});
}

TEST_F(Forwarding, TwoPortsGetACopyEach) {
  start(3, "priority=1,in_port=1,actions=output:2,output:3\n");
  send(1, Ip4{} / Udp{});
  expect(2, Ip4{} / Udp{});
  expect(3, Ip4{} / Udp{});
  expect_delta({{"t0p1", 1}, {"copied", 1}});
}

TEST_F(Forwarding, NotBackToTheInPortUnlessSaid) {
  start(2, "priority=2,udp,actions=output:1\npriority=1,tcp,actions=IN_PORT\n");
  send(1, Ip4{} / Udp{});
  send(1, Ip4{} / Tcp{});
  expect(1, Ip4{} / Tcp{});
  expect_delta({{"t0p2", 1}, {"t0p1", 1}, {"drop.input_port_only", 1}});
}

TEST_F(Forwarding, PushAndPopVlan) {
  start(2,
        "priority=2,in_port=1,actions=push_vlan:0x8100,set_field:4103->vlan_vid,output:2\n"
        "priority=1,in_port=2,dl_vlan=7,actions=pop_vlan,output:1\n");
  send(1, Ip4{} / Udp{});
  expect(2, Eth{} / Vlan{.vid = 7, .tpid = 0x8100} / Ip4{} / Udp{});
  send(2, Eth{} / Vlan{.vid = 7} / Ip4{} / Tcp{});
  expect(1, Eth{.type = 0x0800} / Ip4{} / Tcp{});
  send(2, Eth{} / Vlan{.vid = 8} / Ip4{} / Tcp{});
  expect_delta({{"t0p2", 1}, {"t0p1", 1}, {"drop.table_miss", 1}});
}

TEST_F(Forwarding, RewritesMendChecksums) {
  start(2,
        "priority=1,tcp,actions=mod_nw_src:192.168.7.9,mod_tp_dst:8080,dec_ttl,mod_dl_dst:02:00:00:00:00:99,"
        "output:2\n");
  send(1, Ip4{.src = "10.0.0.1", .ttl = 9} / Tcp{.sport = 5, .dport = 80} / Payload{"odd"});
  expect(2, Eth{.dst = "02:00:00:00:00:99"} / Ip4{.src = "192.168.7.9", .ttl = 8} /
                Tcp{.sport = 5, .dport = 8080} / Payload{"odd"});
  expect_delta({{"t0p1", 1}});
}

TEST_F(Forwarding, AnEthernetHeaderComesOffAndAnotherOn) {
  start(2,
        "table=0,priority=2,udp,actions=decap(),dec_ttl,resubmit(,1)\n"
        "table=0,priority=1,tcp,actions=decap(),ct(commit,table=1)\n"
        "table=1,priority=1,packet_type=(1,0x800),nw_dst=10.0.0.0/24,"
        "actions=encap(ethernet),mod_dl_src:02:00:00:00:00:09,mod_dl_dst:02:00:00:00:00:08,output:2\n"
        "table=1,priority=0,actions=output:2\n");
  send(1, Eth{.src = "02:00:00:00:00:01"} / Ip4{.dst = "10.0.0.7", .ttl = 9} / Udp{} / Payload{"x"});
  expect(2,
         Eth{.src = "02:00:00:00:00:09", .dst = "02:00:00:00:00:08"} / Ip4{.ttl = 8} / Udp{} / Payload{"x"});
  expect_delta({{"t0p2", 1}, {"t1p1", 1}});

  send(1, Eth{.src = "02:00:00:00:00:01"} / Ip4{.dst = "10.0.0.7"} / Tcp{.flags = "S"});
  expect(2, Eth{.src = "02:00:00:00:00:09", .dst = "02:00:00:00:00:08"} / Ip4{} / Tcp{.flags = "S"});
  expect_delta({{"t0p1", 1},
                {"t1p1", 1},
                {"recirculated", 1},
                {"tracked", 1},
                {"ct.lookups", 1},
                {"ct.created", 1},
                {"ct.committed", 1}});

  // What stays without an Ethernet header leaves through no port, and under a tag none comes off.
  send(1, Eth{} / Ip4{.dst = "10.0.1.7"} / Udp{});
  expect_delta({{"t0p2", 1}, {"t1p0", 1}, {"drop.unsupported_packet_type", 1}});
  send(1, Eth{} / Vlan{.vid = 5} / Ip4{.dst = "10.0.0.7"} / Udp{});
  expect_delta({{"t0p2", 1}, {"drop.unsupported_packet_type", 1}});
}

TEST_F(Forwarding, GotoTableAndRegisters) {
  start(3,
        "table=0,priority=1,in_port=1,actions=set_field:3->reg5,goto_table:7\n"
        "table=7,priority=2,reg5=3,actions=output:NXM_NX_REG5[]\n"
        "table=7,priority=1,actions=output:2\n");
  send(1, Ip4{} / Udp{});
  expect(3, Ip4{} / Udp{});
  expect_delta({{"t0p1", 1}, {"t7p2", 1}});
}

TEST_F(Forwarding, ResubmitRunsTheRestOfTheListToo) {
  start(3,
        "table=0,priority=1,in_port=1,actions=resubmit(,1),output:3\n"
        "table=1,priority=1,udp,actions=output:2\n");
  send(1, Ip4{} / Udp{});
  expect(2, Ip4{} / Udp{});
  expect(3, Ip4{} / Udp{});
  expect_delta({{"t0p1", 1}, {"t1p1", 1}, {"copied", 1}});
}

TEST_F(Forwarding, NormalFloodsThenKnows) {
  start(3, "priority=0,actions=NORMAL\n");
  send(1, Eth{.src = "02:00:00:00:00:01", .dst = "02:00:00:00:00:02"} / Ip4{} / Udp{});
  expect(2, Ip4{} / Udp{});
  expect(3, Ip4{} / Udp{});
  expect_delta({{"t0p0", 1}, {"copied", 1}});

  send(2, Eth{.src = "02:00:00:00:00:02", .dst = "02:00:00:00:00:01"} / Ip4{} / Udp{});
  expect(1, Ip4{} / Udp{});
  expect_delta({{"t0p0", 1}});

  send(1, Eth{.src = "02:00:00:00:00:01", .dst = "02:00:00:00:00:02"} / Ip4{} / Udp{});
  expect(2, Ip4{} / Udp{});
  expect_delta({{"t0p0", 1}});
}

TEST_F(Forwarding, NormalNoticesThatAHostMoved) {
  start(3, "priority=0,actions=NORMAL\n");
  const Eth a_to_b{.src = "02:00:00:00:00:0a", .dst = "02:00:00:00:00:0b"};
  const Eth b_to_a{.src = "02:00:00:00:00:0b", .dst = "02:00:00:00:00:0a"};
  send(1, a_to_b / Ip4{} / Udp{});
  expect(2, Ip4{} / Udp{});
  expect(3, Ip4{} / Udp{});
  send(2, b_to_a / Ip4{} / Udp{});
  expect(1, Ip4{} / Udp{});
  send(3, b_to_a / Ip4{} / Udp{});  // b is behind port 3 now
  expect(1, Ip4{} / Udp{});
  send(1, a_to_b / Ip4{} / Udp{});
  expect(3, Ip4{} / Udp{});
  send(2, b_to_a / Ip4{} / Udp{});  // and back, where its megaflow still waits
  expect(1, Ip4{} / Udp{});
  send(1, a_to_b / Ip4{} / Udp{});
  expect(2, Ip4{} / Udp{});
  expect_delta({{"t0p0", 6}, {"copied", 1}});
}

TEST_F(Forwarding, NormalAgesAddresses) {
  start(3, "priority=0,actions=NORMAL\n");
  send(2, Eth{.src = "02:00:00:00:00:0b", .dst = "02:00:00:00:00:0a"} / Ip4{} / Udp{});
  expect(1, Ip4{} / Udp{});
  expect(3, Ip4{} / Udp{});
  for (int i = 0; i < 302; ++i) advance(Duration::seconds(1));
  send(1, Eth{.src = "02:00:00:00:00:0a", .dst = "02:00:00:00:00:0b"} / Ip4{} / Udp{});
  expect(2, Ip4{} / Udp{});
  expect(3, Ip4{} / Udp{});
  expect_delta({{"t0p0", 2}, {"copied", 2}});
}

TEST_F(Forwarding, LocalPort) {
  start_with_local(1, "priority=2,in_port=1,actions=LOCAL\npriority=1,in_port=LOCAL,actions=output:1\n");
  send(1, Ip4{} / Udp{});
  expect(kLocalPort, Ip4{} / Udp{});
  send(kLocalPort, Ip4{} / Tcp{});
  expect(1, Ip4{} / Tcp{});
  expect_delta({{"t0p2", 1}, {"t0p1", 1}});
}

TEST_F(Forwarding, ControllerActionIsCountedAndTheRestGoesOn) {
  start(2, "priority=1,in_port=1,actions=CONTROLLER:128,output:2\n");
  send(1, Ip4{} / Udp{} / Payload{.size = 300});
  expect(2, Ip4{} / Udp{});
  expect_delta({{"t0p1", 1}, {"packet_ins", 1}});
  const auto packet_ins = device().device->upcalls().packet_ins().take();
  ASSERT_EQ(packet_ins.size(), 1u);
  EXPECT_EQ(packet_ins[0].bridge->name(), "br0");
  EXPECT_EQ(packet_ins[0].key.in_port.host(), 1u);
  EXPECT_EQ(packet_ins[0].bytes.size(), 14u + 20 + 8 + 300) << "there are no buffers: packets go whole";
}

TEST_F(Forwarding, ADeletedFlowForwardsNothingMore) {
  start(2, "priority=10,udp,actions=output:2\npriority=1,actions=drop\n");
  for (int i = 0; i < 5; ++i) {
    send(1, Ip4{} / Udp{});
    expect(2, Ip4{} / Udp{});
  }
  expect_delta({{"t0p10", 5}});
  del_flows("udp");
  send(1, Ip4{} / Udp{});
  expect_delta({{"t0p1", 1}, {"drop.explicit_drop", 1}});
  add_flow("priority=10,udp,actions=output:2");
  send(1, Ip4{} / Udp{});
  expect(2, Ip4{} / Udp{});
  expect_delta({{"t0p10", 1}});
}

TEST_F(Forwarding, AMoreSpecificFlowTakesOverAtOnce) {
  start(3, "priority=1,actions=output:2\n");
  send(1, Ip4{.dst = "10.0.0.9"} / Udp{});
  expect(2, Ip4{} / Udp{});
  add_flow("priority=5,ip,nw_dst=10.0.0.9,actions=output:3");
  send(1, Ip4{.dst = "10.0.0.9"} / Udp{});
  expect(3, Ip4{} / Udp{});
  send(1, Ip4{.dst = "10.0.0.8"} / Udp{});
  expect(2, Ip4{} / Udp{});
  expect_delta({{"t0p1", 2}, {"t0p5", 1}});
}

TEST_F(Forwarding, HardTimeout) {
  start(2, "priority=5,hard_timeout=10,actions=output:2\npriority=1,actions=drop\n");
  advance(Duration::seconds(9));
  send(1, Ip4{} / Udp{});
  expect(2, Ip4{} / Udp{});
  expect_delta({{"t0p5", 1}});
  advance(Duration::seconds(2));
  EXPECT_EQ(device().bridge().pipeline().flow_count(), 1u);
  send(1, Ip4{} / Udp{});
  expect_delta({{"t0p1", 1}, {"drop.explicit_drop", 1}});
}

TEST_F(Forwarding, IdleTimeoutCountsFromTheLastPacket) {
  start(2, "priority=5,idle_timeout=10,actions=output:2\npriority=1,actions=drop\n");
  for (int i = 0; i < 3; ++i) {
    advance(Duration::seconds(6));
    send(1, Ip4{} / Udp{});
    expect(2, Ip4{} / Udp{});
  }
  expect_delta({{"t0p5", 3}});
  advance(Duration::seconds(11));
  EXPECT_EQ(device().bridge().pipeline().flow_count(), 1u);
}

TEST_F(Forwarding, BytesAreThoseOfTheFrame) {
  start(2, "priority=5,in_port=1,actions=push_vlan:0x8100,output:2\n");
  for (const std::size_t size : {10u, 100u, 1000u}) send(1, Ip4{} / Udp{} / Payload{.size = size});
  const std::string dump = device().dump_flows();
  EXPECT_NE(dump.find("n_packets=3, n_bytes=1236, "), std::string::npos) << dump;  // 3 * 42 + 1110
}

}  // namespace
}  // namespace sluice::testing
