// What controllers ask of a bridge, what it answers, and packets that show that it was done. Error codes are
// those that the installed ovs-vswitchd gives for the same messages.
#include <gmock/gmock.h>

#include "tests/scenario/openflow_scenario.h"

namespace sluice::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class OpenFlowAgentTest : public OpenFlowScenario {};

constexpr OfVersion kVersions[] = {k10, k11, k12, k13, k14, k15};

TEST_F(OpenFlowAgentTest, SaysWhatItIs) {
  begin(1);
  EXPECT_EQ(connect(k13)->ask(FeaturesRequest{}),
            "OFPT_FEATURES_REPLY (OF1.3) (xid=0x65): dpid:0000000000001234\nn_tables:254, n_buffers:0\n"
            "capabilities: FLOW_STATS TABLE_STATS PORT_STATS GROUP_STATS QUEUE_STATS\n");
  EXPECT_THAT(connect(k15)->ask(FeaturesRequest{}), HasSubstr("QUEUE_STATS BUNDLES\n"));
  EXPECT_THAT(
      connect(k10)->ask(FeaturesRequest{}),
      AllOf(HasSubstr("capabilities: FLOW_STATS TABLE_STATS PORT_STATS QUEUE_STATS ARP_MATCH_IP\n"
                      "actions: output enqueue set_vlan_vid set_vlan_pcp strip_vlan mod_dl_src mod_dl_dst "
                      "mod_nw_src mod_nw_dst mod_nw_tos mod_tp_src mod_tp_dst\n"),
            HasSubstr(" 1(p1): addr:")));
  for (const OfVersion version : kVersions) {
    const auto client = connect(version);
    EXPECT_THAT(client->ask(DescRequest{}), HasSubstr("Manufacturer: Nicira, Inc.\n"));
    EXPECT_THAT(client->ask(GetConfigRequest{}), HasSubstr("frags=normal miss_send_len=128"));
    EXPECT_THAT(client->ask(TableStatsRequest{}), HasSubstr("tables 1...25"));
    EXPECT_THAT(client->ask(PortStatsRequest{}), HasSubstr("port  1: rx pkts=0, bytes=0, drop=0, errs=0"));
    EXPECT_THAT(client->ask(PortDescRequest{}), HasSubstr(" 1(p1): addr:"));
    EXPECT_THAT(client->ask(BarrierRequest{}), HasSubstr("BARRIER_REPLY"));
    if (version < k13) continue;
    EXPECT_THAT(client->ask(TableFeaturesRequest{}), HasSubstr("next tables: 1-253\n"));
    EXPECT_THAT(client->ask(MeterFeaturesRequest{}),
                HasSubstr("max_bands:8 max_color:0\nband_types: drop dscp_remark\n"));
    EXPECT_EQ(client->fails(TableFeaturesRequest{.entries = std::vector<std::uint8_t>(64)}),
              "OFPBPC_BAD_LEN");
  }
}

TEST_F(OpenFlowAgentTest, OfTablesOnlyNamesChange) {
  begin(1);
  using openflow::TableCommand, openflow::TableFeatures;
  const auto asking = [](OfVersion version, std::vector<TableFeatures> tables) {
    const auto message =
        openflow::make_message(openflow::TableFeaturesReply{std::move(tables)}, {.version = version}, 1);
    const auto bytes = openflow::encode(message);
    const auto head = static_cast<std::ptrdiff_t>(openflow::header_bytes(*message.form, version));
    return TableFeaturesRequest{.entries = {bytes.begin() + head, bytes.end()}};
  };
  const auto modified = [](std::uint8_t table, std::string name,
                           TableCommand command = TableCommand::Modify) {
    return TableFeatures{.table = table,
                         .command = command,
                         .name = std::move(name),
                         .metadata_match = ~std::uint64_t{0},
                         .metadata_write = ~std::uint64_t{0},
                         .max_entries = 1000000,
                         .eviction = true,
                         .vacancy_events = true};
  };
  // With all properties, which say that the tables can do nothing.
  for (const OfVersion version : {k13, k14, k15}) {
    const auto client = connect(version);
    EXPECT_EQ(client->fails(asking(version, {modified(3, "acl")})), "OFPTFFC_EPERM");
    EXPECT_EQ(client->fails(asking(version, {modified(254, "acl")})), "OFPTFFC_BAD_TABLE");
    EXPECT_EQ(client->fails(asking(version, {modified(3, "a"), modified(3, "b")})), "NXTFFC_DUP_TABLE");
  }
  const auto bare = [&](const TableFeatures& table) {
    constexpr std::size_t kBareBytes = 64;
    auto request = asking(k15, {table});
    request.entries.resize(kBareBytes);
    request.entries[0] = 0;
    request.entries[1] = kBareBytes;
    return request;
  };
  const auto client = connect(k15);
  EXPECT_THAT(client->ask(bare(modified(3, "acl"))), HasSubstr("table 3 (\"acl\")"));
  EXPECT_THAT(client->ask(bare(modified(3, ""))), Not(HasSubstr("acl")));
  EXPECT_EQ(client->fails(bare(modified(3, "acl", TableCommand::Disable))), "OFPTFFC_EPERM");
  EXPECT_EQ(client->fails(bare(modified(3, "acl", TableCommand::Replace))),
            "OFPTFFC_EPERM");  // others would go
  TableFeatures small = modified(3, "acl");
  small.max_entries = 7;
  EXPECT_EQ(client->fails(bare(small)), "OFPTFFC_EPERM");
  EXPECT_EQ(client->fails(bare(modified(3, "acl", static_cast<TableCommand>(4)))), "OFPTFFC_BAD_COMMAND");
  EXPECT_THAT(client->ask(TableFeaturesRequest{}), Not(HasSubstr("acl")));
}

TEST_F(OpenFlowAgentTest, FlowsInEveryVersion) {
  begin();
  for (const OfVersion version : kVersions) {
    const auto client = connect(version);
    EXPECT_EQ(client->flow("priority=7,tcp,tp_dst=80,idle_timeout=60,actions=2"), "");
    send(1, Ip4{} / Tcp{.dport = 80});
    expect(2, Ip4{} / Tcp{.dport = 80});
    send(1, Ip4{} / Tcp{.dport = 81});
    EXPECT_THAT(client->flows(),
                AllOf(HasSubstr("n_packets=1, n_bytes=54, idle_timeout=60, "),
                      HasSubstr("priority=7,tcp,tp_dst=80 actions=output:2\n"), Not(HasSubstr("more"))));
    AggregateRequest sum;
    EXPECT_THAT(client->ask(sum, version == k10), HasSubstr("packet_count=1 byte_count=54 flow_count=1\n"));
    EXPECT_EQ(client->flow("tcp,actions=3", action::FlowCommand::Modify), "");
    send(1, Ip4{} / Tcp{.dport = 80});
    expect(3, Ip4{} / Tcp{.dport = 80});
    EXPECT_EQ(client->flow("priority=7,tcp,tp_dst=80", action::FlowCommand::DeleteStrict), "");
    EXPECT_EQ(device().bridge().pipeline().flow_count(), 0u);
  }
}

TEST_F(OpenFlowAgentTest, FlowModErrors) {
  begin();
  const auto client = connect(k13);
  FlowMod mod;
  mod.flow.table = 254;
  EXPECT_EQ(client->fails(mod), "OFPBRC_EPERM");
  mod.flow.command = action::FlowCommand::Delete;
  EXPECT_EQ(client->fails(mod), "OFPBRC_EPERM");
  mod = {};
  mod.flow.buffer_id = 5;
  EXPECT_EQ(client->fails(mod), "OFPBRC_BUFFER_UNKNOWN");
  EXPECT_EQ(device().bridge().pipeline().flow_count(), 0u);
  mod.flow.command = action::FlowCommand::Delete;
  EXPECT_EQ(client->fails(mod), "");
  EXPECT_EQ(client->flow("actions=group:5"), "OFPBAC_BAD_OUT_GROUP");
  EXPECT_EQ(client->flow("actions=meter:5"), "OFPMMFC_INVALID_METER");
  EXPECT_EQ(client->flow("dp_hash=5,actions=1"), "OFPBRC_EPERM");
  EXPECT_EQ(client->flow("recirc_id=1,actions=1"), "OFPBRC_EPERM");
  EXPECT_EQ(client->flow("recirc_id=0,actions=1"), "");
  EXPECT_EQ(client->flow("recirc_id=0", action::FlowCommand::Delete), "");
  EXPECT_EQ(client->flow("priority=9,actions=1"), "");
  EXPECT_EQ(client->flow("priority=9,in_port=1,check_overlap,actions=1"), "OFPFMFC_OVERLAP");
  // What only a switch sends.
  EXPECT_EQ(client->fails(BarrierReply{}), "OFPBRC_BAD_TYPE");
  EXPECT_EQ(client->fails(FeaturesReply{}), "OFPBRC_BAD_TYPE");
  EXPECT_EQ(client->fails(RoleReply{}), "OFPBRC_BAD_TYPE");
  EXPECT_EQ(client->fails(IpfixBridgeRequest{}), "NXST_NOT_CONFIGURED");
}

TEST_F(OpenFlowAgentTest, AModifyOfOpenFlow11ThatFindsNothingAdds) {
  begin();
  const auto client = connect(k11);
  EXPECT_EQ(client->flow("cookie=7,tcp,actions=1", action::FlowCommand::Modify), "");
  EXPECT_THAT(client->flows(), HasSubstr("cookie=0x7, "));
  const auto later = connect(k12);
  EXPECT_EQ(later->flow("udp,actions=1", action::FlowCommand::Modify), "");
  EXPECT_EQ(device().bridge().pipeline().flow_count(), 1u);
}

TEST_F(OpenFlowAgentTest, DumpsGoInPiecesAndLaterRequestsWait) {
  begin();
  const auto client = connect(k13);
  for (unsigned i = 0; i < 1000; ++i)
    ASSERT_EQ(
        client->flow("table=" + std::to_string(i % 3) + ",priority=" + std::to_string(i) + ",actions=1"), "");
  client->messages();
  std::vector<std::uint8_t> both = encode(make_message(FlowStatsRequest{}, {.version = k13}, 7));
  const auto barrier = encode(make_message(BarrierRequest{}, {.version = k13}, 8));
  both.insert(both.end(), barrier.begin(), barrier.end());
  client->send_bytes(both);
  const auto messages = client->messages();
  ASSERT_GT(messages.size(), 3u);
  std::size_t flows = 0;
  for (std::size_t i = 0; i + 1 < messages.size(); ++i) {
    const auto message = decode(messages[i]);
    ASSERT_TRUE(message);
    EXPECT_EQ(message->xid, 7u);
    EXPECT_EQ(message->more, i + 2 < messages.size());
    flows += as<FlowStatsReply>(*message)->entries.size();
  }
  EXPECT_EQ(flows, 1000u);
  EXPECT_NE(as<BarrierReply>(*decode(messages.back())), nullptr);
}

TEST_F(OpenFlowAgentTest, FlowRemovedSaysWhyAndWhatItCounted) {
  begin();
  const auto client = connect(k13);
  const auto other = connect(k15);
  client->flow("send_flow_rem,cookie=1,idle_timeout=5,tcp,actions=2");
  client->flow("send_flow_rem,cookie=2,hard_timeout=3,udp,actions=2");
  client->flow("send_flow_rem,cookie=3,icmp,actions=2");
  client->flow("cookie=4,arp,actions=2");
  send(1, Ip4{} / Tcp{});
  expect(2, Ip4{} / Tcp{});
  std::string text = client->ask(FlowMod{action::parse_flow("", action::FlowCommand::Delete).value()});
  text += other->output();
  EXPECT_THAT(text, HasSubstr("OFPT_FLOW_REMOVED (OF1.3) (xid=0x0): tcp reason=delete table_id=0 "
                              "cookie:0x1 duration0s idle5 pkts1 bytes54\n"));
  EXPECT_THAT(text, HasSubstr("OFPT_FLOW_REMOVED (OF1.5)"));
  EXPECT_THAT(text, Not(HasSubstr("cookie:0x4")));
  client->flow("send_flow_rem,cookie=2,hard_timeout=3,udp,actions=2");
  advance(Duration::seconds(4));
  agent->run();
  EXPECT_THAT(client->output(), HasSubstr("reason=hard table_id=0 cookie:0x2 duration4s idle0 hard3 pkts0"));
}

TEST_F(OpenFlowAgentTest, BundlesAreAllOrNothing) {
  begin();
  const auto client = connect(k14);
  const auto flow = [](const std::string& text) {
    return FlowMod{action::parse_flow(text, action::FlowCommand::Add).value()};
  };
  client->bundle(1, BundleControlType::OpenRequest);
  EXPECT_EQ(client->bundle_add(1, flow("tcp,actions=2")), "");
  EXPECT_EQ(client->bundle_add(1, flow("udp,actions=meter:9")), "");
  const std::string failed = client->bundle(1, BundleControlType::CommitRequest);
  EXPECT_THAT(failed, AllOf(StartsWith("OFPT_ERROR (OF1.4) (xid=0x67): OFPMMFC_INVALID_METER\n"),
                            HasSubstr("(xid=0x68): OFPBFC_MSG_FAILED")));
  EXPECT_EQ(device().bridge().pipeline().flow_count(), 0u);

  // What is wrong whatever the tables are is said at once, and the bundle goes on without it.
  FlowMod buffered = flow("sctp,actions=2");
  buffered.flow.buffer_id = 7;
  EXPECT_THAT(client->bundle_add(3, buffered), HasSubstr("OFPBRC_BUFFER_UNKNOWN"));
  EXPECT_THAT(client->bundle_add(3, flow("table=254,actions=2")), HasSubstr("OFPBRC_EPERM"));
  EXPECT_EQ(client->bundle_add(3, flow("sctp,actions=2")), "");
  EXPECT_THAT(client->bundle(3, BundleControlType::CommitRequest), HasSubstr("type=COMMIT_REPLY"));
  EXPECT_EQ(device().bridge().pipeline().clear_flows(), 1u);

  // A group and flows that use it; a packet-out meets the flows as they are at its place.
  client->bundle(2, BundleControlType::OpenRequest);
  client->bundle_add(2, GroupMod{action::parse_group("group_id=1,type=all,bucket=actions=3").value()});
  client->bundle_add(2, flow("priority=1,actions=group:1"));
  PacketOut out;
  field::set_match(out.metadata, field::FieldId::InPortOxm, 1, 0xffffffff);
  out.actions = action::parse_actions("resubmit(,0)").value();
  out.packet = build(Ip4{} / Udp{});
  client->bundle_add(2, out);
  client->bundle_add(2, flow("priority=1,actions=2"));
  PortMod port{.number = 2, .address = agent->describe_port(2)->address};
  port.config = port.mask = port_config::kNoPacketIn;
  client->bundle_add(2, port);
  EXPECT_THAT(client->bundle(2, BundleControlType::CommitRequest), HasSubstr("type=COMMIT_REPLY flags=0"));
  expect(3, Ip4{} / Udp{});
  send(1, Ip4{} / Udp{});
  expect(2, Ip4{} / Udp{});
  EXPECT_EQ(agent->describe_port(2)->config, port_config::kNoPacketIn);
  EXPECT_EQ(client->bundle(2, BundleControlType::DiscardRequest).find("OFPT_ERROR"), 0u);
}

TEST_F(OpenFlowAgentTest, PacketOutsGoThroughTables) {
  begin(3,
        "table=0,in_port=1,udp,actions=2\n"
        "table=0,tcp,actions=ct(table=1)\n"
        "table=1,ct_state=+trk+new,tcp,actions=ct(commit),3\n");
  for (const OfVersion version : kVersions) {
    const auto client = connect(version);
    packet_out(*client, 1, "TABLE", Ip4{} / Udp{});
    expect(2, Ip4{} / Udp{});
    packet_out(*client, 1, "3,2", Ip4{} / Udp{});
    expect(3, Ip4{} / Udp{});
    expect(2, Ip4{} / Udp{});
    // A packet that came from nowhere is recirculated all the same.
    packet_out(*client, action::of_port::kController, "TABLE",
               Ip4{} / Tcp{.sport = static_cast<std::uint16_t>(version), .flags = "S"});
    expect(3, Ip4{} / Tcp{.flags = "S"});
  }
  EXPECT_EQ(connections().size(), 6u);
  EXPECT_THAT(device().dump_flows(), HasSubstr("n_packets=6, n_bytes=252, udp,in_port=1"));
}

TEST_F(OpenFlowAgentTest, PacketOutErrors) {
  begin();
  const auto client = connect(k13);
  PacketOut out;
  field::set_match(out.metadata, field::FieldId::InPortOxm, 1, 0xffffffff);
  out.buffer = 1;
  EXPECT_EQ(client->fails(out), "OFPBRC_BUFFER_UNKNOWN");
  out.buffer.reset();
  out.actions = action::parse_actions("group:5").value();
  out.packet = build(Ip4{} / Udp{});
  EXPECT_EQ(client->fails(out), "OFPBAC_BAD_OUT_GROUP");
  out.actions = action::parse_actions("2").value();
  out.packet.resize(13);
  EXPECT_EQ(client->fails(out), "");
  // Header fields have no place beside the packet.
  const auto newest = connect(k15);
  field::set_match(out.metadata, field::FieldId::EthType, 0x800, 0xffff);
  EXPECT_EQ(newest->fails(out), "OFPBRC_PIPELINE_FIELDS_ONLY")
      << print(encode(make_message(out, {.version = k15}, 1)));
}

TEST_F(OpenFlowAgentTest, APausedPacketGoesOn) {
  begin(3,
        "in_port=1,udp,actions=set_field:5->reg1,push:NXM_NX_REG1[],controller(pause),pop:NXM_NX_REG2[],"
        "resubmit(,1)\n"
        "table=1,reg1=5,reg2=5,actions=3\n");
  const auto client = connect(k13);
  client->ask(SetPacketInFormat{.style = Style::Nicira2});
  send(1, Ip4{} / Udp{.sport = 77});
  deliver_packet_ins();
  const auto messages = client->messages();
  ASSERT_EQ(messages.size(), 1u);
  const auto packet_in = decode(messages[0]);
  ASSERT_TRUE(packet_in) << print(messages[0], {});
  expect_delta({{"t0p32768", 1}, {"packet_ins", 1}, {"delivered", 1}});
  Resume resume{*as<PacketIn>(*packet_in)};
  EXPECT_EQ(client->ask(resume), "");
  expect(3, Ip4{} / Udp{.sport = 77});
  resume.packet.continuation->bridge[0] ^= 1;
  EXPECT_EQ(client->fails(resume), "NXR_STALE");
}

TEST_F(OpenFlowAgentTest, APausedPacketWithoutAnEthernetHeaderGoesOn) {
  begin(3,
        "in_port=1,udp,actions=decap(),controller(pause),encap(ethernet),mod_dl_dst:02:00:00:00:00:09,3\n");
  const auto client = connect(k15);
  client->ask(SetPacketInFormat{.style = Style::Nicira2});
  const Frame frame = build(Ip4{} / Udp{.sport = 77});
  send_frame(1, frame);
  deliver_packet_ins();
  const auto messages = client->messages();
  ASSERT_EQ(messages.size(), 1u);
  const auto packet_in = decode(messages[0]);
  ASSERT_TRUE(packet_in) << print(messages[0], {});
  const Resume resume{*as<PacketIn>(*packet_in)};
  EXPECT_EQ(resume.packet.packet, Frame(frame.begin() + 14, frame.end()));
  EXPECT_EQ(client->ask(resume), "");
  expect(3, Eth{.dst = "02:00:00:00:00:09"} / Ip4{} / Udp{.sport = 77});
}

TEST_F(OpenFlowAgentTest, GroupsAndMeters) {
  begin();
  const auto client = connect(k15);
  const auto group = [&](const std::string& text, action::GroupCommand command = action::GroupCommand::Add) {
    return client->fails(GroupMod{action::parse_group(text, command).value()});
  };
  EXPECT_EQ(group("group_id=9,type=all", action::GroupCommand::Modify), "OFPGMFC_UNKNOWN_GROUP");
  EXPECT_EQ(group("group_id=9", action::GroupCommand::Delete), "");
  EXPECT_EQ(group("group_id=1,type=select,bucket=bucket_id=1,actions=2"), "");
  EXPECT_EQ(group("group_id=1,type=all"), "OFPGMFC_GROUP_EXISTS");
  EXPECT_EQ(group("group_id=1,command_bucket_id=last,bucket=bucket_id=2,weight=1,actions=3",
                  action::GroupCommand::InsertBucket),
            "");
  EXPECT_THAT(client->ask(GroupDescRequest{}),
              HasSubstr("group_id=1,type=select,bucket=bucket_id:1,actions=output:2,bucket=bucket_id:2,"
                        "actions=output:3\n"));
  EXPECT_EQ(client->flow("send_flow_rem,actions=group:1"), "");
  EXPECT_THAT(client->ask(GroupStatsRequest{}),
              HasSubstr("group_id=1,duration=0s,ref_count=1,packet_count=0"));
  EXPECT_EQ(client->ask(GroupStatsRequest{.group = 7}), "OFPST_GROUP reply (OF1.5) (xid=0x6d):\n");
  EXPECT_THAT(client->ask(GroupMod{action::parse_group("group_id=1", action::GroupCommand::Delete).value()}),
              HasSubstr("reason=group_delete"));

  const auto meter = [&](const std::string& text, action::MeterCommand command = action::MeterCommand::Add) {
    return client->fails(MeterMod{action::parse_meter(text, command).value()});
  };
  EXPECT_EQ(meter("meter=1,kbps,band=type=drop,rate=100"), "");
  EXPECT_EQ(meter("meter=1,kbps,band=type=drop,rate=100"), "OFPMMFC_METER_EXISTS");
  EXPECT_EQ(meter("meter=9,kbps,band=type=drop,rate=100", action::MeterCommand::Modify),
            "OFPMMFC_UNKNOWN_METER");
  EXPECT_EQ(meter("meter=9", action::MeterCommand::Delete), "");
  EXPECT_EQ(client->fails(MeterStatsRequest{{.meter = 7}}), "OFPMMFC_UNKNOWN_METER");
  EXPECT_THAT(client->ask(MeterConfigRequest{{.meter = 1}}), HasSubstr("meter=1 kbps bands="));
  EXPECT_EQ(client->flow("send_flow_rem,actions=meter:1,2"), "");
  EXPECT_THAT(client->ask(MeterMod{action::parse_meter("meter=1", action::MeterCommand::Delete).value()}),
              HasSubstr("reason=meter_delete"));
  EXPECT_EQ(device().bridge().pipeline().flow_count(), 0u);
}

TEST_F(OpenFlowAgentTest, RequestsAreForwardedToThoseWhoAsk) {
  begin();
  const auto one = connect(k14);
  const auto other = connect(k15);
  SetAsync wanted;
  wanted.primary[static_cast<std::size_t>(AsyncKind::RequestForward)] = 3;
  other->ask(wanted);
  one->ask(GroupMod{action::parse_group("group_id=1,type=all").value()});
  EXPECT_THAT(other->output(),
              AllOf(HasSubstr("OFPT_REQUESTFORWARD (OF1.5)"), HasSubstr("group_id=1,type=all")));
  EXPECT_EQ(one->output(), "");
}

TEST_F(OpenFlowAgentTest, PortModsTakeEffect) {
  begin(3, "actions=FLOOD\n");
  const auto client = connect(k10);
  const auto watcher = connect(k13);
  const auto mod = [&](std::uint32_t port, std::uint32_t config, std::uint32_t mask) {
    const auto text = client->fails(PortMod{
        .number = port, .address = agent->describe_port(port)->address, .config = config, .mask = mask});
    return text;
  };
  EXPECT_THAT(mod(2, port_config::kNoFlood, port_config::kNoFlood), HasSubstr("MOD: 2(p2)"));
  EXPECT_THAT(watcher->output(), HasSubstr("OFPT_PORT_STATUS (OF1.3) (xid=0x0): MOD: 2(p2)"));
  send(1, Ip4{} / Udp{});
  expect(3, Ip4{} / Udp{});
  mod(2, 0, port_config::kNoFlood);
  mod(3, port_config::kDown, port_config::kDown);
  EXPECT_THAT(client->ask(PortDescRequest{}),
              HasSubstr("     config:     PORT_DOWN\n     state:      LINK_DOWN\n"));
  send(1, Ip4{} / Udp{});
  expect(2, Ip4{} / Udp{});
  send(3, Ip4{} / Udp{});
  mod(3, 0, port_config::kDown);
  mod(1, port_config::kNoRecv, port_config::kNoRecv);
  send(1, Ip4{} / Udp{});
  mod(1, port_config::kNoForward, port_config::kNoForward | port_config::kNoRecv);
  send(2, Ip4{} / Udp{});
  expect(3, Ip4{} / Udp{});
  EXPECT_EQ(client->fails(PortMod{.number = 9}), "OFPPMFC_BAD_PORT");
  PortMod wrong{.number = 1};
  wrong.address.bytes[5] = 0xee;
  EXPECT_EQ(client->fails(wrong), "OFPPMFC_BAD_HW_ADDR");
  EXPECT_EQ(client->fails(QueueStatsRequest{.port = 1, .queue = 5}), "OFPQOFC_BAD_QUEUE");
  EXPECT_EQ(client->fails(QueueStatsRequest{.port = 99}), "OFPQOFC_BAD_PORT");
}

TEST_F(OpenFlowAgentTest, TablesEvictAndTellOfVacancy) {
  begin();
  ASSERT_TRUE(device().bridge().pipeline().configure_table(1, {.max_flows = 10}));
  const auto client = connect(k14);
  EXPECT_EQ(client->fails(TableMod{.table = 254}), "OFPTMFC_EPERM");
  SetAsync asks_for_table_status;
  asks_for_table_status.primary[static_cast<std::size_t>(AsyncKind::TableStatus)] = 1u << 3 | 1u << 4;
  EXPECT_EQ(client->ask(asks_for_table_status), "");
  EXPECT_EQ(client->ask(TableMod{.table = 1, .eviction = true, .vacancy = Vacancy{.down = 30, .up = 60}}),
            "");
  std::string told;
  for (unsigned i = 0; i < 12; ++i)
    told += client->ask(
        FlowMod{action::parse_flow("table=1,hard_timeout=9,priority=" + std::to_string(i) + ",actions=1",
                                   action::FlowCommand::Add)
                    .value()});
  EXPECT_THAT(told, AllOf(HasSubstr("reason=VACANCY_DOWN"), HasSubstr("vacancy=20%")));
  EXPECT_EQ(device().bridge().pipeline().flow_count(), 10u);
  EXPECT_THAT(client->ask(FlowMod{action::parse_flow("table=1", action::FlowCommand::Delete).value()}),
              HasSubstr("reason=VACANCY_UP"));
  EXPECT_THAT(client->ask(TableDescRequest{}), HasSubstr("table 1:\n   eviction=on"));
}

TEST_F(OpenFlowAgentTest, TableMissAsOpenFlow11Has) {
  begin(2, "table=1,actions=2\n");
  const auto client = connect(k11);
  EXPECT_EQ(client->ask(TableMod{.table = 0, .miss = TableMiss::Continue}), "");
  send(1, Ip4{} / Udp{});
  expect(2, Ip4{} / Udp{});
  EXPECT_EQ(client->ask(TableMod{.table = 0, .miss = TableMiss::Drop}), "");
  send(1, Ip4{} / Udp{});
}

TEST_F(OpenFlowAgentTest, FragmentsAsConfigured) {
  begin(3, "priority=9,udp,tp_dst=80,actions=2\npriority=8,ip,actions=3\n");
  const auto client = connect(k13);
  const auto set = [&](FragmentHandling handling) {
    SetConfig config;
    config.fragments = handling;
    config.miss_send_len = 128;
    EXPECT_EQ(client->ask(config), "");
  };
  const Frame first = fragment(build(Ip4{} / Udp{.dport = 80} / Payload{std::string(100, 'x')}), 64).front();
  send_frame(1, first);
  expect_frames(3, {first});
  set(FragmentHandling::NxMatch);
  send_frame(1, first);
  expect_frames(2, {first});
  set(FragmentHandling::Reassemble);  // not for flow tables
  EXPECT_THAT(client->ask(GetConfigRequest{}), HasSubstr("frags=nx-match"));
  set(FragmentHandling::Drop);
  EXPECT_THAT(client->ask(GetConfigRequest{}), HasSubstr("frags=drop"));
  send_frame(1, first);
  set(FragmentHandling::Normal);
  send(1, Ip4{} / Udp{.dport = 80});
  expect(2, Ip4{});
}

TEST_F(OpenFlowAgentTest, MonitorsHearOfChanges) {
  begin();
  for (const OfVersion version : kVersions) {
    device().bridge().pipeline().clear_flows();
    const auto client = connect(version);
    const auto other = connect(k13);
    other->flow("cookie=1,tcp,actions=1");
    other->flow("cookie=2,table=1,udp,actions=1");
    FlowMonitorRequest request;
    MonitorRequest& monitor = request.entries.emplace_back();
    monitor.id = 5;
    monitor.table = 0;
    monitor.flags = {.initial = true, .add = true, .removed = true, .modify = true, .actions = true};
    const bool openflow = version >= k14;
    EXPECT_THAT(client->ask(request),
                AllOf(HasSubstr(openflow ? "event=INITIAL table=0 cookie=0x1 tcp actions=output:1"
                                         : "event=ADDED table=0 cookie=0x1 tcp actions=output:1"),
                      Not(HasSubstr("cookie=0x2"))));
    EXPECT_EQ(client->fails(request), "OFPMOFC_MONITOR_EXISTS");
    other->flow("cookie=3,icmp,actions=1");
    EXPECT_THAT(client->output(), HasSubstr("event=ADDED table=0 cookie=0x3 icmp actions=output:1"));
    other->flow("cookie=3,icmp,actions=1");  // as it was
    EXPECT_EQ(client->output(), "");
    other->flow("icmp,actions=2", action::FlowCommand::Modify);
    EXPECT_THAT(client->output(), HasSubstr("event=MODIFIED table=0 cookie=0x3 icmp actions=output:2"));
    other->flow("icmp", action::FlowCommand::Delete);
    EXPECT_THAT(client->output(), HasSubstr("event=DELETED reason=delete table=0 cookie=0x3 icmp"));
    EXPECT_THAT(client->flow("sctp,actions=2"), HasSubstr("event=ABBREV xid="));

    // Who does not read is told less, and all when it has read.
    client->unsent_bytes = 1 << 20;
    other->flow("cookie=6,priority=1,actions=1");
    other->flow("cookie=7,priority=2,actions=1");
    other->flow("tcp", action::FlowCommand::Delete);
    EXPECT_THAT(client->output(),
                AllOf(HasSubstr("cookie=0x6"), HasSubstr("PAUSED"), Not(HasSubstr("cookie=0x7")),
                      HasSubstr("event=DELETED reason=delete table=0 cookie=0x1")));
    client->unsent_bytes = 0;
    agent->run();
    EXPECT_THAT(client->output(), AllOf(HasSubstr("event=ADDED table=0 cookie=0x7"), HasSubstr("RESUMED"),
                                        Not(HasSubstr("cookie=0x6"))));
    if (openflow) {
      monitor.command = MonitorCommand::Delete;
      EXPECT_EQ(client->fails(request).find("OFPST_FLOW_MONITOR reply"), 0u);
      EXPECT_EQ(client->fails(request), "OFPMOFC_UNKNOWN_MONITOR");
    } else {
      EXPECT_EQ(client->fails(FlowMonitorCancel{.id = 5}), "");
      EXPECT_EQ(client->fails(FlowMonitorCancel{.id = 5}), "OFPMOFC_UNKNOWN_MONITOR");
    }
    other->flow("cookie=9,arp,actions=1");
    EXPECT_EQ(client->output(), "");
  }
}

TEST_F(OpenFlowAgentTest, GeneveOptionsAreKept) {
  begin(1);
  const auto client = connect(k13);
  const auto mod = [&](TlvTableCommand command, std::vector<TlvMapping> mappings) {
    return client->fails(TlvTableMod{.command = command, .mappings = std::move(mappings)});
  };
  EXPECT_EQ(mod(TlvTableCommand::Add, {{0xffff, 1, 4, 0}}), "");
  EXPECT_EQ(mod(TlvTableCommand::Add, {{0xffff, 1, 4, 1}}), "NXTTMFC_DUP_ENTRY");
  EXPECT_EQ(mod(TlvTableCommand::Add, {{0xffff, 2, 4, 0}}), "NXTTMFC_ALREADY_MAPPED");
  EXPECT_EQ(mod(TlvTableCommand::Add, {{0xffff, 4, 124, 4}, {0xffff, 5, 124, 5}, {0xffff, 6, 124, 6}}),
            "NXTTMFC_TABLE_FULL");
  EXPECT_THAT(client->ask(TlvTableRequest{}), HasSubstr(" 0xffff   0x1       4  tun_metadata0\n"));
  EXPECT_EQ(mod(TlvTableCommand::Delete, {{0xffff, 9, 4, 9}}), "");
  EXPECT_EQ(mod(TlvTableCommand::Clear, {}), "");
  EXPECT_THAT(client->ask(TlvTableRequest{}), HasSubstr("allocated option space=0\n"));
}

TEST_F(OpenFlowAgentTest, ConnectionsAreFlushed) {
  begin(2, "ip,actions=ct(commit,zone=5),2\n");
  const auto client = connect(k13);
  const auto fill = [&] {
    for (std::uint16_t port = 1; port <= 3; ++port) {
      send(1, Ip4{} / Udp{.sport = port, .dport = 53});
      expect(2, Ip4{});
    }
  };
  fill();
  CtFlush one{.protocol = 17, .zone = 5, .original = {}, .reply = {}};
  one.original.src_port = 2;
  EXPECT_EQ(client->ask(one), "");
  EXPECT_EQ(connections().size(), 2u);
  EXPECT_EQ(client->ask(CtFlushZone{.zone = 4}), "");
  EXPECT_EQ(connections().size(), 2u);
  EXPECT_EQ(client->ask(CtFlushZone{.zone = 5}), "");
  EXPECT_EQ(connections().size(), 0u);
}

TEST_F(OpenFlowAgentTest, PartsOfARequestBecomeOne) {
  begin(1);
  const auto client = connect(k13);
  auto bytes = encode(make_message(DescRequest{}, {.version = k13}, 9));
  bytes[11] = 1;  // more
  client->send_bytes(bytes);
  EXPECT_EQ(client->output(), "");
  bytes[11] = 0;
  client->send_bytes(bytes);
  EXPECT_THAT(client->output(), StartsWith("OFPST_DESC reply (OF1.3) (xid=0x9)"));
  // One whose rest does not come is given up.
  bytes[11] = 1;
  client->send_bytes(bytes);
  device().clock.advance(Duration::seconds(2));
  client->session().tick(device().clock.now());
  EXPECT_EQ(Client::error_of(client->output()), "OFPBRC_MULTIPART_REQUEST_TIMEOUT");
  // And one that is too long.
  std::string refused;
  for (unsigned i = 0; i < 40 && refused.empty(); ++i) {
    bytes[7] = static_cast<std::uint8_t>(i);
    client->send_bytes(bytes);
    refused = client->output();
  }
  EXPECT_EQ(Client::error_of(refused), "OFPBRC_MULTIPART_BUFFER_OVERFLOW");
}

/// A flow-mod of OpenFlow 1.3 for table 0 with these actions, already encoded.
std::vector<std::uint8_t> flow_mod_with(const std::vector<std::uint8_t>& actions) {
  auto bytes = encode(make_message(FlowMod{}, {.version = k13}, 9));
  const auto put16 = [](std::vector<std::uint8_t>& out, std::size_t value) {
    out.push_back(static_cast<std::uint8_t>(value >> 8));
    out.push_back(static_cast<std::uint8_t>(value));
  };
  put16(bytes, 4);  // apply_actions
  put16(bytes, actions.size() + 8);
  bytes.insert(bytes.end(), 4, 0);
  bytes.insert(bytes.end(), actions.begin(), actions.end());
  bytes[2] = static_cast<std::uint8_t>(bytes.size() >> 8);
  bytes[3] = static_cast<std::uint8_t>(bytes.size());
  return bytes;
}

TEST_F(OpenFlowAgentTest, TheWorstMessagesAreAnswered) {
  begin();
  const auto client = connect(k13);
  constexpr unsigned kActions = 4000;
  // clone() inside clone(), as deep as a message can say it.
  std::vector<std::uint8_t> nested;
  for (unsigned left = kActions; left > 0; --left) {
    const std::size_t length = std::size_t{left} * 16;
    const std::uint8_t head[16] = {0xff,
                                   0xff,
                                   static_cast<std::uint8_t>(length >> 8),
                                   static_cast<std::uint8_t>(length),
                                   0,
                                   0,
                                   0x23,
                                   0x20,
                                   0,
                                   42};
    nested.insert(nested.end(), std::begin(head), std::end(head));
  }
  client->send_bytes(flow_mod_with(nested));
  EXPECT_THAT(client->output(), StartsWith("OFPT_ERROR (OF1.3) (xid=0x9): OFPBAC_"));
  EXPECT_EQ(device().bridge().pipeline().flow_count(), 0u);

  std::vector<std::uint8_t> flat;
  for (unsigned i = 0; i < kActions; ++i) {
    const std::uint8_t output[16] = {0, 0, 0, 16, 0, 0, 0, 2, 0xff, 0xff};
    flat.insert(flat.end(), std::begin(output), std::end(output));
  }
  client->send_bytes(flow_mod_with(flat));
  EXPECT_EQ(client->output(), "");
  EXPECT_EQ(device().bridge().pipeline().flow_count(), 1u);
}

}  // namespace
}  // namespace sluice::testing
