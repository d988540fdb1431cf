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
  // As ovs-vswitchd, which takes a code that is not given for 0.
  const auto no_code =
      parse_flush(Words{"ct_nw_src=10.0.0.1,ct_nw_dst=10.0.0.2,ct_nw_proto=1,icmp_id=1,icmp_type=8"});
  EXPECT_TRUE(no_code->names_one);
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
  EXPECT_EQ(error("default="), "ovs-vswitchd: invalid default limit (Invalid argument)\n");
  // The default comes first or not at all.
  EXPECT_EQ(parse_limits(Words{"zone=1,limit=2", "default=3"}).error().message,
            "ovs-vswitchd: invalid zone limit field: default (Invalid argument)\n");
  EXPECT_EQ(error("zone=1"), "ovs-vswitchd: failed to parse zone limit (Invalid argument)\n");
  EXPECT_EQ(error("zone=1,limit=z"), "ovs-vswitchd: failed to parse field limit (Invalid argument)\n");
  EXPECT_EQ(error("zone=99999,limit=4"), "ovs-vswitchd: failed to parse field zone (Invalid argument)\n");
  EXPECT_EQ(error("zone=3,limit=5,foo=3"),
            "ovs-vswitchd: invalid zone limit field: foo (Invalid argument)\n");
  EXPECT_EQ(error("foo"), "ovs-vswitchd: field foo missing value (Invalid argument)\n");
  EXPECT_EQ(parse_zones("zone=1,2,,3").value(), (std::vector<std::uint16_t>{1, 2, 3}));
  EXPECT_EQ(parse_zones("foo").error().message, "ovs-vswitchd: invalid argument foo (Invalid argument)\n");
  EXPECT_EQ(parse_zones("zone=x").error().message, "ovs-vswitchd: invalid zone (Invalid argument)\n");
}

TEST(ConntrackArguments, FilterTakesWordsInAnyOrder) {
  const auto filter = parse_filter(
      Words{"cookie=0x12/0xff", "zone=7", "label=0x5", "mark=1", "ct_nw_proto=17", "ct_nw_dst=10.0.0.1"});
  ASSERT_TRUE(filter) << filter.error().message;
  EXPECT_EQ(filter->cookie, 0x12u);
  EXPECT_EQ(filter->cookie_mask, 0xffu);
  EXPECT_EQ(filter->zone, 7);
  EXPECT_EQ(filter->label, (be128{be64{}, be64{5}}));
  EXPECT_EQ(filter->label_mask, ~be128{});
  EXPECT_EQ(filter->mark, 1u);
  EXPECT_EQ(filter->mark_mask, 0xffffffffu);
  EXPECT_EQ(filter->original.proto, 17);
  EXPECT_EQ(filter->reply.dst, net::v4_mapped(be32{0x0a000001}));
  EXPECT_EQ(parse_filter(Words{"cookie=1"})->cookie_mask, ~std::uint64_t{0});
  const auto error = [](const std::string& word) { return parse_filter(Words{word}).error().message; };
  EXPECT_EQ(error("zone=x"), "\"zone=x\": expected zone=0 to zone=65535");
  EXPECT_EQ(error("cookie=0x10000000000000000"),
            "\"cookie=0x10000000000000000\": expected a number, or VALUE/MASK, that fits the field");
  EXPECT_EQ(parse_filter(Words{"ct_nw_proto=1", "ct_nw_proto=1", "zone=3"}).error().message,
            "\"zone=3\": expected no more than the original and the reply tuple");
}

TEST(ConntrackArguments, ZoneSettings) {
  using conntrack::Strictness;
  ZoneSettings settings;
  ASSERT_TRUE(parse_zone_settings(
      Words{"liberal=on", "loose=off", "seq-check=off", "tcp_established=7", "sctp_closed=8", "tcp_unack=9"},
      settings));
  EXPECT_EQ(settings.strictness,
            (Strictness{.sequence_check = Strictness::SequenceCheck::Off, .liberal = true, .loose = false}));
  conntrack::TimeoutPolicy policy;
  policy[conntrack::Timeout::TcpEstablished] = 7;
  policy[conntrack::Timeout::SctpClosed] = 8;
  EXPECT_EQ(settings.timeouts, policy);  // tcp_unack is the kernel's
  ASSERT_TRUE(parse_zone_settings(Words{"seq-check=default", "udp_first=3"}, settings));
  policy[conntrack::Timeout::UdpFirst] = 3;
  EXPECT_EQ(settings.timeouts, policy);
  EXPECT_TRUE(settings.strictness.liberal);
  ASSERT_TRUE(parse_zone_settings(Words{"default"}, settings));
  EXPECT_EQ(settings.strictness, Strictness{});
  EXPECT_FALSE(settings.timeouts);
  const auto error = [&](const std::string& word) {
    return parse_zone_settings(Words{word}, settings).error().message;
  };
  EXPECT_EQ(error("loose=yes"), "\"loose=yes\": expected on or off");
  EXPECT_EQ(error("udp_first=0"), "\"udp_first=0\": expected a number of seconds, at least 1");
  EXPECT_EQ(
      error("foo=1"),
      "\"foo=1\": expected liberal=, loose=, seq-check=, a timeout such as tcp_established=, or default");
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
