#include "packet/segment.h"

#include <gtest/gtest.h>

#include "net/checksum.h"
#include "packet/packet_pool.h"
#include "tests/support/packet_dsl.h"
#include "wire/walk.h"

namespace sluice::packet {
namespace {

using namespace sluice::testing;  // NOLINT: the packet DSL

Frame frame_bytes(const Packet& packet) {
  return {packet.bytes().begin(), packet.bytes().end()};
}

struct Segments : ::testing::Test {
  PacketPool pool{4};

  std::vector<Frame> segments(const Layers& layers, Offload::Gso gso, std::uint16_t size) {
    Packet* const packet = make_packet(pool, layers);
    Packet* const piece = pool.take(2000);
    packet->meta.in_port = 9;
    packet->meta.offload = {
        .checksum_partial = true,
        .checksum_start = packet->layout.l4,
        .checksum_offset = static_cast<std::uint16_t>(packet->layout.ip_proto == 6 ? 16 : 6),
        .gso = gso,
        .gso_size = size};
    // The field of a partial checksum holds the pseudo header's sum.
    std::vector<Frame> result;
    Segmenter cursor(*packet);
    while (cursor.next(*piece)) {
      EXPECT_EQ(piece->meta.in_port, 9u);
      EXPECT_EQ(piece->meta.offload.gso, Offload::kNoGso);
      EXPECT_FALSE(piece->meta.offload.checksum_partial);
      EXPECT_EQ(piece->layout.l4, wire::walk(piece->bytes()).l4);
      result.push_back(frame_bytes(*piece));
    }
    pool.give(packet);
    pool.give(piece);
    return result;
  }
};

TEST_F(Segments, Tcp4) {
  const auto pieces = segments(
      Vlan{.vid = 3} / Ip4{.id = 100} / Tcp{.flags = "FPAC", .seq = 0xfffffff0} / Payload{.size = 250},
      Offload::kTcp4, 100);
  ASSERT_EQ(pieces.size(), 3u);
  EXPECT_EQ(mismatch(Vlan{.vid = 3} / Ip4{.id = 100, .length = 140} / Tcp{.flags = "AC", .seq = 0xfffffff0},
                     pieces[0]),
            "");
  EXPECT_EQ(mismatch(Ip4{.id = 101, .length = 140} / Tcp{.flags = "A", .seq = 0x54}, pieces[1]), "");
  EXPECT_EQ(mismatch(Ip4{.id = 102, .length = 90} / Tcp{.flags = "FPA", .seq = 0xb8}, pieces[2]), "");
  const Frame whole = build(Payload{.size = 250});
  Frame joined(whole.begin(), whole.begin() + 14);
  for (const Frame& piece : pieces) {
    EXPECT_TRUE(checksums_ok(piece));
    joined.insert(joined.end(), piece.begin() + 58, piece.end());
  }
  EXPECT_EQ(joined, whole);
}

TEST_F(Segments, Tcp6KeepsOptions) {
  const auto pieces = segments(Ip6{} / Tcp{.mss = 1460} / Payload{.size = 200}, Offload::kTcp6, 100);
  ASSERT_EQ(pieces.size(), 2u);
  for (const Frame& piece : pieces) {
    EXPECT_EQ(mismatch(Ip6{.length = 124} / Tcp{.mss = 1460}, piece), "");
    EXPECT_TRUE(checksums_ok(piece));
  }
}

TEST_F(Segments, UdpSegmentsHaveHeadersOfTheirOwn) {
  const auto pieces = segments(Ip4{} / Udp{} / Payload{.size = 150}, Offload::kUdpL4, 100);
  ASSERT_EQ(pieces.size(), 2u);
  EXPECT_EQ(mismatch(Ip4{.length = 128} / Udp{.length = 108}, pieces[0]), "");
  EXPECT_EQ(mismatch(Ip4{.length = 78} / Udp{.length = 58}, pieces[1]), "");
  EXPECT_TRUE(checksums_ok(pieces[0]) && checksums_ok(pieces[1]));
}

TEST_F(Segments, OldUdpOffloadMeansFragments) {
  Packet* const packet = make_packet(pool, Ip4{} / Udp{} / Payload{.size = 150});
  const Frame whole = frame_bytes(*packet);
  be16{0}.store(packet->data() + 40);
  net::ChecksumSum pseudo;
  pseudo.add(Bytes(whole).subspan(26, 8));
  pseudo.add16(be16{17});
  pseudo.add16(be16{158});
  pseudo.partial().store(packet->data() + 40);
  packet->meta.offload = {.checksum_partial = true,
                          .checksum_start = 34,
                          .checksum_offset = 6,
                          .gso = Offload::kUdp,
                          .gso_size = 80};
  Packet* const piece = pool.take(2000);
  std::vector<Frame> pieces;
  Segmenter cursor(*packet);
  while (cursor.next(*piece)) pieces.push_back(frame_bytes(*piece));
  EXPECT_EQ(pieces, fragment(whole, 80, 0));
  pool.give(packet);
  pool.give(piece);
}

TEST_F(Segments, WhatIsNotAsItsOffloadSaysIsRefused) {
  EXPECT_TRUE(segments(Ip4{} / Udp{}, Offload::kTcp4, 100).empty());
  EXPECT_TRUE(segments(Ip6{} / Tcp{}, Offload::kTcp4, 100).empty());
  EXPECT_TRUE(segments(Ip4{} / Tcp{}, Offload::kTcp4, 0).empty());
  EXPECT_TRUE(segments(Ip4{} / Tcp{}, Offload::kNoGso, 100).empty());
}

struct Fragments : ::testing::Test {
  PacketPool pool{4};
  std::vector<Frame> fragments(const Frame& frame, std::uint32_t mtu) {
    Packet* const packet = make_packet(pool, frame);
    Packet* const piece = pool.take(2000);
    std::vector<Frame> result;
    Fragmenter cursor(*packet, mtu, 77);
    while (cursor.next(*piece)) result.push_back(frame_bytes(*piece));
    pool.give(packet);
    pool.give(piece);
    return result;
  }
};

TEST_F(Fragments, AreThoseOfTheProtocols) {
  const Frame v4 = build(Ip4{.id = 5} / Udp{} / Payload{.size = 200}),
              v6 = build(Ip6{} / Udp{} / Payload{.size = 200});
  EXPECT_EQ(fragments(v4, 20 + 85), fragment(v4, 80, 5));
  EXPECT_EQ(fragments(v6, 48 + 85), fragment(v6, 80, 77));
  EXPECT_EQ(fragments(v4, 228), std::vector<Frame>{v4}) << "what fits stays whole";
  EXPECT_TRUE(fragments(v4, 27).empty());
  EXPECT_TRUE(fragments(build(Arp{}), 1500).empty());
}

TEST_F(Fragments, OfFragmentsContinueThem) {
  for (const Layers& ip : {Layers(Ip4{.id = 5}), Layers(Ip6{})}) {
    const Frame whole = build(ip / Udp{} / Payload{.size = 312});
    std::vector<Frame> pieces;
    for (const Frame& large : fragment(whole, 160, 5)) {
      const std::uint32_t header = std::holds_alternative<Ip4>(ip.list[0]) ? 20 : 48;
      for (const Frame& small : fragments(large, header + 40)) pieces.push_back(small);
    }
    EXPECT_EQ(pieces, fragment(whole, 40, 5));
  }
}

TEST_F(Fragments, RouterOptionsStayInEveryIpv6Fragment) {
  const Frame whole = build(Ip6{} / Ext6{.kind = std::uint8_t{0}} / Ext6{} / Udp{} / Payload{.size = 100});
  const auto pieces = fragments(whole, 40 + 8 + 8 + 64);
  ASSERT_EQ(pieces.size(), 2u);
  EXPECT_EQ(mismatch(Ip6{} / Ext6{.kind = std::uint8_t{0}, .proto = std::uint8_t{44}} /
                         Frag6{.offset = 0, .mf = true, .id = 77, .proto = std::uint8_t{60}},
                     pieces[0]),
            "");
  EXPECT_EQ(mismatch(Ip6{} / Ext6{.kind = std::uint8_t{0}} / Frag6{.offset = 64, .mf = false}, pieces[1]),
            "");
}

TEST_F(Fragments, OptionsNotToBeCopiedAreOnlyInTheFirst) {
  const std::string record_route("\x07\x07\x04\0\0\0\0\x01", 8);
  const auto pieces = fragments(build(Ip4{.options = record_route} / Udp{} / Payload{.size = 100}), 28 + 64);
  ASSERT_EQ(pieces.size(), 2u);
  EXPECT_EQ(mismatch(Ip4{.options = record_route}, pieces[0]), "");
  EXPECT_EQ(mismatch(Ip4{.options = std::string(8, '\x01')}, pieces[1]), "");
  EXPECT_TRUE(checksums_ok(pieces[1]));
}

}  // namespace
}  // namespace sluice::packet
