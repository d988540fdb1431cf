#include "wire/rewrite.h"

#include <gtest/gtest.h>

#include <functional>

#include "net/protocol.h"
#include "tests/support/random_packet.h"
#include "wire/checksum_verify.h"
#include "wire/walk.h"

namespace sluice::wire {
namespace {

using namespace sluice::testing;  // NOLINT: the packet DSL

Frame rewritten(Frame frame, const std::function<void(const MutableFrame&)>& change, bool partial = false) {
  const Layout layout = walk(frame);
  change({frame.data(), static_cast<std::uint32_t>(frame.size()), layout, partial});
  return frame;
}

net::Mac mac(const char* text) {
  return *net::parse_mac(text);
}
be32 ip4(const char* text) {
  return *net::parse_ipv4(text);
}
be128 ip6(const char* text) {
  return *net::parse_ipv6(text);
}

TEST(Rewrite, EachFieldOfEachHeader) {
  struct Case {
    Layers before, after;
    std::function<void(const MutableFrame&)> change;
  };
  const Layers tcp = Tcp{} / Payload{"abc"}, udp = Udp{} / Payload{"abcd"};
  const Case cases[] = {
      {Ip4{} / tcp, Eth{.src = "0a:00:00:00:00:09"} / Ip4{} / tcp,
       [](auto& f) { set_eth_src(f, mac("0a:00:00:00:00:09")); }},
      {Ip4{} / tcp, Eth{.dst = "0a:00:00:00:00:09"} / Ip4{} / tcp,
       [](auto& f) { set_eth_dst(f, mac("0a:00:00:00:00:09")); }},
      {Vlan{} / Vlan{.vid = 3} / tcp, Vlan{} / Vlan{.vid = 9, .pcp = std::uint8_t{1}} / tcp,
       [](auto& f) { set_vlan_tci(f, be16{0x2009}, 1); }},
      {Mpls{} / Mpls{} / Payload{"x"}, Mpls{} / Mpls{.label = 77} / Payload{"x"},
       [](auto& f) { set_mpls_lse(f, be32{77 << 12 | 0x140}, 1); }},
      {Arp{}, Arp{.op = 2, .tha = "00:00:00:00:00:00"},
       [](auto& f) {
         set_arp_op(f, be16{2});
         set_eth_dst(f, mac("02:00:00:00:00:02"));
       }},
      {Arp{}, Arp{.sha = "0a:00:00:00:00:09"}, [](auto& f) { set_arp_sha(f, mac("0a:00:00:00:00:09")); }},
      {Arp{}, Arp{.tha = "0a:00:00:00:00:09"}, [](auto& f) { set_arp_tha(f, mac("0a:00:00:00:00:09")); }},
      {Arp{}, Arp{.spa = "10.9.0.1"}, [](auto& f) { set_arp_spa(f, ip4("10.9.0.1")); }},
      {Arp{}, Arp{.tpa = "10.9.0.1"}, [](auto& f) { set_arp_tpa(f, ip4("10.9.0.1")); }},
      {Ip4{} / tcp, Ip4{.src = "10.9.0.1"} / tcp, [](auto& f) { set_ipv4_src(f, ip4("10.9.0.1")); }},
      {Ip4{} / udp, Ip4{.dst = "10.9.0.1"} / udp, [](auto& f) { set_ipv4_dst(f, ip4("10.9.0.1")); }},
      {Ip4{} / Icmp4{}, Ip4{.dst = "10.9.0.1"} / Icmp4{}, [](auto& f) { set_ipv4_dst(f, ip4("10.9.0.1")); }},
      {Ip4{} / Sctp{}, Ip4{.dst = "10.9.0.1"} / Sctp{}, [](auto& f) { set_ipv4_dst(f, ip4("10.9.0.1")); }},
      {Ip4{} / UdpLite{}, Ip4{.dst = "10.9.0.1"} / UdpLite{},
       [](auto& f) { set_ipv4_dst(f, ip4("10.9.0.1")); }},
      {Ip4{} / tcp, Ip4{.tos = std::uint8_t{0xb8}} / tcp, [](auto& f) { set_ipv4_tos(f, 0xb8); }},
      {Ip4{} / tcp, Ip4{.ttl = std::uint8_t{63}} / tcp, [](auto& f) { set_ipv4_ttl(f, 63); }},
      {Ip6{} / tcp, Ip6{.src = "fd01::9"} / tcp, [](auto& f) { set_ipv6_src(f, ip6("fd01::9")); }},
      {Ip6{} / Ext6{} / udp, Ip6{.dst = "fd01::9"} / Ext6{} / udp,
       [](auto& f) { set_ipv6_dst(f, ip6("fd01::9")); }},
      {Ip6{} / Icmp6{}, Ip6{.dst = "fd01::9"} / Icmp6{}, [](auto& f) { set_ipv6_dst(f, ip6("fd01::9")); }},
      {Ip6{} / tcp, Ip6{.label = 0xabcde} / tcp, [](auto& f) { set_ipv6_label(f, be32{0xabcde}); }},
      {Ip6{.label = 0xabcde} / tcp, Ip6{.tos = std::uint8_t{0xb9}, .label = 0xabcde} / tcp,
       [](auto& f) { set_ipv6_traffic_class(f, 0xb9); }},
      {Ip6{} / tcp, Ip6{.ttl = std::uint8_t{1}} / tcp, [](auto& f) { set_ipv6_hop_limit(f, 1); }},
      {Ip4{} / Tcp{}, Ip4{} / Tcp{.sport = 7}, [](auto& f) { set_src_port(f, be16{7}); }},
      {Ip6{} / Udp{}, Ip6{} / Udp{.dport = 7}, [](auto& f) { set_dst_port(f, be16{7}); }},
      {Ip4{} / Sctp{} / Payload{"abcd"}, Ip4{} / Sctp{.sport = 7} / Payload{"abcd"},
       [](auto& f) { set_src_port(f, be16{7}); }},
      {Ip6{} / UdpLite{}, Ip6{} / UdpLite{.dport = 7}, [](auto& f) { set_dst_port(f, be16{7}); }},
      {Ip4{} / Icmp4{.id = 1}, Ip4{} / Icmp4{.type = std::uint8_t{0}, .id = 1},
       [](auto& f) { set_icmp_type(f, 0); }},
      {Ip6{} / Icmp6{}, Ip6{} / Icmp6{.code = std::uint8_t{3}}, [](auto& f) { set_icmp_code(f, 3); }},
      {Ip4{} / Icmp4{}, Ip4{} / Icmp4{.id = 99}, [](auto& f) { set_icmp_id(f, be16{99}); }},
      {Ip6{} / Nd{}, Ip6{} / Nd{.target = "fd00::77"}, [](auto& f) { set_nd_target(f, ip6("fd00::77")); }},
      {Ip6{} / Nd{.sll = "02:00:00:00:00:01"}, Ip6{} / Nd{.sll = "0a:00:00:00:00:09"},
       [](auto& f) { set_nd_sll(f, mac("0a:00:00:00:00:09")); }},
      {Ip6{} / Nd{.tll = "02:00:00:00:00:01"}, Ip6{} / Nd{.tll = "0a:00:00:00:00:09"},
       [](auto& f) { set_nd_tll(f, mac("0a:00:00:00:00:09")); }},
      {Ip6{} / Nd{}, Ip6{} / Nd{.reserved = 0x60000000},
       [](auto& f) { set_nd_reserved(f, be32{0x60000000}); }},
      {Ip6{} / Nd{.sll = "02:00:00:00:00:01"}, Ip6{} / Nd{.tll = "02:00:00:00:00:01"},
       [](auto& f) { set_nd_options_type(f, 2); }},
  };
  for (const Case& c : cases)
    EXPECT_EQ(describe(rewritten(build(c.before), c.change)), describe(build(c.after)));
}

TEST(Rewrite, AHeaderThatIsNotThereIsNotTouched) {
  const Frame arp = build(Arp{}), udp = build(Ip4{} / Udp{}),
              gre = build(Ip4{.proto = std::uint8_t{47}} / Payload{.size = 20});
  EXPECT_EQ(rewritten(arp,
                      [](auto& f) {
                        set_ipv4_src(f, be32{1});
                        set_ipv6_src(f, {});
                        set_src_port(f, be16{1});
                        set_vlan_tci(f, be16{1});
                      }),
            arp);
  EXPECT_EQ(rewritten(udp,
                      [](auto& f) {
                        set_arp_spa(f, be32{1});
                        set_icmp_type(f, 1);
                        set_nd_target(f, {});
                        set_ipv6_label(f, be32{1});
                      }),
            udp);
  EXPECT_EQ(rewritten(gre,
                      [](auto& f) {
                        set_src_port(f, be16{1});
                        set_icmp_id(f, be16{1});
                      }),
            gre);
  const Frame nd = build(Ip6{} / Nd{.sll = "02:00:00:00:00:01"});
  EXPECT_EQ(rewritten(nd, [](auto& f) { set_nd_tll(f, mac("0a:00:00:00:00:09")); }), nd);
}

TEST(Rewrite, UdpWithoutChecksumStaysWithout) {
  const Frame frame = rewritten(build(Ip4{} / Udp{.checksum = 0}), [](auto& f) {
    set_ipv4_src(f, ip4("10.9.0.1"));
    set_src_port(f, be16{9});
  });
  EXPECT_EQ(mismatch(Ip4{.src = "10.9.0.1"} / Udp{.sport = 9, .checksum = 0}, frame), "");
}

TEST(Rewrite, NoUdpChecksumEverBecomesZero) {
  // Every port once: one of them makes the sum come out as 0, which must be written as 0xffff.
  Frame frame = build(Ip4{} / Udp{} / Payload{"ab"});
  const Layout layout = walk(frame);
  const MutableFrame mutable_frame{frame.data(), static_cast<std::uint32_t>(frame.size()), layout};
  unsigned ones = 0;
  for (unsigned port = 0; port <= 0xffff; ++port) {
    set_src_port(mutable_frame, be16{static_cast<std::uint16_t>(port)});
    const be16 sum = be16::load(&frame[layout.l4 + 6u]);
    ASSERT_NE(sum, be16{});
    ASSERT_TRUE(l4_checksum_ok(frame, layout));
    ones += sum == be16{0xffff};
  }
  EXPECT_GE(ones, 1u);
}

TEST(Rewrite, AWrongChecksumStaysWrong) {
  for (const Layers& packet : {Ip4{.checksum = 0x1234} / Tcp{.checksum = 0x1234},
                               Ip4{} / Sctp{.checksum = 0x12345678}, Ip6{} / Udp{.checksum = 0x1234}}) {
    const Frame frame = rewritten(build(packet), [](auto& f) {
      set_ipv4_src(f, ip4("10.9.0.1"));
      set_ipv6_src(f, ip6("fd01::9"));
      set_src_port(f, be16{9});
    });
    EXPECT_FALSE(l4_checksum_ok(frame, walk(frame))) << describe(frame);
  }
}

TEST(Rewrite, APartialChecksumHoldsThePseudoHeaderOnly) {
  const auto partial_of = [](const Layers& layers) {
    Frame frame = build(layers);
    const Layout layout = walk(frame);
    net::ChecksumSum pseudo;
    add_pseudo_header(pseudo, frame, layout, layout.l3_end - layout.l4);
    pseudo.partial().store(&frame[layout.l4 + (layout.ip_proto == 6 ? 16u : 6u)]);
    return frame;
  };
  EXPECT_EQ(rewritten(
                partial_of(Ip4{} / Tcp{}),
                [](auto& f) {
                  set_ipv4_src(f, ip4("10.9.0.1"));
                  set_src_port(f, be16{9});
                },
                true),
            partial_of(Ip4{.src = "10.9.0.1"} / Tcp{.sport = 9}));
  EXPECT_EQ(rewritten(
                partial_of(Ip6{} / Udp{}),
                [](auto& f) {
                  set_ipv6_dst(f, ip6("fd01::9"));
                  set_dst_port(f, be16{9});
                },
                true),
            partial_of(Ip6{.dst = "fd01::9"} / Udp{.dport = 9}));
}

TEST(Rewrite, FragmentsAreMendedWhereTheTransportHeaderIs) {
  const Frame whole = build(Ip4{} / Udp{} / Payload{.size = 100});
  auto pieces = fragment(whole, 48);
  for (Frame& piece : pieces)
    piece = rewritten(piece, [](auto& f) {
      set_ipv4_dst(f, ip4("10.9.0.1"));
      set_dst_port(f, be16{9});
    });
  const auto expected = fragment(build(Ip4{.dst = "10.9.0.1"} / Udp{.dport = 9} / Payload{.size = 100}), 48);
  EXPECT_EQ(pieces, expected);
}

TEST(Rewrite, WithSegmentsLeftTheDestinationIsNotCovered) {
  const Layers routing = Ext6{.kind = std::uint8_t{43},
                              .data = std::string("\x00\x01\x00\x00\x00\x00", 6) + std::string(16, '\x22')};
  const Frame before = build(Ip6{} / routing / Udp{});
  const Frame after = rewritten(before, [](auto& f) { set_ipv6_dst(f, ip6("fd01::9")); });
  EXPECT_EQ(Frame(after.end() - 8, after.end()), Frame(before.end() - 8, before.end()));
  EXPECT_EQ(mismatch(Ip6{.dst = "fd01::9"}, after), "");
}

// Rewriting mends what summing anew would write.
TEST(Rewrite, IsTheSameAsSummingAnew) {
  Rng rng(4);
  for (int i = 0; i < 20000; ++i) {
    const Frame original = build(random_packet(rng));
    const Layout layout = walk(original);
    if (!l4_checksum_ok(original, layout)) continue;
    Frame frame = original;
    const MutableFrame f{frame.data(), static_cast<std::uint32_t>(frame.size()), layout};
    const be32 address{static_cast<std::uint32_t>(rng.next())};
    const be128 address6{be64{rng.next()}, be64{rng.next()}};
    const be16 port{static_cast<std::uint16_t>(rng.next())};
    const auto byte = static_cast<std::uint8_t>(rng.next());
    set_ipv4_src(f, address);
    set_ipv4_dst(f, address);
    set_ipv4_tos(f, byte);
    set_ipv4_ttl(f, byte);
    set_ipv6_src(f, address6);
    set_ipv6_dst(f, address6);
    set_ipv6_label(f, address);
    set_ipv6_traffic_class(f, byte);
    set_ipv6_hop_limit(f, byte);
    set_src_port(f, port);
    set_dst_port(f, port);
    set_icmp_code(f, byte);
    set_icmp_id(f, port);
    set_nd_target(f, address6);
    set_nd_sll(f, net::Mac::from_value(rng.next() >> 16));
    set_nd_tll(f, net::Mac::from_value(rng.next() >> 16));
    ASSERT_TRUE(ipv4_checksum_ok(frame, layout)) << describe(frame);
    ASSERT_TRUE(l4_checksum_ok(frame, layout)) << describe(original) << "\n" << describe(frame);
    if (layout.fragment != 0) continue;
    const Frame mended = frame;
    const bool no_udp_sum =
        layout.ip_proto == 17 && layout.has_l4() && be16::load(&frame[layout.l4 + 6u]) == be16{};
    if (!no_udp_sum) {
      fill_checksums(frame, layout);
      ASSERT_EQ(frame, mended) << describe(original);
    }
  }
}

}  // namespace
}  // namespace sluice::wire
