#include "packet/rewrite.h"

#include <gtest/gtest.h>

#include "packet/packet_pool.h"
#include "tests/support/random_packet.h"
#include "wire/walk.h"

namespace sluice::packet {
namespace {

using namespace sluice::testing;  // NOLINT: the packet DSL

bool same_layout(const wire::Layout& a, const wire::Layout& b) {
  return a.l2_5 == b.l2_5 && a.l3 == b.l3 && a.l4 == b.l4 && a.payload == b.payload && a.l3_end == b.l3_end &&
         a.ipv6_fragment == b.ipv6_fragment && a.eth_type == b.eth_type && a.ip_proto == b.ip_proto &&
         a.fragment == b.fragment && a.vlans == b.vlans && a.mpls_labels == b.mpls_labels &&
         a.fault == b.fault;
}

Frame frame_bytes(const Packet& packet) {
  return {packet.bytes().begin(), packet.bytes().end()};
}

TEST(PacketRewrite, PushAndPopVlan) {
  PacketPool pool(1);
  Packet* const packet = make_packet(pool, Ip4{} / Udp{});
  packet->meta.offload.checksum_partial = true;
  packet->meta.offload.checksum_start = 34;
  ASSERT_TRUE(push_vlan(*packet, be16{0x8100}, be16{0x2005}));
  EXPECT_EQ(frame_bytes(*packet), build(Vlan{.vid = 5, .pcp = std::uint8_t{1}} / Ip4{} / Udp{}));
  EXPECT_EQ(packet->meta.offload.checksum_start, 38);
  ASSERT_TRUE(push_vlan(*packet, be16{0x88a8}, be16{7}));
  EXPECT_EQ(frame_bytes(*packet), build(Vlan{.vid = 7, .tpid = std::uint16_t{0x88a8}} /
                                        Vlan{.vid = 5, .pcp = std::uint8_t{1}} / Ip4{} / Udp{}));
  ASSERT_TRUE(pop_vlan(*packet) && pop_vlan(*packet));
  EXPECT_EQ(frame_bytes(*packet), build(Ip4{} / Udp{}));
  EXPECT_EQ(packet->meta.offload.checksum_start, 34);
  EXPECT_FALSE(pop_vlan(*packet));
  pool.give(packet);
}

TEST(PacketRewrite, PopAndPushEth) {
  PacketPool pool(2);
  Packet* const packet = make_packet(pool, Eth{.src = "02:00:00:00:00:01"} / Ip4{} / Udp{});
  EXPECT_FALSE(push_eth(*packet, {}, {})) << "it has one";
  ASSERT_TRUE(pop_eth(*packet));
  EXPECT_EQ(packet->contents().size() + 14, packet->size());
  EXPECT_FALSE(pop_eth(*packet));
  ASSERT_TRUE(push_eth(*packet, net::Mac::from_value(0x020000000007), net::Mac::from_value(0x020000000008)));
  EXPECT_EQ(frame_bytes(*packet),
            build(Eth{.src = "02:00:00:00:00:07", .dst = "02:00:00:00:00:08"} / Ip4{} / Udp{}));
  EXPECT_EQ(packet->contents().size(), packet->size());
  Packet* const tagged = make_packet(pool, Vlan{.vid = 5} / Ip4{} / Udp{});
  EXPECT_FALSE(pop_eth(*tagged));
  pool.give(packet);
  pool.give(tagged);
}

TEST(PacketRewrite, PushAndPopMpls) {
  PacketPool pool(1);
  Packet* const packet = make_packet(pool, Vlan{.vid = 5} / Ip4{} / Udp{});
  ASSERT_TRUE(push_mpls(*packet, be16{0x8847}, be32{16 << 12 | 0x140}));
  ASSERT_TRUE(push_mpls(*packet, be16{0x8847}, be32{17 << 12 | 0x40}));
  EXPECT_EQ(mismatch(Eth{} / Vlan{.vid = 5} / Mpls{.label = 17, .bottom = false} /
                         Mpls{.label = 16, .bottom = true},
                     packet->bytes()),
            "");
  EXPECT_EQ(packet->layout.mpls_labels, 2);
  ASSERT_TRUE(pop_mpls(*packet, be16{0x8847}));
  ASSERT_TRUE(pop_mpls(*packet, be16{0x0800}));
  EXPECT_EQ(frame_bytes(*packet), build(Vlan{.vid = 5} / Ip4{} / Udp{}));
  EXPECT_EQ(packet->layout.l4, 38);
  EXPECT_FALSE(pop_mpls(*packet, be16{0x0800}));
  pool.give(packet);
}

TEST(PacketRewrite, WithoutHeadroomNothingHappens) {
  PacketPool pool(1);
  Packet* const packet = make_packet(pool, Ip4{} / Udp{});
  while (push_vlan(*packet, be16{0x8100}, be16{1})) {
  }
  const Frame before = frame_bytes(*packet);
  EXPECT_EQ(before.size(), 42u + Packet::kHeadroom);
  EXPECT_FALSE(push_mpls(*packet, be16{0x8847}, be32{1}));
  EXPECT_EQ(frame_bytes(*packet), before);
  pool.give(packet);
}

TEST(PacketRewrite, TheLayoutIsAlwaysThatOfTheBytes) {
  PacketPool pool(1);
  Rng rng(1);
  for (int i = 0; i < 5000; ++i) {
    Frame frame = build(random_packet(rng));
    if (rng.chance(30)) damage(rng, frame);
    Packet* const packet = make_packet(pool, frame);
    for (int step = 0; step < 6; ++step) {
      switch (rng.below(4)) {
        case 0:
          push_vlan(*packet, rng.chance(50) ? be16{0x8100} : be16{0x88a8},
                    be16{static_cast<std::uint16_t>(rng.next())});
          break;
        case 1:
          pop_vlan(*packet);
          break;
        case 2:
          push_mpls(*packet, be16{0x8847}, be32{static_cast<std::uint32_t>(rng.next())});
          break;
        default:
          pop_mpls(*packet, rng.chance(50) ? be16{0x0800} : be16{0x86dd});
          break;
      }
      ASSERT_TRUE(same_layout(packet->layout, wire::walk(packet->bytes()))) << describe(packet->bytes());
    }
    pool.give(packet);
  }
}

}  // namespace
}  // namespace sluice::packet
