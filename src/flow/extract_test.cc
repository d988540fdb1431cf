#include "flow/extract.h"

#include <gtest/gtest.h>

#include "flow/compose.h"
#include "net/protocol.h"
#include "packet/packet_pool.h"
#include "tests/support/random_packet.h"
#include "wire/walk.h"

namespace sluice::flow {
namespace {

using namespace sluice::testing;  // NOLINT: the packet DSL

struct Extract : ::testing::Test {
  packet::PacketPool pool{4};

  FlowKey key_of(const Frame& frame) {
    packet::Packet* const packet = make_packet(pool, frame);
    FlowKey key;
    std::memset(static_cast<void*>(&key), 0xa5, kDatapathBytes);  // what an earlier packet left
    extract(*packet, key);
    pool.give(packet);
    return key;
  }
  FlowKey key_of(const Layers& layers) { return key_of(build(layers)); }

  /// A key with layer 2 of the DSL's defaults.
  static FlowKey layer2(std::uint16_t eth_type) {
    FlowKey key;
    key.eth_src = *net::parse_mac("02:00:00:00:00:01");
    key.eth_dst = *net::parse_mac("02:00:00:00:00:02");
    key.eth_type = be16{eth_type};
    return key;
  }
  static FlowKey ipv4(std::uint8_t proto) {
    FlowKey key = layer2(net::ethertype::kIpv4);
    key.nw_src = be32{0x0a000001};
    key.nw_dst = be32{0x0a000002};
    key.nw_proto = proto;
    key.nw_ttl = 64;
    return key;
  }
  static FlowKey ipv6(std::uint8_t proto) {
    FlowKey key = layer2(net::ethertype::kIpv6);
    key.ipv6_src = *net::parse_ipv6("fd00::1");
    key.ipv6_dst = *net::parse_ipv6("fd00::2");
    key.nw_proto = proto;
    key.nw_ttl = 64;
    return key;
  }
  static FlowKey with_ports(FlowKey key, std::uint16_t src, std::uint16_t dst, std::uint16_t tcp_flags = 0) {
    key.tp_src = be16{src};
    key.tp_dst = be16{dst};
    key.tcp_flags = be16{tcp_flags};
    return key;
  }
};

TEST_F(Extract, EachProtocol) {
  EXPECT_EQ(key_of(Ip4{} / Tcp{.flags = "SN"}), with_ports(ipv4(6), 1024, 80, 0x102));
  EXPECT_EQ(key_of(Ip4{} / Udp{}), with_ports(ipv4(17), 1024, 80));
  EXPECT_EQ(key_of(Ip4{} / Sctp{}), with_ports(ipv4(132), 1024, 80));
  EXPECT_EQ(key_of(Ip4{} / Icmp4{.type = std::uint8_t{3}, .code = std::uint8_t{4}}),
            with_ports(ipv4(1), 3, 4));
  EXPECT_EQ(key_of(Ip4{.proto = std::uint8_t{2}} / Payload{std::string("\x16\x04\0\0\0\0\0\0", 8)}),
            with_ports(ipv4(2), 0x16, 4));
  EXPECT_EQ(key_of(Ip4{} / UdpLite{}), ipv4(136)) << "OpenFlow has no ports for UDP-Lite";
  EXPECT_EQ(key_of(Ip4{.proto = std::uint8_t{33}} / Payload{.size = 16}), ipv4(33));
  EXPECT_EQ(key_of(Ip6{} / Tcp{.flags = "A"}), with_ports(ipv6(6), 1024, 80, 0x10));
  EXPECT_EQ(key_of(Ip6{} / Icmp6{.code = std::uint8_t{3}}), with_ports(ipv6(58), 128, 3));
}

TEST_F(Extract, Ipv6HeaderFieldsAndExtensions) {
  FlowKey expected = with_ports(ipv6(17), 1024, 80);
  expected.ipv6_label = be32{0x12345};
  expected.nw_tos = 0xb9;
  EXPECT_EQ(key_of(Ip6{.tos = std::uint8_t{0xb9}, .label = 0x12345} / Ext6{.kind = std::uint8_t{0}} / Udp{}),
            expected);
}

TEST_F(Extract, VlanTagsAreMarkedPresent) {
  FlowKey expected = with_ports(ipv4(17), 1024, 80);
  expected.vlan[0] = {be16{0x88a8}, be16{0x1005}};
  expected.vlan[1] = {be16{0x8100}, be16{0x700a}};
  EXPECT_EQ(key_of(Vlan{.vid = 5, .tpid = std::uint16_t{0x88a8}} / Vlan{.vid = 10, .pcp = std::uint8_t{3}} /
                   Ip4{} / Udp{}),
            expected);
  FlowKey third = layer2(0x8100);
  third.vlan[0] = third.vlan[1] = {be16{0x8100}, be16{0x1000}};
  EXPECT_EQ(key_of(Vlan{} / Vlan{} / Vlan{} / Ip4{} / Udp{}), third);
  Frame cut = build(Vlan{} / Ip4{} / Udp{});
  cut.resize(17);
  EXPECT_EQ(key_of(cut), layer2(0x8100)) << "a tag that is not whole is none";
}

TEST_F(Extract, FramesWithoutEtherType) {
  EXPECT_EQ(key_of(Llc{} / Payload{"x"}), layer2(0x05ff));
  EXPECT_EQ(key_of(Llc{} / Ip4{} / Udp{}), with_ports(ipv4(17), 1024, 80));
}

TEST_F(Extract, MplsHidesWhatIsBelow) {
  FlowKey expected = layer2(0x8847);
  expected.mpls = {be32{16 << 12 | 64}, be32{17 << 12 | 64}, be32{18 << 12 | 64}};
  EXPECT_EQ(key_of(Mpls{} / Mpls{.label = 17} / Mpls{.label = 18} / Mpls{.label = 19} / Payload{"E"}),
            expected);
}

TEST_F(Extract, Arp) {
  FlowKey expected = layer2(0x0806);
  expected.nw_src = be32{0x0a000001};
  expected.nw_dst = be32{0x0a000002};
  expected.nw_proto = 2;
  expected.arp_sha = expected.eth_src;
  expected.arp_tha = expected.eth_dst;
  EXPECT_EQ(key_of(testing::Arp{.op = 2}), expected);
  expected.nw_proto = 0;
  EXPECT_EQ(key_of(testing::Arp{.op = 0x102}), expected) << "an operation above 255 reads as 0";
  Frame other_hardware = build(testing::Arp{.op = 2});
  other_hardware[15] = 6;
  EXPECT_EQ(key_of(other_hardware), layer2(0x0806));
}

TEST_F(Extract, NeighbourDiscovery) {
  FlowKey expected = with_ports(ipv6(58), 135, 0);
  expected.nd_target = *net::parse_ipv6("fd00::9");
  expected.arp_sha = *net::parse_mac("aa:bb:cc:dd:ee:ff");
  expected.nd_options_type = 1;
  const Layers solicit = Ip6{} / Nd{.target = "fd00::9", .sll = "aa:bb:cc:dd:ee:ff"};
  EXPECT_EQ(key_of(solicit), expected);
  FlowKey hidden = with_ports(ipv6(58), 135, 0);
  EXPECT_EQ(key_of(solicit / Payload{"\x01\x01\xaa\xbb\xcc\xdd\xee\xff"}), hidden) << "an option given twice";
  FlowKey ignored = expected;
  EXPECT_EQ(key_of(solicit / Payload{std::string("\x02\x00\xaa\xbb\xcc\xdd\xee\xff", 8)}), ignored)
      << "an option of length 0";
  FlowKey advert = with_ports(ipv6(58), 136, 0);
  advert.nd_target = *net::parse_ipv6("fd00::9");
  advert.arp_tha = *net::parse_mac("aa:bb:cc:dd:ee:ff");
  advert.nd_options_type = 2;
  advert.nd_reserved = be32{0x60000000};
  EXPECT_EQ(key_of(Ip6{} / Nd{.type = std::uint8_t{136},
                              .target = "fd00::9",
                              .tll = "aa:bb:cc:dd:ee:ff",
                              .reserved = 0x60000000}),
            advert);
  Frame cut = build(Ip6{.length = 23} / Nd{});
  EXPECT_EQ(key_of(cut), with_ports(ipv6(58), 135, 0));
}

TEST_F(Extract, Fragments) {
  FlowKey first = with_ports(ipv4(17), 1024, 80);
  first.nw_frag = kFragAny;
  EXPECT_EQ(key_of(Ip4{.mf = true} / Udp{.length = 900}), first);
  FlowKey later = ipv4(17);
  later.nw_frag = kFragAny | kFragLater;
  EXPECT_EQ(key_of(Ip4{.proto = std::uint8_t{17}, .offset = 8} / Payload{"abcdefgh"}), later);
  FlowKey later6 = ipv6(44);
  later6.nw_frag = kFragAny | kFragLater;
  EXPECT_EQ(key_of(Ip6{} / Frag6{.offset = 8, .proto = std::uint8_t{17}} / Payload{"abcdefgh"}), later6);
  EXPECT_EQ(key_of(Ip6{} / Frag6{} / Udp{}), with_ports(ipv6(17), 1024, 80)) << "an atomic fragment";
}

// As ovs-ofctl parse-pcap shows such packets.
TEST_F(Extract, MalformedPacketsAreMatchedAsFarAsTheyParse) {
  EXPECT_EQ(key_of(Ip4{.ihl = std::uint8_t{4}} / Udp{}), layer2(0x0800));
  EXPECT_EQ(key_of(Ip4{.length = 100} / Udp{}), layer2(0x0800));
  EXPECT_EQ(key_of(Ip4{.length = 10} / Udp{}), layer2(0x0800));
  EXPECT_EQ(key_of(Ip6{.length = 100} / Udp{}), layer2(0x86dd));
  FlowKey addresses_only = ipv6(0);
  addresses_only.nw_ttl = 0;
  EXPECT_EQ(key_of(Ip6{.label = 5} / Ext6{.length = std::uint8_t{5}} / Udp{}), addresses_only);
  EXPECT_EQ(key_of(Ip4{.length = 39} / Tcp{}), ipv4(6));
  EXPECT_EQ(key_of(Ip4{} / Tcp{.data_offset = std::uint8_t{15}}), ipv4(6));
  EXPECT_EQ(key_of(Ip4{} / Udp{.length = 96}), with_ports(ipv4(17), 1024, 80));
  EXPECT_EQ(key_of(Ip4{.length = 24} / Udp{}), ipv4(17));
  EXPECT_EQ(key_of(Ip4{.length = 28} / Sctp{}), ipv4(132));
  EXPECT_EQ(key_of(Ip4{.length = 24} / Icmp4{}), ipv4(1));
  EXPECT_EQ(key_of(Ip6{.length = 6} / Icmp6{}), ipv6(58));
  EXPECT_EQ(key_of(Frame(13)), FlowKey{});
}

TEST_F(Extract, MetadataAndConnectionTracking) {
  packet::Packet* const packet = make_packet(pool, Ip4{} / Udp{}, 7);
  packet->meta.recirc_id = 9;
  packet->meta.dp_hash = 0x1234;
  packet->meta.pkt_mark = 3;
  packet->meta.skb_priority = 4;
  packet::CtMetadata& ct = packet->meta.ct;
  ct = {.state = 0x22, .mark = 5, .label = {be64{1}, be64{2}}, .zone = 6};
  ct.original = {.src = net::v4_mapped(be32{0x0a000001}),
                 .dst = net::v4_mapped(be32{0x0a090002}),
                 .src_port = be16{11},
                 .dst_port = be16{12},
                 .proto = 17};
  FlowKey expected = with_ports(ipv4(17), 1024, 80);
  expected.in_port = be32{7};
  expected.recirc_id = be32{9};
  expected.dp_hash = be32{0x1234};
  expected.pkt_mark = be32{3};
  expected.skb_priority = be32{4};
  const FlowKey untracked = expected;
  expected.ct_state = be32{0x22};
  expected.ct_mark = be32{5};
  expected.ct_label = {be64{1}, be64{2}};
  expected.ct_zone = be16{6};
  FlowKey invalid = expected;
  expected.ct_nw_proto = 17;
  expected.ct_nw_src = be32{0x0a000001};
  expected.ct_nw_dst = be32{0x0a090002};
  expected.ct_tp_src = be16{11};
  expected.ct_tp_dst = be16{12};
  FlowKey key;
  extract(*packet, key);
  EXPECT_EQ(key, expected);

  ct.state = 0x30;
  invalid.ct_state = be32{0x30};
  patch_ct(key, ct);
  EXPECT_EQ(key, invalid) << "an invalid packet has no original tuple";

  ct.state = 0x21;
  ct.original = {
      .src = *net::parse_ipv6("fd00::1"), .dst = *net::parse_ipv6("fd00::2"), .proto = 58, .is_ipv6 = true};
  FlowKey tracked6 = invalid;
  tracked6.ct_state = be32{0x21};
  tracked6.ct_nw_proto = 58;
  tracked6.ct_ipv6_src = ct.original.src;
  tracked6.ct_ipv6_dst = ct.original.dst;
  patch_ct(key, ct);
  EXPECT_EQ(key, tracked6);

  patch_ct(key, {});
  EXPECT_EQ(key, untracked);
  pool.give(packet);
}

TEST_F(Extract, WhatIsBehindTheDatapathPartIsNotTouched) {
  FlowKey key;
  key.metadata = be64{1};
  key.regs[15] = be32{2};
  key.conj_id = be32{3};
  packet::Packet* const packet = make_packet(pool, Ip4{} / Udp{});
  extract(*packet, key);
  pool.give(packet);
  EXPECT_EQ(key.metadata, be64{1});
  EXPECT_EQ(key.regs[15], be32{2});
  EXPECT_EQ(key.conj_id, be32{3});
}

TEST_F(Extract, ComposeGivesTheKeyBack) {
  Rng rng(5);
  unsigned compared = 0;
  for (int i = 0; i < 20000; ++i) {
    Frame frame = build(random_packet(rng));
    if (i % 3 == 0) damage(rng, frame);
    const wire::Layout original = wire::walk(frame);
    if (original.fault != wire::ParseFault::None) continue;
    const FlowKey key = key_of(frame);
    // What bytes cannot say: extension header numbers as the last protocol, Ethernet types that announce
    // more.
    if (original.vlans == 2 && (key.eth_type == be16{0x8100} || key.eth_type == be16{0x88a8})) continue;
    if (key.eth_type == be16{0x0806} || key.eth_type == be16{0x8035}) {
      if (key.arp_sha.is_zero() && key.nw_src == be32{}) continue;  // of hardware that is not Ethernet
    }
    if (key.eth_type == be16{0x86dd} && (key.nw_frag & kFragLater) != 0) continue;
    if (key.nw_proto == 58 && key.nd_target.is_zero() && (key.tp_src == be16{135} || key.tp_src == be16{136}))
      continue;
    if (key.nw_proto == 58 && !key.arp_sha.is_zero() && !key.arp_tha.is_zero()) {
      // Both options: compose writes source, then target.
      FlowKey again = key_of(compose(key));
      again.nd_options_type = key.nd_options_type;
      ASSERT_EQ(again, key) << describe(frame);
      continue;
    }
    const Frame composed = compose(key, Bytes(frame).first(3));
    const FlowKey again = key_of(composed);
    ASSERT_EQ(again, key) << describe(frame) << "\n" << describe(composed);
    ASSERT_TRUE(checksums_ok(composed));
    ++compared;
  }
  EXPECT_GT(compared, 10000u);
}

TEST_F(Extract, ComposedLaterIpv6FragmentsStayFragments) {
  const FlowKey key = key_of(Ip6{} / Frag6{.offset = 8, .proto = std::uint8_t{17}} / Payload{"abcdefgh"});
  EXPECT_EQ(key_of(compose(key)), key);
}

}  // namespace
}  // namespace sluice::flow
