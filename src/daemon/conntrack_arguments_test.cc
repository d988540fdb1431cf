// Arguments of the conntrack commands: what they mean, and the errors of ovs-vswitchd.
#include "daemon/conntrack_arguments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/coverage.h"
#include "daemon/dpctl_arguments.h"
#include "net/address.h"

namespace sluice::daemon {
namespace {

using Words = std::vector<std::string>;

std::string flush_error(const Words& words) {
  const auto flush = parse_flush(words);
  return flush ? "" : flush.error().message;
}

TEST(ConntrackArguments, FlushErrorsAreThoseOfOvs) {
  const auto wrapped = [](const std::string& text) {
    return "ovs-vswitchd: " + text + " (Invalid argument)\n";
  };
  EXPECT_EQ(flush_error({"zone=x"}), wrapped("failed to parse zone"));
  EXPECT_EQ(flush_error({"zone="}), wrapped("failed to parse zone"));
  EXPECT_EQ(flush_error({"mark=x"}), wrapped("failed to parse mark"));
  EXPECT_EQ(flush_error({"labels=0x"}), wrapped("failed to parse labels"));
  EXPECT_EQ(flush_error({"ct_nw_foo=1"}), wrapped("invalid conntrack tuple field: ct_nw_foo"));
  EXPECT_EQ(flush_error({"ct_nw_src=1"}), wrapped("failed to parse field ct_nw_src"));
  EXPECT_EQ(flush_error({"ct_nw_proto=300"}), wrapped("failed to parse field ct_nw_proto"));
  EXPECT_EQ(flush_error({"nodp"}), wrapped("field nodp missing value"));
  EXPECT_EQ(flush_error({"=x"}), wrapped("invalid conntrack tuple field: "));
  EXPECT_EQ(flush_error({"zone=3", "zone=4"}), wrapped("invalid conntrack tuple field: zone"));
  EXPECT_EQ(flush_error({"ct_tp_src=1"}), wrapped("port is set without protocol"));
  EXPECT_EQ(flush_error({"icmp_id=1"}), wrapped("invalid L4 fields"));
  EXPECT_EQ(flush_error({"ct_nw_src=1.2.3.4,ct_ipv6_src=::1"}),
            wrapped("the L3 protocol does not match ::1"));
  EXPECT_EQ(flush_error({"ct_nw_src=1.2.3.4", "ct_nw_src=1.2.3.4", "ct_nw_src=1.2.3.4"}),
            wrapped("invalid arguments"));
}

TEST(ConntrackArguments, FlushReadsEverything) {
  const auto flush =
      parse_flush(Words{"zone=5", "mark=0x3/0x1", "labels=0x10000000000000001",
                        "ct_nw_src=10.0.0.1,ct_nw_proto=6,ct_tp_dst=80", "ct_nw_dst=10.0.0.9"});
  ASSERT_TRUE(flush) << flush.error().message;
  EXPECT_EQ(flush->filter.zone, 5);
  EXPECT_EQ(flush->filter.mark, 3u);
  EXPECT_EQ(flush->filter.mark_mask, 1u);
  EXPECT_EQ(flush->filter.label, (be128{be64{1}, be64{1}}));
  EXPECT_EQ(flush->filter.label_mask, ~be128{});
  conntrack::PartialTuple original;
  original.src = net::v4_mapped(be32{0x0a000001});
  original.proto = 6;
  original.dst_port = be16{80};
  EXPECT_EQ(flush->filter.original, original);
  EXPECT_EQ(flush->filter.reply.dst, net::v4_mapped(be32{0x0a000009}));
  EXPECT_FALSE(flush->names_one);
}

TEST(ConntrackArguments, AWholeTupleNamesOneConnectionOfZoneZero) {
  const auto tcp =
      parse_flush(Words{"ct_nw_src=10.0.0.1,ct_nw_dst=10.0.0.2,ct_nw_proto=6,ct_tp_src=1,ct_tp_dst=2"});
  ASSERT_TRUE(tcp);
  EXPECT_TRUE(tcp->names_one);
  EXPECT_EQ(tcp->filter.zone, 0);
  const auto icmp = parse_flush(Words{
      "zone=3", "ct_nw_src=10.0.0.1,ct_nw_dst=10.0.0.2,ct_nw_proto=1,icmp_id=1,icmp_type=8,icmp_code=0"});
  ASSERT_TRUE(icmp);
  EXPECT_TRUE(icmp->names_one);
  EXPECT_EQ(icmp->filter.zone, 3);
  const auto partial = parse_flush(Words{"ct_nw_src=10.0.0.1,ct_nw_dst=10.0.0.2,ct_nw_proto=6,ct_tp_src=1"});
  ASSERT_TRUE(partial);
  EXPECT_FALSE(partial->names_one);
  EXPECT_FALSE(partial->filter.zone);
}

TEST(ConntrackArguments, Limits) {
  const auto limits = parse_limits(Words{"default=10", "zone=1,limit=5", "limit=0,zone=2"});
  ASSERT_TRUE(limits) << limits.error().message;
  EXPECT_EQ(limits->default_limit, 10u);
  EXPECT_EQ(limits->zones, (std::map<std::uint16_t, std::uint32_t>{{1, 5}, {2, 0}}));
  const auto error = [](const std::string& word) {
    const auto parsed = parse_limits(Words{word});
    return parsed ? "" : parsed.error().message;
  };
  EXPECT_EQ(error("default=x"), "ovs-vswitchd: invalid default limit (Invalid argument)\n");
  EXPECT_EQ(error("zone=1"), "ovs-vswitchd: failed to parse zone limit (Invalid argument)\n");
  EXPECT_EQ(error("zone=1,limit=z"), "ovs-vswitchd: failed to parse field limit (Invalid argument)\n");
  EXPECT_EQ(error("zone=99999,limit=4"), "ovs-vswitchd: failed to parse field zone (Invalid argument)\n");
  EXPECT_EQ(error("zone=3,limit=5,foo=3"),
            "ovs-vswitchd: invalid zone limit field: foo (Invalid argument)\n");
  EXPECT_EQ(error("foo"), "ovs-vswitchd: field foo missing value (Invalid argument)\n");
  EXPECT_EQ(parse_zones("zone=1,2,,3").value(), (std::vector<std::uint16_t>{1, 2, 3}));
  EXPECT_EQ(parse_zones("zone=x").error().message, "ovs-vswitchd: invalid zone (Invalid argument)\n");
}

TEST(DpctlArguments, OptionsAndDatapath) {
  const auto parsed = parse_dpctl(Words{"-m", "netdev@ovs-netdev", "zone=1", "-s"});
  ASSERT_TRUE(parsed);
  EXPECT_TRUE(parsed->more && parsed->statistics);
  auto words = parsed->words;
  EXPECT_TRUE(take_datapath(words, 1));
  EXPECT_EQ(words, (Words{"zone=1"}));
  EXPECT_EQ(take_datapath(words, 0).error().message, "ovs-vswitchd: datapath not found (Invalid argument)\n");
  EXPECT_EQ(parse_dpctl(Words{"-x"}).error().message, "Unrecognized option -x");
}

TEST(Coverage, RatesOverTheLastSamples) {
  std::vector<Event> events = {{"seen", 0}, {"never", 0}};
  Coverage coverage([&] { return events; });
  coverage.sample();
  events[0].total = 10;
  EXPECT_THAT(coverage.show(),
              ::testing::ContainsRegex(
                  "seen +2\\.0/sec +0\\.167/sec +0\\.0028/sec +total: 10\n1 events never hit\n$"));
  EXPECT_EQ(coverage.read_counter("seen"), 10u);
  EXPECT_EQ(coverage.read_counter("never"), 0u);
  EXPECT_EQ(coverage.read_counter("unknown"), std::nullopt);
}

}  // namespace
}  // namespace sluice::daemon
