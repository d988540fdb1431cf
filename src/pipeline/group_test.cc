#include <gmock/gmock.h>

#include "base/rng.h"
#include "pipeline/group.h"
#include "pipeline/pipeline_fixture.h"

namespace sluice::pipeline {
namespace {

using action::GroupCommand;
using packet::DropReason;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class GroupTest : public PipelineFixture {
 protected:
  void set_live(std::uint32_t port, bool live) {
    pipeline.set_port(port, {.dp_port = port, .name = "p" + std::to_string(port), .live = live, .vlan = {}});
  }
};

TEST_F(GroupTest, AllRunsEveryBucketAsAnActionSetOnACopy) {
  ASSERT_EQ(
      group("group_id=1,type=all,bucket=push_vlan:0x8100,dec_ttl,3,set_field:00:00:00:00:00:01->eth_src,"
            "bucket=set_field:5->reg0,4,bucket=clone(2),bucket=output(port=2,max_len=100),"
            "bucket=2,resubmit(,7)"),
      "");
  mod("ip,actions=group:1,1");
  // As ovs-vswitchd 3.1: what a bucket wrote is taken back before the next output.
  EXPECT_EQ(actions("in_port=2,tcp,nw_ttl=64"),
            "set(eth(src=00:00:00:00:00:01)),set(ipv4(ttl=63)),push_vlan(vid=0,pcp=0),3,"
            "set(eth(src=00:00:00:00:00:00)),set(ipv4(ttl=64)),pop_vlan,4,1");
}

TEST_F(GroupTest, ExitAndConnectionStateOfABucketEndWithIt) {
  ASSERT_EQ(group("group_id=1,type=all,bucket=resubmit(,3),bucket=ct(commit),bucket=ct(table=2),bucket=2"),
            "");
  mod("ip,actions=group:1,4");
  mod("table=3,ip,actions=3,exit");
  EXPECT_THAT(actions("in_port=1,tcp"),
              ::testing::MatchesRegex("3,ct\\(commit\\),ct,recirc\\(0x[0-9a-f]+\\),2,4"));
}

/// The third tag takes the innermost one out of sight, so that its bucket must work on a copy.
TEST_F(GroupTest, TagsThatCannotBeTakenBackAreOfACopy) {
  ASSERT_EQ(group("group_id=1,type=all,bucket=push_vlan:0x8100,output:3,bucket=output:4"), "");
  mod("actions=group:1,1");
  flow::FlowKey key = key_of("in_port=2,tcp");
  key.vlan[0] = {be16{0x88a8}, be16{0x1005}};
  key.vlan[1] = {be16{0x8100}, be16{0x1006}};
  EXPECT_EQ(dp_action::format_program(translate(key).program), "clone(push_vlan(vid=0,pcp=0),3),4,1");
  key.vlan[1] = {};
  EXPECT_EQ(dp_action::format_program(translate(key).program), "push_vlan(vid=0,pcp=0),3,pop_vlan,4,1");
}

TEST_F(GroupTest, WrittenActionsOfABucketStay) {
  ASSERT_EQ(group("group_id=1,type=indirect,bucket=resubmit(,3)"), "");
  mod("actions=group:1,1");
  mod("table=3,actions=3,write_actions(output:4)");
  EXPECT_EQ(actions("in_port=2"), "3,1,4");
}

TEST_F(GroupTest, FastFailoverTakesTheFirstLiveBucket) {
  ASSERT_EQ(group("group_id=1,type=ff,bucket=watch_port:1,actions=1,bucket=watch_group:2,actions=4"), "");
  ASSERT_EQ(group("group_id=2,type=ff,bucket=watch_port:2,actions=2,bucket=watch_port:3,actions=3"), "");
  mod("actions=group:1");
  EXPECT_EQ(actions("in_port=LOCAL"), "1");
  const std::uint64_t epoch = pipeline.epoch();
  set_live(1, false);
  EXPECT_GT(pipeline.epoch(), epoch);
  EXPECT_EQ(actions("in_port=LOCAL"), "4");
  set_live(2, false);
  EXPECT_EQ(actions("in_port=LOCAL"), "4");
  set_live(3, false);
  EXPECT_EQ(actions("in_port=LOCAL"), "drop");
  EXPECT_EQ(result.drop, DropReason::NoLiveBucket);
  set_live(1, true);
  EXPECT_EQ(actions("in_port=LOCAL"), "1");
}

TEST_F(GroupTest, WatchingInACircleEnds) {
  ASSERT_EQ(group("group_id=1,type=ff,bucket=watch_group:2,actions=1"), "");
  ASSERT_EQ(group("group_id=2,type=ff,bucket=watch_group:1,actions=2"), "");
  mod("actions=group:1");
  EXPECT_EQ(actions("in_port=3"), "drop");
}

TEST_F(GroupTest, SelectHashesInTheDatapathAndComesBack) {
  ASSERT_EQ(group("group_id=1,type=select,bucket=1,bucket=weight:2,actions=2"), "");
  mod("ip,actions=set_field:7->reg0,group:1,output:3");
  EXPECT_EQ(actions("in_port=4,tcp"), "hash(sym_l4(0)),recirc(0x1)");
  EXPECT_EQ(result.mask.bits.dp_hash.raw(), 0u);
  flow::FlowKey back = key_of("in_port=4,tcp");
  back.recirc_id = be32{1};
  unsigned first = 0;
  for (std::uint32_t hash = 1; hash <= 16; ++hash) {
    back.dp_hash = be32{hash | 0xabc0};
    const std::string text = dp_action::format_program(translate(back).program);
    EXPECT_EQ(result.mask.bits.dp_hash.host(), 0xfu);
    ASSERT_TRUE(text == "1,3" || text == "2,3") << text;
    first += text == "1,3";
  }
  EXPECT_EQ(first, 5u);  // of 16 slots at weights 1 to 2
}

TEST_F(GroupTest, TraceFollowsTheHashedPacketOnce) {
  ASSERT_EQ(group("group_id=1,type=select,bucket=1,bucket=2"), "");
  mod("actions=group:1");
  const std::string text = pipeline.explain(key_of("in_port=4"), at(1)).text;
  EXPECT_THAT(text, HasSubstr("Flow: recirc_id=0x1,dp_hash=0x1,"));
  EXPECT_THAT(text, HasSubstr("     -> using bucket 1\n    bucket 1\n            output:2\n"));
  EXPECT_EQ(text.find("recirc_id=0x2"), std::string::npos);
}

TEST_F(GroupTest, SlotsOfDeadBucketsGoToTheNextLiveOne) {
  ASSERT_EQ(group("group_id=1,type=select,bucket=watch_port:1,actions=1,bucket=2"), "");
  set_live(1, false);
  mod("actions=group:1");
  translate(key_of("in_port=4"));
  flow::FlowKey back = key_of("in_port=4");
  back.recirc_id = be32{1};
  for (std::uint32_t hash = 1; hash <= 16; ++hash) {
    back.dp_hash = be32{hash};
    EXPECT_EQ(dp_action::format_program(translate(back).program), "2");
  }
}

TEST(GroupSlots, AreApportionedByWeightWithinTheirBounds) {
  const auto slots = [](const std::string& buckets) {
    const auto spec = action::parse_group("group_id=1,type=select," + buckets);
    EXPECT_TRUE(spec) << buckets;
    const GroupRef group = Group::create(*spec, 0, {});
    std::string text;
    if (group->uses_dp_hash())
      for (unsigned i = 0; i <= group->slot_mask(); ++i) text += std::to_string(group->bucket_of(i));
    return text;
  };
  // As ovs-vswitchd 3.1 shows for dp_hash=0…15.
  EXPECT_EQ(slots("bucket=1,bucket=2"), "0101010101010101");
  EXPECT_EQ(slots("bucket=1,bucket=2,bucket=3"), "0120120120120120");
  EXPECT_EQ(slots("bucket=weight:2,actions=1,bucket=2,bucket=weight:5,actions=3"), "2021220220212202");
  EXPECT_EQ(slots("bucket=weight:0,actions=1,bucket=weight:3,actions=3"), "1111111111111111");
  EXPECT_EQ(slots("bucket=1,bucket=weight:200,actions=3").size(), 256u);
  EXPECT_EQ(slots("bucket=1,bucket=weight:500,actions=3"), "");
  EXPECT_EQ(slots("bucket=weight:0,actions=1"), "");
  EXPECT_EQ(slots("selection_method=hash,bucket=1,bucket=2"), "");
}

TEST_F(GroupTest, SelectionParameterNamesTheDatapathHash) {
  ASSERT_EQ(group("group_id=1,type=select,selection_method=dp_hash,selection_method_param=4294967297,bucket="
                  "1,bucket=2"),
            "");
  ASSERT_EQ(
      group("group_id=2,type=select,selection_method=dp_hash,selection_method_param=17,bucket=1,bucket=2"),
      "");
  mod("in_port=1,actions=group:1");
  mod("in_port=2,actions=group:2");
  EXPECT_THAT(actions("in_port=1"), HasSubstr("hash(sym_l4(1))"));
  EXPECT_THAT(actions("in_port=2"), HasSubstr("hash(l4(17))"));
}

/// Packets that are equal under the mask go the same way, and both buckets are used about as their weights
/// say.
TEST_F(GroupTest, HashedFieldsDecideAndAreInTheMask) {
  ASSERT_EQ(group("group_id=1,type=select,selection_method=hash,fields(ip_src=255.255.0.0,tcp_dst),bucket=1,"
                  "bucket=weight:3,actions=2"),
            "");
  mod("actions=group:1");
  translate(key_of("in_port=4,tcp,nw_src=10.0.0.1,nw_dst=10.0.0.2,tp_src=1,tp_dst=80"));
  EXPECT_EQ(result.mask.bits.nw_src.host(), 0xffff0000u);
  EXPECT_EQ(result.mask.bits.tp_dst.host(), 0xffffu);
  EXPECT_EQ(result.mask.bits.nw_dst.raw(), 0u);
  EXPECT_EQ(result.mask.bits.tp_src.raw(), 0u);
  translate(key_of("in_port=4,udp,nw_src=10.0.0.1"));
  EXPECT_EQ(result.mask.bits.tp_dst.raw(), 0u);
  unsigned second = 0;
  for (unsigned port = 0; port < 2000; ++port)
    second += actions("in_port=4,tcp,nw_src=10.0.0.1,tp_dst=" + std::to_string(port)) == "2";
  EXPECT_GT(second, 1500u);  // highest random weight with 3 to 1 gives five in six
  EXPECT_LT(second, 1850u);
}

TEST_F(GroupTest, GroupModErrors) {
  EXPECT_EQ(flow("actions=group:1"), "OFPBAC_BAD_OUT_GROUP");
  EXPECT_EQ(flow("actions=1,write_actions(group:1)"), "OFPBAC_BAD_OUT_GROUP");
  EXPECT_EQ(group("group_id=1,type=all,bucket=1", GroupCommand::Modify), "OFPGMFC_UNKNOWN_GROUP");
  EXPECT_EQ(group("group_id=1,type=all,bucket=1", GroupCommand::AddOrModify), "");
  EXPECT_EQ(group("group_id=1,type=all,bucket=2"), "OFPGMFC_GROUP_EXISTS");
  EXPECT_EQ(group("group_id=1,type=all,bucket=2", GroupCommand::AddOrModify), "");
  EXPECT_EQ(group("group_id=2,type=indirect,bucket=group:1"), "");
  EXPECT_EQ(group("group_id=1,type=all,bucket=group:2", GroupCommand::Modify), "OFPGMFC_LOOP");
  EXPECT_EQ(group("group_id=3,type=all,bucket=clone(group:3)"), "OFPGMFC_LOOP");
  const auto bad_action = action::parse_group("group_id=3,type=all,bucket=set_field:1->ct_mark");
  ASSERT_FALSE(bad_action);
  EXPECT_EQ(field::of_error(bad_action.error()), field::OfError::BacBadSetArgument);
  EXPECT_THAT(groups(), ElementsAre("group_id=1,type=all,bucket=bucket_id:0,actions=output:2",
                                    "group_id=2,type=indirect,bucket=bucket_id:0,actions=group:1"));
}

TEST_F(GroupTest, BucketsComeAndGo) {
  ASSERT_EQ(group("group_id=1,type=select,bucket=1,bucket=2"), "");
  const auto insert = [&](const std::string& where, const std::string& bucket) {
    return group("group_id=1,command_bucket_id=" + where + ",bucket=" + bucket, GroupCommand::InsertBucket);
  };
  EXPECT_EQ(insert("first", "bucket_id:9,actions=3"), "");
  EXPECT_EQ(insert("last", "bucket_id:10,weight:4,actions=4"), "");
  EXPECT_EQ(insert("0", "bucket_id:11,actions=5"), "");
  EXPECT_EQ(insert("77", "bucket_id:12,actions=5"), "OFPGMFC_UNKNOWN_BUCKET");
  EXPECT_EQ(insert("0", "bucket_id:9,actions=5"), "OFPGMFC_BUCKET_EXISTS");
  EXPECT_THAT(
      groups(),
      ElementsAre("group_id=1,type=select,bucket=bucket_id:9,weight:0,actions=output:3,"
                  "bucket=bucket_id:0,actions=output:1,bucket=bucket_id:11,weight:0,actions=output:5,"
                  "bucket=bucket_id:1,actions=output:2,bucket=bucket_id:10,weight:4,actions=output:4"));
  const auto remove = [&](const std::string& which) {
    return group("group_id=1,command_bucket_id=" + which, GroupCommand::RemoveBucket);
  };
  EXPECT_EQ(remove("first"), "");
  EXPECT_EQ(remove("10"), "");
  EXPECT_EQ(remove("99"), "OFPGMFC_UNKNOWN_BUCKET");
  EXPECT_EQ(remove("last"), "");
  EXPECT_THAT(groups(), ElementsAre("group_id=1,type=select,bucket=bucket_id:0,actions=output:1,"
                                    "bucket=bucket_id:11,weight:0,actions=output:5"));
  EXPECT_EQ(remove("all"), "");
  EXPECT_THAT(groups(), ElementsAre("group_id=1,type=select"));
  EXPECT_EQ(group("group_id=8,command_bucket_id=all", GroupCommand::RemoveBucket), "OFPGMFC_UNKNOWN_GROUP");
}

TEST_F(GroupTest, DeletingAGroupDeletesItsFlows) {
  ASSERT_EQ(group("group_id=1,type=all,bucket=1"), "");
  ASSERT_EQ(group("group_id=2,type=all,bucket=group:1"), "");
  mod("tcp,actions=group:1,2");
  mod("udp,actions=1,write_actions(group:1)");
  mod("arp,actions=clone(group:1)");
  mod("icmp,actions=group:2");
  EXPECT_THAT(counters(1), HasSubstr("ref_count=3"));
  const auto done =
      pipeline.apply(std::vector<Modification>{group_spec("group_id=1", GroupCommand::Delete)}, at(1));
  ASSERT_TRUE(done);
  ASSERT_EQ(done->removed.size(), 3u);
  for (const RemovedFlow& removed : done->removed) EXPECT_EQ(removed.reason, RemovedReason::GroupDelete);
  EXPECT_THAT(dump(), ElementsAre("table=0,icmp,actions=group:2"));
  EXPECT_EQ(actions("in_port=3,icmp"), "drop");  // group 1 is gone
  EXPECT_EQ(group("group_id=all", GroupCommand::Delete), "");
  EXPECT_EQ(pipeline.flow_count(), 0u);
  EXPECT_TRUE(groups().empty());
}

TEST_F(GroupTest, CountersAreOfGroupAndBucketAndBeginAnewWithEachVersion) {
  ASSERT_EQ(group("group_id=1,type=all,bucket=1,bucket=2"), "");
  ASSERT_EQ(group("group_id=2,type=select,bucket=1,bucket=2"), "");
  mod("tcp,actions=group:1");
  mod("udp,actions=group:2");
  translate(key_of("in_port=3,tcp"));
  result.credits.credit(3, 300, at(1));
  EXPECT_EQ(counters(1),
            "group_id=1,duration=0s,ref_count=1,packet_count=3,byte_count=300,bucket0:packet_count=3,"
            "byte_count=300,bucket1:packet_count=3,byte_count=300");
  // A packet that goes to be hashed is counted when it comes back.
  translate(key_of("in_port=3,udp"));
  result.credits.credit(1, 60, at(1));
  EXPECT_THAT(counters(2), HasSubstr("packet_count=0,byte_count=0,bucket0"));
  flow::FlowKey back = key_of("in_port=3,udp");
  back.recirc_id = be32{1};
  back.dp_hash = be32{1};
  translate(back);
  result.credits.credit(1, 60, at(1));
  EXPECT_THAT(counters(2), HasSubstr("packet_count=1,byte_count=60,bucket0:packet_count=0,byte_count=0,"
                                     "bucket1:packet_count=1,byte_count=60"));
  EXPECT_EQ(group("group_id=1,type=all,bucket=1", GroupCommand::Modify), "");
  EXPECT_EQ(counters(1),
            "group_id=1,duration=0s,ref_count=1,packet_count=0,byte_count=0,bucket0:packet_count=0,"
            "byte_count=0");
}

TEST_F(GroupTest, FlowsAndGroupsShowAtOnceOrNotAtAll) {
  ASSERT_EQ(group("group_id=1,type=all,bucket=1"), "");
  mod("tcp,actions=group:1");
  const std::vector<std::string> flows_before = dump(), groups_before = groups();
  std::size_t failed = 99;
  const std::uint64_t epoch = pipeline.epoch();
  EXPECT_EQ(change({group_spec("group_id=1", GroupCommand::Delete),
                    group_spec("group_id=1,type=all,bucket=2"), spec("tcp,actions=group:1"),
                    group_spec("group_id=5,type=all,bucket=3"), spec("udp,actions=group:5"),
                    spec("tcp,actions=3", action::FlowCommand::Modify), spec("icmp,actions=group:6")},
                   &failed),
            "OFPBAC_BAD_OUT_GROUP");
  EXPECT_EQ(failed, 6u);
  EXPECT_EQ(pipeline.epoch(), epoch);
  EXPECT_EQ(dump(), flows_before);
  EXPECT_EQ(groups(), groups_before);
  EXPECT_THAT(counters(1), HasSubstr("ref_count=1"));
  EXPECT_EQ(actions("in_port=3,tcp"), "1");

  EXPECT_EQ(change({group_spec("group_id=1", GroupCommand::Delete),
                    group_spec("group_id=1,type=all,bucket=2"), spec("tcp,actions=group:1"),
                    group_spec("group_id=5,type=all,bucket=3"), spec("udp,actions=group:5")}),
            "");
  EXPECT_EQ(actions("in_port=3,tcp"), "2");
  EXPECT_EQ(actions("in_port=4,udp"), "3");
}

TEST_F(GroupTest, PacketsToTheControllerSayWhereFrom) {
  ASSERT_EQ(group("group_id=1,type=all,bucket=controller"), "");
  mod("in_port=1,actions=group:1");
  mod("in_port=2,actions=write_actions(controller)");
  mod("in_port=3,actions=controller");
  EXPECT_THAT(actions("in_port=1"), HasSubstr("controller(reason=4,"));
  EXPECT_THAT(actions("in_port=2"), HasSubstr("controller(reason=3,"));
  EXPECT_THAT(actions("in_port=3"), HasSubstr("controller(reason=1,"));
  mod("priority=0,actions=controller");
  mod("table=1,priority=0,in_port=5,actions=controller");
  mod("in_port=5,actions=resubmit(,1)");
  EXPECT_THAT(actions("in_port=4"), HasSubstr("controller(reason=6,")) << "the table-miss flow";
  EXPECT_THAT(actions("in_port=5"), HasSubstr("controller(reason=1,")) << "it does not match all";
}

/// Groups against a map: any sequence of additions and deletions, some in bundles that fail.
TEST_F(GroupTest, RandomGroupModsAgainstAMap) {
  Rng rng(7);
  std::map<std::uint32_t, std::string> model;
  for (unsigned step = 0; step < 3000; ++step) {
    std::map<std::uint32_t, std::string> next = model;
    std::vector<Modification> changes;
    const unsigned n = 1 + static_cast<unsigned>(rng.below(4));
    for (unsigned i = 0; i < n; ++i) {
      const auto id = static_cast<std::uint32_t>(rng.below(40));
      if (rng.chance(40)) {
        changes.emplace_back(group_spec("group_id=" + std::to_string(id), GroupCommand::Delete));
        next.erase(id);
      } else {
        const std::string text = "group_id=" + std::to_string(id) +
                                 ",type=all,bucket=bucket_id:" + std::to_string(rng.below(9)) +
                                 ",actions=output:1";
        changes.emplace_back(group_spec(text, GroupCommand::AddOrModify));
        next[id] = text;
      }
    }
    const bool fails = rng.chance(30);
    if (fails) changes.emplace_back(spec("actions=group:1000"));
    ASSERT_EQ(change(std::move(changes)).empty(), !fails);
    if (!fails) model = std::move(next);
    std::vector<std::string> expected;
    for (const auto& [id, text] : model) expected.push_back(text);
    ASSERT_EQ(groups(), expected) << "step " << step;
    if (step % 100 == 0) pipeline.run(at(1));
  }
}

}  // namespace
}  // namespace sluice::pipeline
