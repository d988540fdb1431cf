#include <fmt/core.h>

#include "pipeline/pipeline_fixture.h"

namespace sluice::pipeline {
namespace {

using packet::DropReason;

class PipelineTest : public PipelineFixture {
 protected:
  PipelineTest() : PipelineFixture(3) {}
};

// --- Flow tables

TEST_F(PipelineTest, AddReplacesAndDumpsInOrder) {
  mod("table=1,priority=5,tcp,actions=1");
  mod("priority=7,udp,actions=2");
  mod("priority=9,arp,actions=3");
  EXPECT_EQ(mod("table=1,priority=5,tcp,actions=3").added, 1u);
  EXPECT_EQ(pipeline.flow_count(), 3u);
  EXPECT_EQ(dump(), (std::vector<std::string>{"table=0,priority=9,arp,actions=output:3",
                                              "table=0,priority=7,udp,actions=output:2",
                                              "table=1,priority=5,tcp,actions=output:3"}));
}

TEST_F(PipelineTest, ModifyKeepsCountersAndAddResetsThemOnlyWhenTold) {
  mod("tcp,actions=1");
  translate(key_of("in_port=2,tcp"));
  result.credits.credit(3, 300, at(2));
  EXPECT_EQ(mod("tcp,actions=2", action::FlowCommand::Modify).modified, 1u);
  EXPECT_EQ(actions("in_port=3,tcp"), "2");
  FlowInfo flow;
  ASSERT_TRUE(pipeline.dump().next(flow));
  EXPECT_EQ(flow.packets, 3u);
  EXPECT_EQ(flow.bytes, 300u);
  // A megaflow of before the change goes on counting into the flow.
  result.clear();
  translate(key_of("in_port=2,tcp"));
  mod("tcp,actions=3", action::FlowCommand::Modify);
  result.credits.credit(1, 60, at(3));
  EXPECT_EQ(packets(), 4u);
  action::FlowSpec again = spec("tcp,actions=1");
  again.flags.reset_counts = true;
  ASSERT_TRUE(pipeline.apply(again, at(4)));
  EXPECT_EQ(packets(), 0u);
  EXPECT_EQ(pipeline.table_stats(0).lookups, 4u);
  EXPECT_EQ(pipeline.table_stats(0).matches, 4u);
}

TEST_F(PipelineTest, DeleteByMatchCookieAndOutPort) {
  mod("cookie=1,tcp,tp_dst=80,actions=1");
  mod("cookie=2,tcp,tp_dst=81,actions=2");
  mod("cookie=3,priority=5,tcp,actions=2");
  mod("cookie=4,table=3,udp,actions=clone(3)");
  EXPECT_TRUE(mod("priority=6,tcp", action::FlowCommand::DeleteStrict).removed.empty());
  EXPECT_EQ(mod("priority=5,tcp", action::FlowCommand::DeleteStrict).removed.size(), 1u);
  EXPECT_EQ(mod("cookie=2/-1", action::FlowCommand::Delete).removed.size(), 1u);
  EXPECT_EQ(mod("out_port=3", action::FlowCommand::Delete).removed.size(), 1u);
  EXPECT_EQ(mod("table=1", action::FlowCommand::Delete).removed.size(), 0u);
  const auto removed = mod("tcp", action::FlowCommand::Delete).removed;
  ASSERT_EQ(removed.size(), 1u);
  EXPECT_EQ(removed[0].rule->cookie(), 1u);
  EXPECT_EQ(removed[0].reason, RemovedReason::Delete);
  EXPECT_EQ(pipeline.flow_count(), 0u);
}

TEST_F(PipelineTest, OverlapAndFullTableAreRefused) {
  mod("priority=5,tcp,actions=1");
  action::FlowSpec overlapping = spec("priority=5,ip,nw_dst=10.0.0.0/8,actions=2");
  overlapping.flags.check_overlap = true;
  const auto refused = pipeline.apply(overlapping, at(1));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().of_error, static_cast<std::uint32_t>(field::OfError::FmfcOverlap) + 1);
  ASSERT_TRUE(pipeline.configure_table(0, {.name = "first", .max_flows = 1}));
  const auto full = pipeline.apply(spec("udp,actions=2"), at(1));
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().of_error, static_cast<std::uint32_t>(field::OfError::FmfcTableFull) + 1);
  EXPECT_TRUE(pipeline.apply(spec("priority=5,tcp,actions=2"), at(1)));  // replaces
}

TEST_F(PipelineTest, SeveralFlowModsShowAtOnceOrNotAtAll) {
  mod("tcp,actions=1");
  ASSERT_TRUE(pipeline.configure_table(0, {.name = {}, .max_flows = 2}));
  const std::uint64_t epoch = pipeline.epoch();
  const std::vector<action::FlowSpec> bundle = {spec("tcp", action::FlowCommand::Delete),
                                                spec("udp,actions=2"), spec("arp,actions=2"),
                                                spec("icmp,actions=2")};
  std::size_t failed = 0;
  EXPECT_FALSE(pipeline.apply(bundle, at(1), &failed));
  EXPECT_EQ(failed, 3u);
  EXPECT_EQ(pipeline.epoch(), epoch);
  EXPECT_EQ(dump(), std::vector<std::string>{"table=0,tcp,actions=output:1"});
  EXPECT_EQ(actions("in_port=2,tcp"), "1");
  ASSERT_TRUE(pipeline.apply(std::span(bundle).first(3), at(1)));
  EXPECT_GT(pipeline.epoch(), epoch);
  EXPECT_EQ(actions("in_port=1,udp"), "2");
  EXPECT_EQ(actions("in_port=2,tcp"), "drop");
}

TEST_F(PipelineTest, AChangeMayReplaceAFlowAgainAndAgain) {
  constexpr unsigned kTimes = 1000;
  mod("priority=5,udp,tp_src=1,actions=1");
  mod("priority=4,udp,actions=3");
  std::vector<Modification> many;
  for (unsigned i = 0; i < kTimes; ++i) {
    const std::string port = std::to_string(i % 3 + 1);
    many.emplace_back(spec("udp,tp_src=1,actions=" + port, action::FlowCommand::Modify));
    many.emplace_back(spec("priority=5,udp,tp_src=1,actions=3"));
    many.emplace_back(spec("priority=5,udp,tp_src=1", action::FlowCommand::DeleteStrict));
    many.emplace_back(spec("priority=5,udp,tp_src=1,actions=2"));
  }
  std::vector<Modification> wrong = many;
  wrong.emplace_back(spec("actions=group:77"));
  const auto before = dump();
  EXPECT_EQ(change(wrong), "OFPBAC_BAD_OUT_GROUP");
  EXPECT_EQ(dump(), before);
  EXPECT_EQ(actions("in_port=2,udp,tp_src=1"), "1");

  // A modification looks at all flows of its match: at the one, and a few that it has replaced.
  (void)pipeline.take_effort();
  EXPECT_EQ(change(many), "");
  EXPECT_LT(pipeline.take_effort(), 8 * kTimes);
  EXPECT_EQ(dump(), (std::vector<std::string>{"table=0,priority=5,udp,tp_src=1,actions=output:2",
                                              "table=0,priority=4,udp,actions=output:3"}));
  EXPECT_EQ(actions("in_port=1,udp,tp_src=1"), "2");
  pipeline.run(at(2));
  mod("udp,tp_src=1", action::FlowCommand::Delete);
  EXPECT_EQ(actions("in_port=1,udp,tp_src=1"), "3");
  EXPECT_EQ(pipeline.flow_count(), 1u);
}

TEST_F(PipelineTest, TimeoutsCountFromUseAndFromModification) {
  mod("idle_timeout=10,tcp,actions=1");
  mod("hard_timeout=15,udp,actions=1");
  translate(key_of("in_port=2,tcp"));
  result.credits.credit(1, 60, at(8));
  EXPECT_TRUE(pipeline.expire(at(11)).removed.empty());
  mod("udp,actions=2", action::FlowCommand::Modify, at(12));
  EXPECT_TRUE(pipeline.expire(at(17)).removed.empty());
  auto removed = pipeline.expire(at(18)).removed;
  ASSERT_EQ(removed.size(), 1u);
  EXPECT_EQ(removed[0].reason, RemovedReason::IdleTimeout);
  EXPECT_EQ(removed[0].rule->stats().packets(), 1u);
  EXPECT_TRUE(pipeline.expire(at(26)).removed.empty());
  removed = pipeline.expire(at(27)).removed;
  ASSERT_EQ(removed.size(), 1u);
  EXPECT_EQ(removed[0].reason, RemovedReason::HardTimeout);
  EXPECT_EQ(pipeline.flow_count(), 0u);
}

TEST_F(PipelineTest, TimeoutsSurviveManyFlowsThatComeAndGo) {
  mod("hard_timeout=15,udp,actions=1");
  for (unsigned i = 0; i < 3000; ++i) {
    const std::string match = "tcp,tp_dst=" + std::to_string(i);
    mod("idle_timeout=1000," + match + ",actions=1");
    EXPECT_EQ(mod("priority=32768," + match, action::FlowCommand::DeleteStrict).removed.size(), 1u);
  }
  EXPECT_TRUE(pipeline.expire(at(15)).removed.empty());
  EXPECT_EQ(pipeline.expire(at(16)).removed.size(), 1u);
  EXPECT_EQ(pipeline.flow_count(), 0u);
}

// --- Translation

TEST_F(PipelineTest, RewritesAreCommittedWhenTheyAreSeen) {
  mod("tcp,actions=mod_nw_src:1.2.3.4,mod_nw_src:1.2.3.5,1,mod_tp_dst:8080,2,mod_nw_src:10.0.0.1");
  EXPECT_EQ(actions("in_port=3,tcp,nw_src=10.0.0.1,nw_dst=10.0.0.2,tp_dst=80"),
            "set(ipv4(src=1.2.3.5)),1,set(tcp(dst=8080)),2");
  EXPECT_EQ(result.mask.bits.nw_src, be32{0xffffffff});
  EXPECT_EQ(result.mask.bits.tp_dst, be16{0xffff});
  EXPECT_EQ(result.mask.bits.nw_dst, be32{0});
}

TEST_F(PipelineTest, WritesToAbsentHeadersDoNothing) {
  mod("ip,actions=mod_nw_ttl:9,resubmit(,1)");
  // As OpenFlow 1.0 lets it through: the match does not say that there is such a header.
  auto written = action::parse_actions("load:1->NXM_OF_UDP_DST[],load:5->OXM_OF_VLAN_VID[],1");
  ASSERT_TRUE(written);
  action::FlowSpec unchecked;
  unchecked.table = 1;
  unchecked.actions = std::move(*written);
  ASSERT_TRUE(pipeline.apply(unchecked, at(1)));
  EXPECT_EQ(actions("in_port=3,tcp,nw_ttl=9"), "1");
  EXPECT_EQ(result.mask.bits.nw_proto, 0xff);  // it decided
}

TEST_F(PipelineTest, ABridgeThatStandsAloneSwitches) {
  mod("priority=65535,actions=drop");
  mod("table=1,actions=output:4");
  BridgeConfig config = pipeline.config();
  config.stands_alone = true;
  pipeline.configure(config);
  const std::string packet = "in_port=1,dl_src=00:00:00:00:00:01,dl_dst=00:00:00:00:00:02";
  EXPECT_EQ(actions(packet), "100,2,3");
  auto port = *pipeline.port(1);
  port.tree_learns = port.tree_forwards = false;
  pipeline.set_port(1, port);
  EXPECT_EQ(actions(packet), "drop") << "what a spanning tree blocks is blocked";
  EXPECT_EQ(result.drop, DropReason::SpanningTree);
  port.tree_learns = port.tree_forwards = true;
  pipeline.set_port(1, port);
  config.stands_alone = false;
  pipeline.configure(config);
  EXPECT_EQ(actions(packet), "drop");
}

TEST_F(PipelineTest, VlanTags) {
  mod("in_port=1,actions=push_vlan:0x8100,load:5->OXM_OF_VLAN_VID[],2");
  mod("in_port=2,actions=strip_vlan,1");
  mod("in_port=3,actions=mod_vlan_vid:7,1");
  EXPECT_EQ(actions("in_port=1,ip"), "push_vlan(vid=5,pcp=0),2");
  EXPECT_EQ(actions("in_port=2,ip"), "1");
  EXPECT_EQ(actions("in_port=2,dl_vlan=5,ip"), "pop_vlan,1");
  EXPECT_EQ(actions("in_port=3,dl_vlan=5,dl_vlan_pcp=3,ip"), "pop_vlan,push_vlan(vid=7,pcp=3),1");
  EXPECT_EQ(actions("in_port=3,ip"), "push_vlan(vid=7,pcp=0),1");
}

TEST_F(PipelineTest, OutputToInputPortOnlyByName) {
  mod("tcp,actions=1");
  mod("udp,actions=IN_PORT");
  mod("icmp,actions=ALL");
  mod("sctp,actions=77");
  EXPECT_EQ(actions("in_port=1,tcp"), "drop");
  EXPECT_EQ(result.drop, DropReason::InputPortOnly);
  EXPECT_EQ(actions("in_port=1,udp"), "1");
  EXPECT_EQ(result.drop, std::nullopt);
  EXPECT_EQ(actions("in_port=1,icmp"), "100,2,3");
  EXPECT_EQ(actions("in_port=1,sctp"), "drop");
  EXPECT_EQ(result.drop, DropReason::NoPort);
}

TEST_F(PipelineTest, DropsHaveReasons) {
  mod("tcp,actions=drop");
  mod("udp,actions=load:1->NXM_NX_REG0[]");
  mod("icmp,actions=resubmit(,0)");
  translate(key_of("in_port=1,tcp"));
  EXPECT_EQ(result.drop, DropReason::ExplicitDrop);
  translate(key_of("in_port=1,udp"));
  EXPECT_EQ(result.drop, DropReason::NoOutput);
  translate(key_of("in_port=1,arp"));
  EXPECT_EQ(result.drop, DropReason::TableMiss);
  translate(key_of("in_port=1,icmp"));
  EXPECT_EQ(result.drop, DropReason::ResubmitDepth);
  EXPECT_TRUE(result.program.empty());
  flow::FlowKey lost = key_of("in_port=1,tcp");
  lost.recirc_id = be32{4711};
  translate(lost);
  EXPECT_EQ(result.drop, DropReason::RecirculationLost);
  EXPECT_FALSE(result.cacheable);
}

TEST_F(PipelineTest, ResubmitsAreLimitedInNumber) {
  // Each table resubmits twice to the next: 2^20 without a limit.
  for (int table = 0; table < 20; ++table)
    mod("table=" + std::to_string(table) + ",actions=resubmit(," + std::to_string(table + 1) +
        "),resubmit(," + std::to_string(table + 1) + ")");
  mod("table=20,actions=1");
  translate(key_of("in_port=2,tcp"));
  EXPECT_EQ(result.drop, DropReason::ResubmitLimit);
}

TEST_F(PipelineTest, ConntrackForksAndRestoresTheState) {
  mod("tcp,ct_state=-trk,actions=load:7->NXM_NX_REG3[],ct(table=1,zone=5)");
  mod("table=1,tcp,ct_state=+trk+new,reg3=7,actions=ct(commit,zone=NXM_NX_REG3[0..15],exec(load:1->NXM_NX_CT_"
      "MARK[])),2");
  const std::string first = actions("in_port=1,tcp");
  ASSERT_EQ(result.program.size(), 2u);
  const std::uint32_t id = std::get<dp_action::Recirc>(result.program[1].variant()).id;
  EXPECT_EQ(first, "ct(zone=5),recirc(0x" + std::to_string(id) + ")");
  // The same state again is the same id.
  TranslationResult other;
  pipeline.translate(key_of("in_port=1,tcp,nw_src=1.1.1.1"), true, at(1), other);
  EXPECT_EQ(std::get<dp_action::Recirc>(other.program[1].variant()).id, id);

  flow::FlowKey back = key_of("in_port=1,tcp,ct_state=+trk+new,ct_zone=5");
  back.recirc_id = be32{id};
  translate(back);
  EXPECT_EQ(dp_action::format_program(result.program), "ct(commit,zone=7,mark=0x1/0xffffffff),2");
  EXPECT_EQ(result.mask.bits.recirc_id, be32{0xffffffff});
  EXPECT_EQ(result.credits.rules().size(), 1u);
}

TEST_F(PipelineTest, ConntrackFieldsAreZeroAfterCt) {
  mod("table=0,tcp,actions=ct(table=1)");
  mod("table=1,ip,ct_state=+trk,actions=ct(commit),resubmit(,2)");
  mod("table=2,priority=2,ct_state=+trk,actions=1");
  mod("table=2,priority=1,actions=2");
  translate(key_of("in_port=3,tcp"));
  flow::FlowKey back = key_of("in_port=3,tcp,ct_state=+trk+new");
  back.recirc_id = be32{std::get<dp_action::Recirc>(result.program.at(1).variant()).id};
  translate(back);
  EXPECT_EQ(dp_action::format_program(result.program), "ct(commit),2");
}

TEST_F(PipelineTest, FrozenStatesAreForgottenAfterTheirLastUse) {
  mod("tcp,actions=ct(table=1)");
  translate(key_of("in_port=3,tcp"));
  const std::uint32_t id = std::get<dp_action::Recirc>(result.program.at(1).variant()).id;
  for (int t = 1; t < 100; t += 5) pipeline.run(at(t));
  EXPECT_TRUE(pipeline.frozen_state(id));
  result.clear();
  pipeline.run(at(100));
  pipeline.run(at(109));
  EXPECT_TRUE(pipeline.frozen_state(id));
  pipeline.run(at(110));
  EXPECT_FALSE(pipeline.frozen_state(id));
}

TEST_F(PipelineTest, CloneAndActionSet) {
  mod("tcp,actions=clone(mod_nw_src:1.1.1.1,2),1");
  EXPECT_EQ(actions("in_port=3,tcp,nw_src=9.9.9.9"), "set(ipv4(src=1.1.1.1)),2,set(ipv4(src=9.9.9.9)),1");
  mod("udp,actions=clone(ct(commit),2),1");
  EXPECT_EQ(actions("in_port=3,udp"), "clone(ct(commit),2),1");
  mod("udp,actions=3,clone(ct(commit),1),clone(ct(commit),2),load:1->NXM_NX_REG0[]");
  EXPECT_EQ(actions("in_port=2,udp"), "3,clone(ct(commit),1),ct(commit)") << "what is last needs no copy";
  mod("udp,actions=clone(ct_clear,2),resubmit(,9)");
  EXPECT_EQ(actions("in_port=3,udp"), "2");
  mod("icmp,actions=write_actions(output:1,set_field:9->nw_ttl,output:2),goto_table:1");
  EXPECT_EQ(actions("in_port=3,icmp,nw_ttl=64"), "set(ipv4(ttl=9)),2");
  mod("table=1,icmp,actions=clear_actions");
  EXPECT_EQ(actions("in_port=3,icmp,nw_ttl=64"), "drop");
}

TEST_F(PipelineTest, TtlThatRunsOutIsDroppedOrGoesToTheController) {
  mod("ip,actions=dec_ttl,1");
  EXPECT_EQ(actions("in_port=3,tcp,nw_ttl=2"), "set(ipv4(ttl=1)),1");
  translate(key_of("in_port=3,tcp,nw_ttl=1"));
  ASSERT_EQ(result.program.size(), 1u);
  EXPECT_TRUE(std::get<dp_action::Userspace>(result.program[0].variant()).dont_send);
  EXPECT_EQ(result.drop, DropReason::TtlExpired);
  BridgeConfig config = pipeline.config();
  config.invalid_ttl_to_controller = true;
  pipeline.configure(config);
  translate(key_of("in_port=3,tcp,nw_ttl=1"));
  ASSERT_EQ(result.program.size(), 1u);
  const auto& upcall = std::get<dp_action::Userspace>(result.program[0].variant());
  EXPECT_EQ(upcall.reason, 2);  // OFPR_INVALID_TTL
  EXPECT_FALSE(upcall.dont_send);
  ASSERT_TRUE(pipeline.frozen_state(upcall.recirc_id));
  EXPECT_TRUE(pipeline.frozen_state(upcall.recirc_id)->data.from_rule);
}

TEST_F(PipelineTest, ExitEndsTheActionSetToo) {
  mod("ip,actions=3,write_actions(output:2),goto_table:1");
  mod("table=1,actions=exit");
  EXPECT_EQ(actions("in_port=1,tcp"), "3");
}

TEST_F(PipelineTest, ActionSetRunsInTheNameOfTheFirstRule) {
  mod("cookie=5,ip,actions=write_actions(controller),goto_table:1");
  mod("table=1,cookie=6,actions=goto_table:2");
  translate(key_of("in_port=1,tcp"));
  ASSERT_EQ(result.program.size(), 1u);
  EXPECT_EQ(std::get<dp_action::Userspace>(result.program[0].variant()).rule_cookie, 5u);
}

TEST_F(PipelineTest, WhatCtHidNeedsNoClearing) {
  mod("udp,actions=ct(table=1),ct_clear,2");
  mod("table=1,actions=ct_clear,2");
  translate(key_of("in_port=3,udp"));
  ASSERT_EQ(result.program.size(), 3u);
  flow::FlowKey tracked = key_of("in_port=3,udp");
  tracked.recirc_id = be32{std::get<dp_action::Recirc>(result.program[1].variant()).id};
  tracked.ct_state = be32{0x21};
  EXPECT_EQ(dp_action::format_program(translate(tracked).program), "ct_clear,2");
}

TEST_F(PipelineTest, CheckPktLargerTranslatesBothWays) {
  mod("tcp,actions=check_pkt_larger(1500)->NXM_NX_REG0[0],resubmit(,1)");
  mod("table=1,reg0=1,actions=1");
  mod("table=1,reg0=0,actions=3");
  EXPECT_EQ(actions("in_port=2,tcp"), "check_pkt_len(size=1500,gt(1),le(3))");
}

TEST_F(PipelineTest, DecapAndEncapOfEthernet) {
  const std::string packet = "in_port=2,ip,dl_src=00:00:00:00:00:01,dl_dst=00:00:00:00:00:02";
  mod("ip,actions=mod_dl_dst:00:00:00:00:00:0a,decap(),clone(encap(ethernet),1),push_vlan:0x8100,encap("
      "ethernet),3");
  EXPECT_EQ(actions(packet),
            "set(eth(dst=00:00:00:00:00:0a)),pop_eth,clone(push_eth(src=00:00:00:00:00:00,dst=00:00:00:00:00:"
            "00),1),"
            "push_vlan(vid=0,pcp=0),push_eth(src=00:00:00:00:00:00,dst=00:00:00:00:00:00),3");
  mod("ip,actions=decap(),encap(ethernet),mod_dl_dst:00:00:00:00:00:0a,1");
  EXPECT_EQ(actions(packet), "pop_eth,push_eth(src=00:00:00:00:00:00,dst=00:00:00:00:00:0a),1");
  for (const char* refused : {"encap(ethernet),1", "decap(),decap(),1", "push_vlan:0x8100,decap(),1"}) {
    mod("ip,actions=" + std::string(refused));
    EXPECT_EQ(translate(key_of(packet)).drop, DropReason::UnsupportedPacketType) << refused;
  }
}

TEST_F(PipelineTest, MplsPushAndPop) {
  mod("ip,actions=push_mpls:0x8847,set_field:5->mpls_label,1");
  EXPECT_EQ(actions("in_port=2,ip,nw_ttl=33"), "push_mpls(label=5,tc=0,ttl=33,bos=1,eth_type=0x8847),1");
  EXPECT_EQ(result.mask.bits.mpls[0].raw(), 0u) << "a pushed label is not one of the packet";
  mod("mpls,actions=pop_mpls:0x0800,1,resubmit(,1)");
  flow::FlowKey labelled = key_of("in_port=2,mpls,mpls_bos=1,mpls_label=5");
  translate(labelled);
  ASSERT_EQ(result.program.size(), 3u);
  EXPECT_TRUE(std::holds_alternative<dp_action::PopMpls>(result.program[0].variant()));
  flow::FlowKey back = key_of("in_port=2,tcp");
  back.recirc_id = be32{std::get<dp_action::Recirc>(result.program[2].variant()).id};
  mod("table=1,tcp,actions=3");
  translate(back);
  EXPECT_EQ(dp_action::format_program(result.program), "3");
}

TEST_F(PipelineTest, LabelPushedAndPoppedLeavesThePacketAsItWas) {
  mod("tcp,actions=push_mpls:0x8847,output:1,resubmit(,1)");
  mod("table=1,mpls,actions=pop_mpls:0x0800,output:3");
  translate(key_of("in_port=2,tcp,nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_ttl=64,tp_src=7,tp_dst=9"));
  EXPECT_EQ(dp_action::format_program(result.program),
            "push_mpls(label=0,tc=0,ttl=64,bos=1,eth_type=0x8847),1,pop_mpls(eth_type=0x800),3");
  mod("udp,actions=clone(push_mpls:0x8847),1");
  EXPECT_EQ(actions("in_port=2,udp,nw_src=10.0.0.1,nw_ttl=64,tp_src=7"), "1");
}

TEST_F(PipelineTest, RefusedMplsPushHoldsForItsStackDepthOnly) {
  mod("mpls,actions=push_mpls:0x8847,output:2");
  flow::FlowKey deep = key_of("in_port=1,mpls");
  deep.mpls = {be32{0x1040}, be32{0x2040}, be32{0x3140}};
  EXPECT_EQ(translate(deep).drop, DropReason::MplsDepth);
  const flow::Mask mask = result.mask;
  flow::FlowKey shallow = key_of("in_port=1,mpls");
  shallow.mpls = {be32{0x1140}};
  EXPECT_EQ(translate(shallow).drop, std::nullopt);
  bool told_apart = false;
  for (std::size_t i = 0; i < flow::kDatapathWords; ++i)
    told_apart |= ((flow::word_at(deep, i) ^ flow::word_at(shallow, i)) & flow::word_at(mask.bits, i)) != 0;
  EXPECT_TRUE(told_apart);
}

TEST_F(PipelineTest, PoppedTagIsOfThatManyTagsOnly) {
  mod("actions=pop_vlan,resubmit(,1)");
  mod("table=1,vlan_tci=0,actions=2");
  flow::FlowKey one = key_of("in_port=1,dl_vlan=5");
  one.eth_type = be16{0x0800};
  flow::FlowKey two = one;
  two.vlan[1] = {be16{0x8100}, be16{flow::kVlanPresent | 7}};
  EXPECT_EQ(dp_action::format_program(translate(one).program), "pop_vlan,2");
  const flow::Mask mask = result.mask;
  EXPECT_EQ(dp_action::format_program(translate(two).program), "drop");
  bool told_apart = false;
  for (std::size_t i = 0; i < flow::kDatapathWords; ++i)
    told_apart |= ((flow::word_at(one, i) ^ flow::word_at(two, i)) & flow::word_at(mask.bits, i)) != 0;
  EXPECT_TRUE(told_apart);
}

TEST_F(PipelineTest, ChecksOfLengthAreLimitedInNumber) {
  std::string text = "actions=";
  for (unsigned i = 0; i < 40; ++i) text += "check_pkt_larger(100)->reg0[0],";
  mod(text + "output:2");
  EXPECT_EQ(translate(key_of("in_port=1,ip")).drop, DropReason::ResubmitLimit);
}

TEST_F(PipelineTest, TableMissAsTheBridgeSays) {
  BridgeConfig config = pipeline.config();
  config.default_miss = TableMiss::Controller;
  pipeline.configure(config);
  translate(key_of("in_port=1,tcp"));
  ASSERT_EQ(result.program.size(), 1u);
  EXPECT_EQ(std::get<dp_action::Userspace>(result.program[0].variant()).reason, 0);  // OFPR_NO_MATCH
  ASSERT_TRUE(pipeline.configure_table(0, {.name = {}, .miss = TableMiss::Continue}));
  ASSERT_TRUE(pipeline.configure_table(1, {.name = {}, .miss = TableMiss::Drop}));
  translate(key_of("in_port=1,tcp"));
  EXPECT_EQ(result.drop, DropReason::TableMiss);
  mod("table=1,tcp,actions=2");
  EXPECT_EQ(actions("in_port=1,tcp"), "2");
}

// --- NORMAL

TEST_F(PipelineTest, NormalLearnsAndForwards) {
  mod("actions=NORMAL");
  const std::string there = "in_port=1,ip,dl_src=50:00:00:00:00:01,dl_dst=50:00:00:00:00:02";
  const std::string back = "in_port=2,ip,dl_src=50:00:00:00:00:02,dl_dst=50:00:00:00:00:01";
  const std::uint64_t epoch = pipeline.epoch();
  translate(key_of(there), false);
  EXPECT_EQ(pipeline.mac_table().size(), 0u);
  EXPECT_EQ(pipeline.epoch(), epoch);
  EXPECT_EQ(actions(there), "100,2,3");
  EXPECT_EQ(pipeline.epoch(), epoch + 1);
  EXPECT_EQ(actions(back), "1");
  EXPECT_EQ(actions(there), "2");
  EXPECT_EQ(pipeline.epoch(), epoch + 2);
  // Packets of the megaflow keep the entry alive.
  result.credits.credit(1, 60, at(250));
  pipeline.run(at(302));
  EXPECT_EQ(pipeline.mac_table().size(), 1u);
  EXPECT_EQ(pipeline.epoch(), epoch + 3);
  EXPECT_EQ(actions("in_port=1,dl_dst=01:80:c2:00:00:03"), "drop");
  EXPECT_EQ(result.drop, DropReason::ReservedMulticast);
}

TEST_F(PipelineTest, FramesOfSpanningTreesHaveTheirOwnSettingOfAPort) {
  mod("actions=2");
  const std::string frame = "in_port=1,dl_dst=01:80:c2:00:00:00",
                    other = "in_port=1,dl_dst=01:80:c2:00:00:01";
  PortInfo port = *pipeline.port(1);
  port.receive = false;
  pipeline.set_port(1, port);
  EXPECT_EQ(actions(frame), "2");
  EXPECT_EQ(actions(other), "drop");
  EXPECT_EQ(result.drop, DropReason::PortNotReceiving);
  port.receive = true;
  port.receive_stp = false;
  pipeline.set_port(1, port);
  EXPECT_EQ(actions(frame), "drop");
  EXPECT_EQ(actions(other), "2");
}

TEST_F(PipelineTest, NormalRestsOnItsTwoAddressesOnly) {
  mod("actions=NORMAL");
  const auto from = [](int source) {
    return key_of(fmt::format("in_port=1,ip,dl_src=50:00:00:00:00:{:02},dl_dst=50:00:00:00:00:99", source));
  };
  const std::uint64_t tables = pipeline.tables_epoch();
  translate(from(1));
  const L2Dependence rests_on = result.l2;
  EXPECT_TRUE(rests_on.unchanged());
  const std::uint64_t before = pipeline.epoch();
  for (int source = 2; source < 40; ++source) translate(from(source));
  EXPECT_EQ(pipeline.epoch(), before + 38);
  EXPECT_EQ(pipeline.tables_epoch(), tables);
  EXPECT_TRUE(rests_on.unchanged());
  translate(from(99));
  EXPECT_FALSE(rests_on.unchanged()) << "the destination appeared";
}

TEST_F(PipelineTest, NormalSeparatesVlans) {
  mod("actions=NORMAL");
  PortInfo access{.dp_port = 1, .name = "p1", .vlan = {}};
  access.vlan.mode = l2::VlanMode::Access;
  access.vlan.tag = 10;
  pipeline.set_port(1, access);
  access.dp_port = 2;
  pipeline.set_port(2, access);
  EXPECT_EQ(actions("in_port=1,ip,dl_src=50:00:00:00:00:01,dl_dst=ff:ff:ff:ff:ff:ff"),
            "2,push_vlan(vid=10,pcp=0),100,3");
  EXPECT_EQ(actions("in_port=3,ip,dl_vlan=11,dl_dst=ff:ff:ff:ff:ff:ff"), "100");
  EXPECT_EQ(actions("in_port=3,ip,dl_vlan=10,dl_src=50:00:00:00:00:03,dl_dst=50:00:00:00:00:01"),
            "pop_vlan,1");
  EXPECT_EQ(actions("in_port=1,ip,dl_vlan=10"), "drop");
  EXPECT_EQ(result.drop, DropReason::VlanNotAllowed);
}

// --- Trace

TEST_F(PipelineTest, TraceTellsThePathThroughConntrack) {
  mod("in_port=1,ip,ct_state=-trk,actions=ct(table=1)");
  mod("table=1,ip,ct_state=+trk+new,actions=ct(commit),output:2");
  const ExplainResult trace =
      pipeline.explain(key_of("in_port=1,tcp,nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_ttl=64,tp_dst=80"), at(1));
  EXPECT_EQ(
      trace.text,
      R"(Flow: tcp,in_port=1,vlan_tci=0x0000,dl_src=00:00:00:00:00:00,dl_dst=00:00:00:00:00:00,nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_tos=0,nw_ecn=0,nw_ttl=64,nw_frag=no,tp_src=0,tp_dst=80,tcp_flags=0

bridge("br0")
-------------
 0. ct_state=-trk,ip,in_port=1, priority 32768
    ct(table=1)
    drop
     -> A clone of the packet is forked to recirculate. The forked pipeline will be resumed at table 1.
     -> Sets the packet to an untracked state, and clears all the conntrack fields.

Final flow: unchanged
Megaflow: recirc_id=0,ct_state=-trk,eth,ip,in_port=1,nw_frag=no
Datapath actions: ct,recirc(0x1)

===============================================================================
recirc(0x1) - resume conntrack with default ct_state=trk|new (use --ct-next to customize)
===============================================================================

Flow: recirc_id=0x1,ct_state=new|trk,eth,tcp,in_port=1,vlan_tci=0x0000,dl_src=00:00:00:00:00:00,dl_dst=00:00:00:00:00:00,nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_tos=0,nw_ecn=0,nw_ttl=64,nw_frag=no,tp_src=0,tp_dst=80,tcp_flags=0

bridge("br0")
-------------
    thaw
        Resuming from table 1
 1. ct_state=+new+trk,ip, priority 32768
    ct(commit)
    drop
     -> Sets the packet to an untracked state, and clears all the conntrack fields.
    output:2

Final flow: recirc_id=0x1,eth,tcp,in_port=1,vlan_tci=0x0000,dl_src=00:00:00:00:00:00,dl_dst=00:00:00:00:00:00,nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_tos=0,nw_ecn=0,nw_ttl=64,nw_frag=no,tp_src=0,tp_dst=80,tcp_flags=0
Megaflow: recirc_id=0x1,ct_state=+new+trk,eth,ip,in_port=1,nw_frag=no
Datapath actions: ct(commit),2
)");
}

TEST_F(PipelineTest, TraceIndentsTablesUnlessTheyAreLast) {
  mod("in_port=1,tcp,tp_dst=1,actions=resubmit(,1),resubmit(,2)");
  mod("table=1,actions=resubmit(,3),output:1");
  mod("table=2,ip,actions=output:2,dec_ttl");
  mod("table=3,tcp,actions=goto_table:4");
  mod("table=4,actions=clone(set_field:1->reg3,output:2),write_actions(output:3),goto_table:5");
  mod("table=5,priority=5,cookie=0x77,actions=resubmit(,6),goto_table:9");
  const ExplainResult trace = pipeline.explain(key_of("in_port=1,tcp,nw_ttl=64,tp_dst=1"), at(1));
  const std::size_t from = trace.text.find("\nbridge"), to = trace.text.find("\nFinal flow");
  EXPECT_EQ(trace.text.substr(from, to - from), R"(
bridge("br0")
-------------
 0. tcp,in_port=1,tp_dst=1, priority 32768
    resubmit(,1)
     1. priority 32768
            resubmit(,3)
             3. tcp, priority 32768
                    goto_table:4
                 4. priority 32768
                    clone(set_field:0x1->reg3,output:2)
                    set_field:0x1->reg3
                    output:2
                    write_actions(output:3)
                     -> action set is: output:3
                    goto_table:5
                 5. priority 5, cookie 0x77
                    resubmit(,6)
                     6. No match.
                            drop
                    goto_table:9
                 9. No match.
                    drop
            output:1
             >> skipping output to input port
    resubmit(,2)
     2. ip, priority 32768
            output:2
            dec_ttl
--. Executing action set:
    output:3
)");
  EXPECT_EQ(dp_action::format_program(trace.program), "2,2,set(ipv4(ttl=63)),3");
}

TEST_F(PipelineTest, TraceAsksTheHookAndChangesNothing) {
  mod("tcp,actions=ct(table=1,zone=9)");
  mod("table=1,ct_state=+est,ct_mark=5,actions=NORMAL");
  const std::uint64_t epoch = pipeline.epoch();
  const ExplainResult trace = pipeline.explain(
      key_of("in_port=1,tcp"), at(1), [](const conntrack::CtRequest& request, const flow::FlowKey&) {
        EXPECT_EQ(request.zone, 9);
        return CtOutcome{
            .state = 0x22, .mark = 5, .label = {}, .packet = {}, .sentence = "the connection 17"};
      });
  EXPECT_NE(trace.text.find(" - resume conntrack with the connection 17\n"), std::string::npos);
  EXPECT_NE(trace.text.find("Datapath actions: 100,2,3\n"), std::string::npos) << trace.text;
  EXPECT_EQ(pipeline.mac_table().size(), 0u);
  EXPECT_EQ(pipeline.epoch(), epoch);
}

TEST_F(PipelineTest, TraceWithSideEffectsLearns) {
  mod("actions=NORMAL");
  const std::uint64_t epoch = pipeline.epoch();
  const auto key = key_of("in_port=1,dl_src=00:00:00:00:00:0a,dl_dst=00:00:00:00:00:0b");
  const ExplainResult trace = pipeline.explain(key, at(1), nullptr, {}, true);
  EXPECT_NE(trace.text.find("    NORMAL\n     -> learned that 00:00:00:00:00:0a is on port p1 in VLAN 0\n"),
            std::string::npos)
      << trace.text;
  EXPECT_EQ(pipeline.mac_table().size(), 1u);
  EXPECT_EQ(pipeline.epoch(), epoch + 1);
  EXPECT_EQ(actions("in_port=2,dl_src=00:00:00:00:00:0b,dl_dst=00:00:00:00:00:0a"), "1");
}

}  // namespace
}  // namespace sluice::pipeline
