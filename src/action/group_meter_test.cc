// Groups and meters as text: what ovs-ofctl 3.1 takes, refuses and prints.
#include <gtest/gtest.h>

#include "action/all_actions.h"
#include "action/group_spec.h"
#include "action/meter_spec.h"

namespace sluice::action {
namespace {

std::string group(const std::string& text, GroupCommand command = GroupCommand::Add) {
  const auto parsed = parse_group(text, command);
  return parsed ? format_group_mod(*parsed) : "error: " + parsed.error().message;
}

TEST(GroupText, ReadsAndPrintsAsOvsOfctl) {
  EXPECT_EQ(group("group_id=1,type=select,bucket=actions=1,bucket=weight:50,actions=2"),
            "ADD "
            "group_id=1,type=select,bucket=bucket_id:0,actions=output:1,bucket=bucket_id:1,weight:50,actions="
            "output:2");
  EXPECT_EQ(group("group_id=2,type=all,bucket=actions=load:1->NXM_NX_REG0[],1,bucket=actions=2,resubmit(,1)"),
            "ADD group_id=2,type=all,bucket=bucket_id:0,actions=load:0x1->NXM_NX_REG0[],output:1,"
            "bucket=bucket_id:1,actions=output:2,resubmit(,1)");
  EXPECT_EQ(
      group("group_id=3,type=fast_failover,bucket=watch_port:3,actions=3,bucket=watch_group:1,actions=2"),
      "ADD group_id=3,type=ff,bucket=bucket_id:0,watch_port:3,actions=output:3,"
      "bucket=bucket_id:1,watch_group:1,actions=output:2");
  EXPECT_EQ(group("group_id=4,type=select,selection_method=hash,fields(tcp_dst,ip_src,eth_src,tcp_src),"
                  "bucket=bucket_id:7,watch_port:2,actions=1,bucket=output:1,output:2"),
            "ADD group_id=4,type=select,selection_method=hash,fields(eth_src,ip_src,tcp_src,tcp_dst),"
            "bucket=bucket_id:7,watch_port:2,actions=output:1,bucket=bucket_id:0,actions=output:1,output:2");
  EXPECT_EQ(group("group_id=5,type=select,selection_method=dp_hash,selection_method_param=17,bucket=weight:0,"
                  "actions=1"),
            "ADD group_id=5,type=select,selection_method=dp_hash,selection_method_param=17,"
            "bucket=bucket_id:0,weight:0,actions=output:1");
  EXPECT_EQ(group("group_id=0x10 type=select selection_method=hash fields(ip_src=255.0.0.0) bucket=drop"),
            "ADD "
            "group_id=16,type=select,selection_method=hash,fields=ip_src=255.0.0.0,bucket=bucket_id:0,"
            "actions=drop");
  EXPECT_EQ(group("group_id=9,type=all"), "ADD group_id=9,type=all");
  EXPECT_EQ(
      group("group_id=1,type=all,bucket=actions=1,bucket=bucket_id:0,actions=2"),
      "ADD group_id=1,type=all,bucket=bucket_id:1,actions=output:1,bucket=bucket_id:0,actions=output:2");
  EXPECT_EQ(group("insert_bucket group_id=1,command_bucket_id=last,bucket=bucket_id:4,actions=2"),
            "INSERT_BUCKET command_bucket_id:last,group_id=1,bucket=bucket_id:4,actions=output:2");
  EXPECT_EQ(group("group_id=1,command_bucket_id=99", GroupCommand::RemoveBucket),
            "REMOVE_BUCKET command_bucket_id:99,group_id=1");
  EXPECT_EQ(group("", GroupCommand::Delete), "DEL group_id=all");
  EXPECT_EQ(
      group("add_or_mod group_id=9,type=indirect,bucket=ct(commit,nat(dst=10.0.0.9),table=2)"),
      "ADD_OR_MOD group_id=9,type=indirect,bucket=bucket_id:0,actions=ct(commit,table=2,nat(dst=10.0.0.9))");
}

TEST(GroupText, OlderVersionsShowNoBucketIds) {
  const auto spec =
      parse_group("group_id=4,type=select,selection_method=hash,fields=ip_src,bucket=weight:2,actions=1");
  ASSERT_TRUE(spec);
  EXPECT_EQ(format_group(*spec, OfVersion::k13), "group_id=4,type=select,bucket=weight:2,actions=output:1");
  EXPECT_EQ(format_group(*spec, OfVersion::k10), format_group(*spec, OfVersion::k15));
}

TEST(GroupText, Refusals) {
  EXPECT_EQ(group("group_id=4294967041,type=all"), "error: invalid group id 4294967041");
  EXPECT_EQ(group("group_id=100"), "error: must specify a type");
  EXPECT_EQ(group("type=all"), "error: must specify a group_id");
  EXPECT_EQ(group("group_id=100,type=foo"), "error: invalid group type foo");
  EXPECT_EQ(group("group_id=1,type=indirect,bucket=1,bucket=2"),
            "error: Indirect groups can have at most one bucket.");
  EXPECT_EQ(group("group_id=1,type=all,bucket=weight:5,actions=1"),
            "error: Only select groups can have bucket weights.");
  EXPECT_EQ(group("group_id=1,type=ff,bucket=actions=1"),
            "error: fast failover bucket requires watch_port or watch_group");
  EXPECT_EQ(group("group_id=1,type=select,fields(ip_src),bucket=1"),
            "error: fields may only be specified with \"selection_method=hash\"");
  EXPECT_EQ(group("group_id=1,type=all,foo=1,bucket=1"), "error: unknown keyword foo");
  EXPECT_EQ(group("group_id=1,type=all,bucket=goto_table:1"),
            "error: goto_table instruction not allowed here");
  EXPECT_EQ(group("group_id=1,type=all,bucket=weight:0"), "error: bucket must specify actions");
  EXPECT_EQ(group("group_id=1,type=select,selection_method=hash,fields(eth_src,eth_src),bucket=1"),
            "error: eth_src: duplicate field");
  EXPECT_EQ(group("group_id=1,command_bucket_id=all,bucket=1", GroupCommand::InsertBucket),
            "error: command_bucket_id=all is not permitted");
  EXPECT_EQ(group("group_id=1,bucket=1", GroupCommand::InsertBucket),
            "error: must specify a command bucket id");
  const auto twice =
      parse_group("group_id=1,type=all,bucket=bucket_id:5,actions=1,bucket=bucket_id:5,actions=2");
  ASSERT_FALSE(twice);
  EXPECT_EQ(field::of_error(twice.error()), field::OfError::GmfcBadBucket);
  const auto watch = parse_group("group_id=1,type=all,bucket=watch_port:1,actions=1");
  ASSERT_FALSE(watch);
  EXPECT_EQ(field::of_error(watch.error()), field::OfError::GmfcWatchUnsupported);
}

TEST(GroupText, Counters) {
  EXPECT_EQ(format_group_counters({.id = 3,
                                   .references = 1,
                                   .duration_ns = 1'040'000'000,
                                   .total = {.packets = 2, .bytes = 236},
                                   .buckets = {{.packets = 2, .bytes = 236}, {}}}),
            "group_id=3,duration=1.040s,ref_count=1,packet_count=2,byte_count=236,bucket0:packet_count=2,"
            "byte_count=236,bucket1:packet_count=0,byte_count=0");
}

std::string meter(const std::string& text) {
  const auto parsed = parse_meter(text);
  return parsed ? format_meter(*parsed) : "error: " + parsed.error().message;
}

TEST(MeterText, ReadsPrintsAndRefusesAsOvsOfctl) {
  EXPECT_EQ(meter("meter=1,kbps,band=type=drop,rate=1000"), "meter=1 kbps bands=\ntype=drop rate=1000");
  EXPECT_EQ(meter("meter=2,pktps,burst,stats,band=type=drop,rate=100,burst_size=50"),
            "meter=2 pktps burst stats bands=\ntype=drop rate=100 burst_size=50");
  EXPECT_EQ(meter("meter=controller kbps bands=type=dscp_remark rate=100 prec_level=1 type=drop rate=200"),
            "meter=controller kbps bands=\ntype=dscp_remark rate=100 prec_level=1\ntype=drop rate=200");
  EXPECT_EQ(meter("meter=4,kbps"), "error: must specify bands");
  EXPECT_EQ(meter("meter=6,band=type=drop,rate=1"), "error: meter must specify either 'kbps' or 'pktps'");
  EXPECT_EQ(meter("meter=7,kbps,band=type=drop"), "error: band must have 'rate'");
  EXPECT_EQ(meter("meter=8,kbps,band=rate=5"), "error: band must start with the 'type' keyword");
  EXPECT_EQ(meter("meter=0,kbps,band=type=drop,rate=1"), "error: invalid value for meter");
  EXPECT_EQ(meter("meter=9,kbps,band=type=foo,rate=1"), "error: field type unknown value foo");
  EXPECT_EQ(meter("meter=10,kbps,band=type=drop,rate=1,burst_size=5"),
            "error: band may have 'burst_size' only when 'burst' flag is set");
  EXPECT_EQ(meter("meter=11,kbps,burst,band=type=drop,rate=1"),
            "error: band must have 'burst_size' when 'burst' flag is set");
  EXPECT_EQ(meter("meter=12,kbps,band=type=drop,rate=1,prec_level=2"),
            "error: Only 'dscp_remark' band may have 'prec_level'");
  EXPECT_EQ(meter("kbps,band=type=drop,rate=1"), "error: must specify 'meter'");
  EXPECT_EQ(meter("meter=13,foo,band=type=drop,rate=1"), "error: field foo missing value");
  const auto both = parse_meter("meter=5,kbps,pktps,band=type=drop,rate=1");
  ASSERT_FALSE(both);
  EXPECT_EQ(field::of_error(both.error()), field::OfError::MmfcBadFlags);
  EXPECT_EQ(format_meter_counters({.id = 1,
                                   .flows = 2,
                                   .packets_in = 3,
                                   .bytes_in = 180,
                                   .duration_ns = 64'000'000,
                                   .bands = {{.packets = 1, .bytes = 60}}}),
            "meter:1 flow_count:2 packet_in_count:3 byte_in_count:180 duration:0.064s bands:\n"
            "0: packet_count:1 byte_count:60\n");
}

}  // namespace
}  // namespace sluice::action
