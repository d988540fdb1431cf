#include "packet/tcp_payload.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "packet/packet_pool.h"
#include "packet/segment.h"
#include "tests/support/packet_dsl.h"
#include "wire/checksum_verify.h"
#include "wire/walk.h"

namespace sluice::packet {
namespace {

using namespace sluice::testing;

class TcpPayloadTest : public ::testing::Test {
 protected:
  ~TcpPayloadTest() override {
    if (packet_ != nullptr) pool_.give(packet_);
  }
  Packet& make(const Layers& layers) {
    if (packet_ != nullptr) pool_.give(packet_);
    packet_ = make_packet(pool_, layers);
    return *packet_;
  }
  static void replace(Packet& packet, const std::string& text) {
    ASSERT_LE(text.size(), tcp_payload_room(packet));
    std::memcpy(packet.data() + packet.layout.payload, text.data(), text.size());
    set_tcp_payload(packet, static_cast<std::uint32_t>(text.size()));
  }
  /// Everything about the packet is what walk() and the checksums say.
  static void expect_consistent(const Packet& packet) {
    wire::Layout layout;
    wire::walk(packet.bytes(), layout);
    EXPECT_EQ(layout.l3_end, packet.layout.l3_end);
    EXPECT_EQ(layout.l3_end, packet.size());
    EXPECT_EQ(layout.payload, packet.layout.payload);
    EXPECT_EQ(layout.fault, wire::ParseFault::None);
  }

  PacketPool pool_{16};
  Packet* packet_ = nullptr;
};

TEST_F(TcpPayloadTest, LongerAndShorter) {
  const Layers packets[] = {
      Ip4{.src = "10.0.0.1"} / Tcp{.sport = 21} / Payload{"PORT 10,0,0,1,4,5\r\n"},
      Vlan{.vid = 3} / Ip4{.options = "abcd"} / Tcp{.mss = 1400} / Payload{"x"},
      Ip6{.src = "fd00::1"} / Tcp{.sport = 21} / Payload{"EPRT"},
      Ip6{} / Ext6{} / Tcp{.sport = 21} / Payload{"EPRT"},
      Ip4{} / Tcp{},
  };
  for (const Layers& layers : packets)
    for (const char* text : {"", "a", "PORT 203,0,113,200,100,101\r\n"}) {
      Packet& packet = make(layers);
      replace(packet, text);
      expect_consistent(packet);
      EXPECT_TRUE(checksums_ok(packet.bytes())) << describe(packet.bytes());
      Layers expected = layers;
      if (std::holds_alternative<Payload>(expected.list.back())) expected.list.pop_back();
      if (*text != 0) expected = expected / Payload{text};
      EXPECT_EQ(mismatch(expected, packet.bytes()), "");
    }
}

TEST_F(TcpPayloadTest, EthernetPaddingGoes) {
  Packet& packet = make(Ip4{} / Tcp{} / Payload{"ab"});
  packet.resize(80);
  replace(packet, "abc");
  expect_consistent(packet);
  EXPECT_TRUE(checksums_ok(packet.bytes()));
}

TEST_F(TcpPayloadTest, APartialChecksumStaysPartial) {
  Packet& packet = make(Ip4{.src = "10.0.0.1"} / Tcp{} / Payload{"ab"});
  packet.meta.offload.checksum_partial = true;
  packet.meta.offload.checksum_start = packet.layout.l4;
  packet.meta.offload.checksum_offset = 16;
  replace(packet, "abcdef");
  wire::finish_checksum({packet.data(), packet.size()}, packet.layout.l4, 16, packet.layout.l3_end, false);
  EXPECT_TRUE(checksums_ok(packet.bytes()));
}

TEST_F(TcpPayloadTest, RoomIsBoundedByBufferAndLengthField) {
  Packet& small = make(Ip4{} / Tcp{} / Payload{"ab"});
  EXPECT_EQ(tcp_payload_room(small), PacketPool::kSmallBytes - small.layout.payload);
  Packet& large = make(Ip4{} / Tcp{} / Payload{.size = 60000});
  EXPECT_EQ(tcp_payload_room(large), 65535u - 40);
  Packet& ipv6 = make(Ip6{} / Tcp{} / Payload{.size = 60000});
  EXPECT_EQ(tcp_payload_room(ipv6), 65535u - 20);
}

/// A full segment that grows is sent in two, none longer than it was.
TEST_F(TcpPayloadTest, AFullSegmentIsLeftToSegmentation) {
  for (const Layers& network : {Layers(Ip4{}), Layers(Ip6{})}) {
    Packet& packet = make(network / Tcp{.seq = 100} / Payload{.size = 1400});
    replace(packet, std::string(1412, 'x'));
    EXPECT_EQ(packet.meta.offload.gso_size, 1400);
    Segmenter segments(packet);
    ASSERT_TRUE(segments.valid());
    Packet* piece = pool_.take(2048);
    ASSERT_TRUE(segments.next(*piece));
    EXPECT_EQ(mismatch(network / Tcp{.seq = 100} / Payload{std::string(1400, 'x')}, piece->bytes()), "");
    EXPECT_TRUE(checksums_ok(piece->bytes()));
    ASSERT_TRUE(segments.next(*piece));
    EXPECT_EQ(mismatch(network / Tcp{.seq = 1500} / Payload{std::string(12, 'x')}, piece->bytes()), "");
    EXPECT_TRUE(checksums_ok(piece->bytes()));
    EXPECT_FALSE(segments.next(*piece));
    pool_.give(piece);
  }
}

TEST_F(TcpPayloadTest, ASuperPacketKeepsItsSegmentSizeUntilItFitsInOne) {
  Packet& packet = make(Ip4{} / Tcp{} / Payload{.size = 3000});
  packet.meta.offload = {.checksum_partial = true,
                         .checksum_start = packet.layout.l4,
                         .checksum_offset = 16,
                         .gso = Offload::kTcp4,
                         .gso_size = 1400};
  replace(packet, std::string(3010, 'x'));
  EXPECT_EQ(packet.meta.offload.gso, Offload::kTcp4);
  EXPECT_EQ(packet.meta.offload.gso_size, 1400);
  replace(packet, std::string(1400, 'x'));
  EXPECT_EQ(packet.meta.offload.gso, Offload::kNoGso);
  EXPECT_TRUE(packet.meta.offload.checksum_partial);
}

}  // namespace
}  // namespace sluice::packet
