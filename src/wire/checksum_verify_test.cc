#include "wire/checksum_verify.h"

#include <gtest/gtest.h>

#include "tests/support/random_packet.h"
#include "wire/walk.h"

namespace sluice::wire {
namespace {

using namespace sluice::testing;  // NOLINT: the packet DSL

bool l4_ok(const Frame& frame) {
  return l4_checksum_ok(frame, walk(frame));
}

TEST(ChecksumVerify, AFlippedBitIsSeenInEveryProtocol) {
  const Layers packets[] = {Ip4{} / Tcp{} / Payload{"abc"},
                            Ip4{} / Udp{} / Payload{"abcd"},
                            Ip4{} / Sctp{} / Payload{"abcd"},
                            Ip4{} / Icmp4{} / Payload{"abc"},
                            Ip6{} / Tcp{} / Payload{"abc"},
                            Ip6{} / Icmp6{} / Payload{"a"},
                            Ip6{} / Ext6{} / Udp{},
                            Ip4{} / UdpLite{},
                            Ip6{} / Sctp{}};
  for (const Layers& packet : packets) {
    Frame frame = build(packet);
    EXPECT_TRUE(l4_ok(frame)) << describe(frame);
    frame.back() ^= 0x40;
    EXPECT_FALSE(l4_ok(frame)) << describe(frame);
  }
}

TEST(ChecksumVerify, UdpWithoutChecksumIsFineOnlyInIpv4) {
  EXPECT_TRUE(l4_ok(build(Ip4{} / Udp{.checksum = 0})));
  EXPECT_FALSE(l4_ok(build(Ip6{} / Udp{.checksum = 0})));
}

TEST(ChecksumVerify, AUdpLengthThatMakesNoSenseIsNotRight) {
  EXPECT_FALSE(l4_ok(build(Ip4{} / Udp{.length = 7})));
  EXPECT_FALSE(l4_ok(build(Ip4{} / Udp{.length = 9})));
}

TEST(ChecksumVerify, UdpLiteCoversOnlyWhatItSays) {
  Frame frame = build(Ip4{} / UdpLite{.coverage = 8} / Payload{"abc"});
  frame.back() ^= 1;
  EXPECT_TRUE(l4_ok(frame));
  frame[14 + 20] ^= 1;
  EXPECT_FALSE(l4_ok(frame));
}

TEST(ChecksumVerify, FragmentsAndUnknownProtocolsHaveNoneToVerify) {
  EXPECT_TRUE(l4_ok(build(Ip4{.mf = true} / Tcp{.checksum = 1})));
  EXPECT_TRUE(l4_ok(build(Ip4{.proto = std::uint8_t{47}} / Payload{"x"})));
  EXPECT_TRUE(l4_ok(build(Ip4{} / Tcp{.checksum = 1, .data_offset = std::uint8_t{4}})));
}

TEST(ChecksumVerify, TheIpv4HeaderIsSummedWithItsOptions) {
  Frame frame = build(Ip4{.options = "\x01\x01\x01\x01"} / Tcp{});
  EXPECT_TRUE(ipv4_checksum_ok(frame, walk(frame)));
  frame[14 + 20] = 0;
  EXPECT_FALSE(ipv4_checksum_ok(frame, walk(frame)));
}

TEST(ChecksumVerify, WithARoutingHeaderTheFinalDestinationCounts) {
  // The same datagram once with the final destination in its header, once still on its way to it (types 0 and
  // 4 list one address, the final one; RFC 8200 section 8.1).
  const std::string final_address = "\xfd" + std::string(14, '\0') + "\x09";
  for (const char type : {'\0', '\4'}) {
    const auto routing = [&](char left) {
      return Ext6{.kind = std::uint8_t{43},
                  .data = std::string{type, left} + std::string(4, '\0') + final_address};
    };
    const Frame arrived = build(Ip6{.dst = "fd00::9"} / routing(0) / Udp{} / Payload{"abc"});
    Frame travelling = build(Ip6{.dst = "fd00::5"} / routing(1) / Udp{} / Payload{"abc"});
    EXPECT_TRUE(l4_ok(arrived));
    EXPECT_FALSE(l4_ok(travelling)) << "the DSL summed the address in the header";
    std::copy(arrived.end() - 5, arrived.end() - 3, travelling.end() - 5);
    EXPECT_TRUE(l4_ok(travelling));
  }
}

TEST(ChecksumVerify, FillWritesWhatTheSenderWould) {
  Rng rng(3);
  for (int i = 0; i < 3000; ++i) {
    const Frame original = build(random_packet(rng));
    const Layout layout = walk(original);
    if (layout.fragment != 0 || !l4_checksum_ok(original, layout)) continue;
    const bool none =
        layout.ip_proto == 17 && layout.has_l4() && be16::load(&original[layout.l4 + 6u]) == be16{};
    if (none) continue;
    Frame filled = original;
    fill_checksums(filled, layout);
    ASSERT_EQ(filled, original) << describe(original);
  }
}

TEST(ChecksumVerify, FinishCompletesAPartialChecksum) {
  for (const Layers& packet : {Ip4{} / Tcp{} / Payload{"abc"}, Ip6{} / Udp{} / Payload{"abcd"}}) {
    const Frame whole = build(packet);
    const Layout layout = walk(whole);
    const std::uint32_t offset = layout.ip_proto == 6 ? 16 : 6;
    Frame partial = whole;
    net::ChecksumSum pseudo;
    ASSERT_TRUE(add_pseudo_header(pseudo, partial, layout, layout.l3_end - layout.l4));
    pseudo.partial().store(&partial[layout.l4 + offset]);
    EXPECT_FALSE(l4_checksum_ok(partial, layout));
    partial.resize(partial.size() + 3, 0xee);  // padding is not summed
    finish_checksum(partial, layout.l4, offset, layout.l3_end, layout.ip_proto == 17);
    partial.resize(whole.size());
    EXPECT_EQ(partial, whole);
  }
}

TEST(ChecksumVerify, FinishLeavesAFrameAloneWhoseFieldIsOutside) {
  Frame frame = build(Ip4{} / Udp{});
  const Frame before = frame;
  finish_checksum(frame, 34, 7, 42, true);
  finish_checksum(frame, 34, 6, 43, true);
  finish_checksum(frame, 43, 0, 42, true);
  EXPECT_EQ(frame, before);
}

}  // namespace
}  // namespace sluice::wire
