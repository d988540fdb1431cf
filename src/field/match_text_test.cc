// Matches as text. The broad comparison with ovs-ofctl is tests/differential/field_match_text_test.cc; here
// stand its fixed points, so that they hold without it, and our own sentences.
#include "field/match_text.h"

#include <gtest/gtest.h>

#include <string>

#include "field/of_error.h"

namespace sluice::field {
namespace {

struct Case {
  std::string_view text, printed;
};
class Matches : public ::testing::TestWithParam<Case> {};
void PrintTo(const Case& c, std::ostream* out) {
  *out << c.text;
}

TEST_P(Matches, PrintAsOvsOfctlDoes) {
  const auto match = parse_match(GetParam().text);
  ASSERT_TRUE(match.has_value()) << match.error().message;
  EXPECT_EQ(format_match(*match), GetParam().printed);
  const auto again = parse_match(GetParam().printed);
  ASSERT_TRUE(again.has_value()) << again.error().message;
  EXPECT_TRUE(*again == *match);
}

// Each right-hand side was printed by ovs-ofctl 3.1 for its left-hand side.
const Case kCases[] = {
    {"", ""},
    {"tcp,nw_src=10.0.0.0/8,tp_dst=0x50/0xfff0", "tcp,nw_src=10.0.0.0/8,tp_dst=0x50/0xfff0"},
    {"udp,udp_src=4", "udp,tp_src=4"},
    {"sctp,sctp_src=4,sctp_dst=5/0xff", "sctp,tp_src=4,tp_dst=0x5/0xff"},
    {"sctp6,tp_src=4", "sctp6,tp_src=4"},
    {"dl_type=0x800,nw_proto=6", "tcp"},
    {"dl_type=2048", "ip"},
    {"ip,nw_proto=58", "ip,nw_proto=58"},
    {"ip6", "ipv6"},
    {"tcp,udp", "udp"},
    {"eth,ip", "ip"},
    {"dl_type=0x1234", "dl_type=0x1234"},
    {"arp,nw_src=1.2.3.4", "arp,arp_spa=1.2.3.4"},
    {"arp,arp_spa=1.2.3.4,arp_op=1", "arp,arp_spa=1.2.3.4,arp_op=1"},
    {"arp,nw_proto=2", "arp,arp_op=2"},
    {"rarp,arp_sha=00:00:00:00:00:01,arp_tha=00:00:00:00:00:02/ff:ff:ff:ff:ff:00",
     "rarp,arp_sha=00:00:00:00:00:01,arp_tha=00:00:00:00:00:00/ff:ff:ff:ff:ff:00"},
    {"mpls,mpls_label=5,mpls_tc=3,mpls_bos=1,mpls_ttl=4",
     "mpls,mpls_label=5,mpls_tc=3,mpls_ttl=4,mpls_bos=1"},
    {"dl_type=0x8848", "mplsm"},
    {"icmp,tp_src=3,tp_dst=4", "icmp,icmp_type=3,icmp_code=4"},
    {"icmp6,icmp_type=135,icmp_code=0,nd_target=fe80::1,nd_sll=00:00:00:00:00:01",
     "icmp6,icmp_type=135,icmp_code=0,nd_target=fe80::1,nd_sll=00:00:00:00:00:01"},
    {"icmp6,icmp_type=136,icmp_code=0,nd_reserved=5,nd_options_type=2",
     "icmp6,icmp_type=136,icmp_code=0,nd_reserved=5,nd_options_type=2"},
    {"ct_state=+trk-new,ct_zone=0x10,ct_mark=5/7,ct_label=16",
     "ct_state=-new+trk,ct_zone=16,ct_mark=0x5/0x7,ct_label=0x10"},
    {"ct_state=+trk-inv,tcp,ct_nw_src=1.2.3.4,ct_nw_proto=6,ct_tp_src=1/0xff00",
     "ct_state=-inv+trk,ct_nw_src=1.2.3.4,ct_nw_proto=6,ct_tp_src=0x0/0xff00,tcp"},
    {"ct_state=+trk-inv,ipv6,ct_ipv6_src=::1/64", "ct_state=-inv+trk,ct_ipv6_src=::/64,ipv6"},
    {"xreg0=5", "reg0=0,reg1=0x5"},
    {"xxreg1=0xffffffffffffffff", "reg4=0,reg5=0,reg6=0xffffffff,reg7=0xffffffff"},
    {"reg0[0..7]=5,reg0[31]=1", "reg0=0x80000005/0x800000ff"},
    {"NXM_NX_REG0[]=5", "reg0=0x5"},
    {"reg1=0xffffffff/0", ""},
    {"tunnel_id=5/0xff,tun_src=1.2.3.4,tun_gbp_id=4/5,tun_flags=oam",
     "tun_id=0x5/0xff,tun_src=1.2.3.4,tun_gbp_id=0x4/0x5,tun_flags=+oam"},
    {"in_port=65534", "in_port=LOCAL"},
    {"in_port_oxm=local", "in_port=LOCAL"},
    {"in_port=NONE", "in_port=ANY"},
    {"actset_output=5", "actset_output=5"},
    {"packet_type=(0,0),ip", "ip"},
    {"packet_type=(1,0x800),nw_proto=6,tp_src=5", "packet_type=(1,0x800),nw_proto=6,tp_src=5"},
    {"recirc_id=5,tcp", "recirc_id=0x5,eth,tcp"},
    {"dl_vlan=5,dl_vlan_pcp=3", "dl_vlan=5,dl_vlan_pcp=3"},
    {"dl_vlan=0xffff", "vlan_tci=0x0000"},
    {"vlan_pcp=3", "dl_vlan_pcp=3"},
    {"vlan_tci=0x1005", "dl_vlan=5,dl_vlan_pcp=0"},
    {"vlan_tci=0x1000/0x1000", "vlan_tci=0x1000/0x1000"},
    {"vlan_vid=0x1005", "dl_vlan=5"},
    {"vlan_vid=0", "vlan_tci=0x0000/0x1fff"},
    {"ip,nw_tos=5,nw_ecn=3,nw_ttl=4,ip_frag=not_later", "ip,nw_tos=4,nw_ecn=3,nw_ttl=4,nw_frag=not_later"},
    {"ip,ip_dscp=4", "ip,nw_tos=16"},
    {"ipv6,ipv6_label=0x12345/0xff", "ipv6,ipv6_label=0x00045/0x000ff"},
    {"tcp,tcp_flags=0x12/0x12", "tcp,tcp_flags=+syn+ack"},
    {"metadata=0,reg3=3,pkt_mark=1,in_port=3,dl_src=1:2:3:4:5:6",
     "pkt_mark=0x1,reg3=0x3,metadata=0,in_port=3,dl_src=01:02:03:04:05:06"},
};
INSTANTIATE_TEST_SUITE_P(Text, Matches, ::testing::ValuesIn(kCases));

struct Wrong {
  std::string_view text, message;
};
TEST(MatchText, RefusesWithASentence) {
  const Wrong cases[] = {
      {"tcp,foo=3", "\"foo=3\" at offset 4: unknown field \"foo\""},
      {"ct_state=+trk,+est",
       "\"+est\" is no match by itself: flags of ct_state are written without commas; write "
       "ct_state=+trk+est"},
      {"ct_state=trk,est",
       "\"est\" is no match by itself: flags of ct_state are written without commas; write ct_state=trk|est"},
      {"tcp,tcp_flags=+syn,-ack",
       "\"-ack\" is no match by itself: flags of tcp_flags are written without commas; write "
       "tcp_flags=+syn-ack"},
      {"+est", "\"+est\" is no match by itself: expected a field, as in ct_state=+est"},
      {"nw_src", "nw_src needs a value, as in nw_src=…"},
      {"tcp=5", "tcp=5: tcp takes no value"},
      {"reg0[0..3]=16", "NXM_NX_REG0[0..3]=16: value too large: at most 4 bits"},
      {"reg0[0..3]=x", "NXM_NX_REG0[0..3]=x: \"x\" is no number"},
      {"dl_type[0..3]=1", "NXM_OF_ETH_TYPE[0..3]=1: eth_type can only be matched as a whole"},
      {"ct_nw_src=1.2.3.4,ip", "ct_nw_src needs ip and a valid tracked state, as in ip,ct_state=+trk-inv"},
      {"ct_state=+trk-inv,ipv6,ct_nw_src=1.2.3.4",
       "ct_nw_src needs ip and a valid tracked state, as in ip,ct_state=+trk-inv"},
      {"ct_state=+trk,ct_nw_proto=6", "ct_nw_proto needs a valid tracked state, as in ct_state=+trk-inv"},
      {"packet_type=(1,0x800),dl_src=1:2:3:4:5:6", "eth_src needs packet_type=(0,0)"},
      {"packet_type=(2,5),tcp", "eth_type needs packet_type=(0,0)"},
      {"icmp,tp_src=300",
       "icmp_type (tp_src): of an ICMP packet it is matched as a whole and is at most 255"},
      {"icmp6,tp_dst=5/0xf",
       "icmp_code (tp_dst): of an ICMP packet it is matched as a whole and is at most 255"},
      {"tcp,nw_frag=later,tp_dst=80",
       "tp_dst cannot be matched with nw_frag=later: a later fragment has no transport header"},
  };
  for (const Wrong& c : cases) {
    const auto match = parse_match(c.text);
    ASSERT_FALSE(match.has_value()) << c.text;
    EXPECT_EQ(match.error().message, c.message);
  }
}

TEST(MatchText, MissingPrerequisitesCarryTheOpenFlowError) {
  const auto untracked = parse_match("ct_nw_src=1.2.3.4");
  ASSERT_FALSE(untracked.has_value());
  EXPECT_EQ(of_error(untracked.error()), OfError::BmcBadPrereq);
  const auto family = parse_match("ct_state=+est,ipv6,ct_nw_src=1.2.3.4");
  ASSERT_FALSE(family.has_value());
  EXPECT_EQ(of_error(family.error()), OfError::BacMatchInconsistent);
}

TEST(MatchText, DropsWhatLacksItsPrerequisiteAndSaysSo) {
  const Wrong cases[] = {
      {"nw_src=1.2.3.4", "nw_src is ignored: it needs ip"},
      {"ip,tp_dst=80", "tp_dst is ignored: it needs tcp, udp or sctp"},
      {"nw_proto=6", "ip_proto is ignored: it needs ip or ipv6"},
      {"mpls_label=5", "mpls_label is ignored: it needs mpls or mplsm"},
      {"icmp6,nd_target=fe80::1", "nd_target is ignored: it needs icmp6,icmp_type=135 or 136"},
      {"ct_state=+trk-inv,ct_tp_src=5", "ct_tp_src is ignored: it needs ct_nw_proto"},
  };
  for (const Wrong& c : cases) {
    std::string warning;
    const auto match = parse_match(c.text, nullptr, &warning);
    ASSERT_TRUE(match.has_value()) << c.text;
    EXPECT_EQ(warning, c.message) << c.text;
    std::string none;
    const auto rest = parse_match(format_match(*match), nullptr, &none);
    ASSERT_TRUE(rest.has_value());
    EXPECT_TRUE(*rest == *match) << c.text;
    EXPECT_EQ(none, "") << c.text;
  }
}

TEST(MatchText, WarnsOfMatchesThatCanNeverBeMet) {
  const Wrong cases[] = {
      {"ct_state=+new+inv",
       "ct_state=+new+inv can never match: an invalid packet (+inv) has no flag beside inv and trk"},
      {"ct_state=+new+est", "ct_state=+new+est can never match: a connection is either new or est"},
      {"ct_state=+new+rpl",
       "ct_state=+new+rpl can never match: a reply (+rpl) never belongs to a new connection"},
      {"ct_state=+est-trk",
       "ct_state=+est-trk can never match: a packet that was not tracked (-trk) has no other flag"},
      {"ct_state=new",
       "ct_state=new can never match: a packet that was not tracked (-trk) has no other flag"},
      {"ct_state=-trk,ct_mark=5",
       "ct_state=-trk can never match: ct_zone, ct_mark and ct_label are zero in a packet that was not "
       "tracked (-trk)"},
      {"ct_state=+inv,ct_mark=5",
       "ct_state=+inv can never match: ct_mark and ct_label are zero in an invalid packet (+inv)"},
      {"vlan_tci=5",
       "vlan_tci=0x0005/0xffff can never match: without a tag (0x1000 clear) all of it is zero"},
      {"ct_state=+trk+new-inv", ""},
      {"ct_state=+inv+trk", ""},
      {"ct_state=new|rel|trk", ""},
      {"ct_state=0", ""},
      {"tcp,tp_dst=80", ""},
  };
  for (const Wrong& c : cases) {
    const auto match = parse_match(c.text);
    ASSERT_TRUE(match.has_value()) << c.text;
    EXPECT_EQ(impossible_match(*match), c.message) << c.text;
  }
}

TEST(MatchText, AWordThatNamesNoMatchIsLeftToTheCaller) {
  flow::Match match;
  const auto result = parse_match_word(match, "priority", "5", true);
  ASSERT_TRUE(result.has_value());
  EXPECT_FALSE(*result);
  EXPECT_TRUE(match == flow::Match{});
}

}  // namespace
}  // namespace sluice::field
