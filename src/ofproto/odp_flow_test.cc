// Datapath flows as text: a key read, composed into a frame and extracted again is the same key, so that
// every row was read into its place.
#include "ofproto/odp_flow.h"

#include <gtest/gtest.h>

#include "flow/compose.h"
#include "flow/extract.h"
#include "packet/packet_pool.h"
#include "wire/walk.h"

namespace sluice::ofproto {
namespace {

class OdpFlowTest : public ::testing::TestWithParam<const char*> {};

TEST_P(OdpFlowTest, RoundTrip) {
  const auto key = parse_odp_flow(GetParam());
  ASSERT_TRUE(key) << key.error().message;
  const auto frame = flow::compose(*key);

  packet::PacketPool pool(1);
  packet::Packet* packet = pool.take(static_cast<std::uint32_t>(frame.size()));
  ASSERT_NE(packet, nullptr);
  ASSERT_TRUE(packet->assign(frame));
  packet->layout = wire::walk(packet->bytes());
  EXPECT_EQ(packet->layout.fault, wire::ParseFault::None);
  packet->meta.in_port = 3;
  flow::FlowKey back{};
  flow::extract(*packet, back);
  pool.give(packet);
  for (std::size_t i = 0; i < flow::kDatapathWords; ++i)
    EXPECT_EQ(flow::word_at(back, i), flow::word_at(*key, i)) << "word " << i << " at byte " << i * 8;
}

#define ETH "in_port(3),eth(src=50:54:00:00:00:05,dst=50:54:00:00:00:07),"

INSTANTIATE_TEST_SUITE_P(
    Protocols, OdpFlowTest,
    ::testing::Values(
        ETH "eth_type(0x1234)",
        ETH
        "eth_type(0x0800),ipv4(src=10.0.0.1,dst=10.0.0.2,proto=6,tos=0x10,ttl=64,frag=no),tcp(src=1,dst=2),"
        "tcp_flags(syn|ack)",
        ETH "eth_type(0x0800),ipv4(src=10.0.0.1,dst=10.0.0.2,proto=17,tos=0,ttl=1,frag=no),udp(src=53,dst=2)",
        ETH
        "eth_type(0x0800),ipv4(src=10.0.0.1,dst=10.0.0.2,proto=132,tos=0,ttl=1,frag=no),sctp(src=53,dst=2)",
        ETH
        "eth_type(0x0800),ipv4(src=10.0.0.1,dst=10.0.0.2,proto=1,tos=0,ttl=1,frag=no),icmp(type=8,code=0)",
        ETH "eth_type(0x0800),ipv4(src=10.0.0.1,dst=10.0.0.2,proto=47,tos=0,ttl=1,frag=no)",
        ETH
        "eth_type(0x0800),ipv4(src=10.0.0.1,dst=10.0.0.2,proto=17,tos=0,ttl=1,frag=first),udp(src=53,dst=2)",
        ETH "eth_type(0x0800),ipv4(src=10.0.0.1,dst=10.0.0.2,proto=17,tos=0,ttl=1,frag=later)",
        ETH
        "eth_type(0x86dd),ipv6(src=fd00::1,dst=fd00::2,label=0x12345,proto=6,tclass=0x7,hlimit=255,frag=no),"
        "tcp(src=1,dst=2),tcp_flags(0x010)",
        ETH "eth_type(0x86dd),ipv6(src=fd00::1,dst=fd00::2,label=0,proto=17,tclass=0,hlimit=2,frag=first),"
            "udp(src=1,dst=2)",
        ETH "eth_type(0x86dd),ipv6(src=fd00::1,dst=ff02::1,label=0,proto=58,tclass=0,hlimit=255,frag=no),"
            "icmpv6(type=135,code=0),nd(target=fd00::9,sll=02:00:00:00:00:01),nd_ext(nd_options_type=1)",
        ETH "eth_type(0x86dd),ipv6(src=fd00::1,dst=ff02::1,label=0,proto=58,tclass=0,hlimit=255,frag=no),"
            "icmpv6(type=128,code=0)",
        ETH "eth_type(0x0806),arp(sip=1.2.3.4,tip=5.6.7.8,op=1,sha=50:54:00:00:00:05,tha=00:00:00:00:00:00)",
        ETH "eth_type(0x8100),vlan(vid=9,pcp=3),encap(eth_type(0x0800),ipv4(src=10.0.0.1,dst=10.0.0.2,proto="
            "17,tos=0,"
            "ttl=1,frag=no),udp(src=53,dst=2))",
        ETH "eth_type(0x88a8),vlan(vid=9,pcp=3),encap(eth_type(0x8100),vlan(vid=4095,pcp=0),encap(eth_type("
            "0x1234)))",
        ETH "eth_type(0x8847),mpls(label=100,tc=3,ttl=64,bos=1)"));

TEST(OdpFlow, ErrorsNameTheKey) {
  const auto error = [](std::string_view text) {
    const auto key = parse_odp_flow(text);
    return key ? std::string("no error") : key.error().message;
  };
  EXPECT_EQ(error("in_port"), "syntax error at in_port: expected KEY(…)");
  EXPECT_EQ(error("foo(1)"), "foo: unknown key");
  EXPECT_EQ(error("ipv4(foo=1)"), "ipv4: unknown argument \"foo\"");
  EXPECT_EQ(error("ipv4(src=10.0.0.300)"), "ipv4(src): invalid value \"10.0.0.300\"");
  EXPECT_EQ(error("in_port(veth0)"), "in_port: invalid value \"veth0\"");
  EXPECT_EQ(error("ct_state(+foo)"), "ct_state: invalid value \"+foo\"");
  EXPECT_EQ(error("udp(src=65536)"), "udp(src): invalid value \"65536\"");
}

TEST(OdpFlow, ReadsWhatADumpPrints) {
  const auto key = parse_odp_flow(
      "ufid:17f3cbdd-c911-492b-b047-eb1bab7c2e1e, skb_priority(0/0),ct_state(+new+trk),ct_zone(0x5/0xff),"
      "ct_mark(0x3/0x1),recirc_id(0x1),in_port(1),packet_type(ns=0,id=0),eth_type(0x0800),"
      "ipv4(src=10.1.2.3/255.255.0.0,proto=6,frag=no)");
  ASSERT_TRUE(key) << key.error().message;
  EXPECT_EQ(key->ct_state.host(), 0x21u);
  EXPECT_EQ(key->ct_zone.host(), 5u);
  EXPECT_EQ(key->ct_mark.host(), 1u);
  EXPECT_EQ(key->recirc_id.host(), 1u);
  EXPECT_EQ(key->nw_src.host(), 0x0a010000u);
}

}  // namespace
}  // namespace sluice::ofproto
