// The packet DSL itself: golden bytes made elsewhere, expectations that must fail, and round trips.
#include "tests/support/packet_dsl.h"

#include <gtest/gtest.h>

#include "packet/packet.h"
#include "packet/packet_pool.h"

namespace sluice::testing {
namespace {

Frame from_hex(const std::string& hex) {
  Frame bytes;
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes.push_back(static_cast<std::uint8_t>(digit(hex[i]) * 16 + digit(hex[i + 1])));
  return bytes;
}

// The golden frames were written by ovs-ofctl compose-packet.
TEST(PacketDsl, BuildsTheSameBytesAsOvs) {
  const Layers udp =
      Ip4{.src = "10.1.1.1", .dst = "10.1.1.2"} / Udp{.sport = 1, .dport = 80} / Payload{.size = 64};
  const std::string pattern =
      "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f"
      "303132333435363738393a3b3c3d3e3f";
  EXPECT_EQ(build(udp),
            from_hex("02000000000202000000000108004500005c000000004011648d0a0101010a01010200010050004805"
                     "05" +
                     pattern));
  EXPECT_EQ(build(Vlan{.vid = 5, .pcp = 3} / Ip6{.src = "fd00::1", .dst = "fd00::2", .label = 0x12345} /
                  Udp{.sport = 1, .dport = 53} / Payload{.size = 64}),
            from_hex("0200000000020200000000018100600586dd6001234500481140fd000000000000000000000000000001fd0"
                     "0000000000000"
                     "00000000000000020001003500482120" +
                     pattern));
  EXPECT_EQ(build(Arp{.op = 2,
                      .sha = "02:00:00:00:00:01",
                      .tha = "02:00:00:00:00:02",
                      .spa = "10.0.0.1",
                      .tpa = "10.0.0.2"}),
            from_hex("02000000000202000000000108060001080006040002020000000001"
                     "0a0000010200000000020a000002"));
  EXPECT_EQ(build(Eth{.src = "00:00:00:00:00:00", .dst = "00:00:00:00:00:00"} /
                  Ip4{.src = "10.1.1.1", .dst = "10.1.1.2"} / Icmp4{} / Payload{.size = 64}),
            from_hex("00000000000000000000000008004500005c000000004001649d0a0101010a010102080013fc00000000" +
                     pattern));
  EXPECT_EQ(
      build(Ip4{.src = "10.1.1.1", .dst = "10.1.1.2"} / Tcp{.sport = 1, .flags = "S", .window = 0}),
      from_hex("02000000000202000000000108004500002800000000400664cc0a0101010a010102000100500000000000000000"
               "50020000998d0000"));
}

TEST(PacketDsl, UnsetMatchesAnythingAndSetMembersMustAgree) {
  const Frame frame =
      build(Eth{} / Vlan{.vid = 5} / Ip4{.src = "10.1.1.1"} / Udp{.sport = 1, .dport = 53} / Payload{"abc"});
  EXPECT_EQ(mismatch(Udp{.dport = 53}, frame), "");
  EXPECT_EQ(mismatch(Ip4{.src = "10.1.1.1"} / Udp{} / Payload{"abc"}, frame), "");
  EXPECT_EQ(mismatch(Vlan{.vid = 5} / Ip4{}, frame), "");
  EXPECT_TRUE(mismatch(Udp{.dport = 54}, frame).starts_with("Udp.dport: expected 54, got 53 in Eth{"));
  EXPECT_TRUE(mismatch(Vlan{.vid = 6}, frame).starts_with("Vlan.vid: expected 6, got 5"));
  EXPECT_TRUE(
      mismatch(Ip4{.src = "10.1.1.2"}, frame).starts_with("Ip4.src: expected 10.1.1.2, got 10.1.1.1"));
  EXPECT_TRUE(mismatch(Payload{"abd"}, frame).starts_with("Payload.data: expected \"abd\", got \"abc\""));
}

TEST(PacketDsl, LayersMustFollowEachOther) {
  const Frame frame = build(Eth{} / Vlan{.vid = 5} / Ip4{} / Udp{});
  EXPECT_TRUE(mismatch(Eth{} / Ip4{}, frame).starts_with("expected Ip4, got Vlan"));
  EXPECT_TRUE(mismatch(Tcp{}, frame).starts_with("no layer Tcp"));
  EXPECT_TRUE(mismatch(Udp{} / Payload{}, frame).starts_with("no layer Payload"));
}

TEST(PacketDsl, DescribeNamesEveryLayer) {
  EXPECT_EQ(
      describe(build(Arp{.op = 2, .sha = "02:00:00:00:00:0a", .spa = "10.0.0.1"})),
      "Eth{src=02:00:00:00:00:01, dst=02:00:00:00:00:02, type=0x0806} / Arp{op=2, sha=02:00:00:00:00:0a, "
      "spa=10.0.0.1, tha=02:00:00:00:00:02, tpa=10.0.0.2}");
}

TEST(PacketDsl, ChecksumsAreRightUnlessGiven) {
  const Layers transports[] = {Tcp{.mss = 1460, .wscale = 7}, Udp{}, UdpLite{}, Sctp{}};
  for (const Layers& transport : transports) {
    for (const Layers& ip : {Layers(Ip4{.options = "\x01\x01\x01"}), Layers(Ip6{}),
                             Ip6{} / Ext6{.kind = 0} / Ext6{}, Ip6{} / Frag6{}})
      EXPECT_TRUE(checksums_ok(build(ip / transport / Payload{.size = 33})))
          << describe(build(ip / transport));
  }
  EXPECT_TRUE(checksums_ok(build(Ip4{} / Icmp4{.id = 4} / Payload{"ping"})));
  EXPECT_TRUE(checksums_ok(build(Ip6{} / Icmp6{.id = 4} / Payload{"ping"})));
  EXPECT_TRUE(checksums_ok(build(Ip6{} / Nd{.sll = "02:00:00:00:00:01"})));
  EXPECT_FALSE(checksums_ok(build(Ip4{} / Tcp{.checksum = 1})));
  EXPECT_FALSE(checksums_ok(build(Ip4{.checksum = 1} / Tcp{})));
  EXPECT_FALSE(checksums_ok(build(Ip6{} / Icmp6{.checksum = 1})));
  EXPECT_FALSE(checksums_ok(build(Ip4{} / Sctp{.checksum = 1})));
}

TEST(PacketDsl, IcmpErrorQuotesAWholePacket) {
  const Frame frame =
      build(Ip4{.src = "10.0.0.9"} / Icmp4{.type = 3, .code = 1} / Ip4{.src = "10.0.0.2"} / Udp{.sport = 7});
  EXPECT_EQ(mismatch(Ip4{.src = "10.0.0.9"} / Icmp4{.type = 3, .code = 1} / Ip4{.src = "10.0.0.2"} /
                         Udp{.sport = 7},
                     frame),
            "");
}

TEST(PacketDsl, FragmentsReassembleToTheOriginalPayload) {
  for (const Layers& ip : {Layers(Ip4{}), Layers(Ip6{})}) {
    const Frame whole = build(ip / Udp{} / Payload{.size = 100});
    const auto pieces = fragment(whole, 48, 9);
    ASSERT_EQ(pieces.size(), 3u);
    const std::size_t header = std::holds_alternative<Ip4>(ip.list[0]) ? 34 : 54 + 8;
    Frame joined(whole.begin(), whole.begin() + (header == 34 ? 34 : 54));
    for (const Frame& piece : pieces)
      joined.insert(joined.end(), piece.begin() + static_cast<std::ptrdiff_t>(header), piece.end());
    EXPECT_EQ(joined, whole);
  }
  const auto pieces = fragment(build(Ip6{} / Udp{} / Payload{.size = 100}), 48, 9);
  EXPECT_EQ(mismatch(Frag6{.offset = 96, .mf = false, .id = 9, .proto = 17}, pieces[2]), "");
  EXPECT_EQ(mismatch(Frag6{.offset = 48, .mf = true, .id = 9, .proto = 17}, pieces[1]), "");
}

TEST(PacketDsl, MakePacketWalks) {
  packet::PacketPool pool(4);
  packet::Packet* const packet = make_packet(pool, Vlan{.vid = 3} / Ip6{} / Tcp{}, 7);
  EXPECT_EQ(packet->meta.in_port, 7u);
  EXPECT_EQ(packet->layout.l4, 14 + 4 + 40);
  pool.give(packet);
}

}  // namespace
}  // namespace sluice::testing
