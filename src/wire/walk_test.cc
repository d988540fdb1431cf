#include "wire/walk.h"

#include <gtest/gtest.h>

#include <cstring>

#include "net/protocol.h"
#include "tests/support/random_packet.h"

namespace sluice::wire {
namespace {

using namespace sluice::testing;  // NOLINT: the packet DSL
constexpr std::uint16_t kNone = Layout::kNone;

std::string text(const Layout& l) {
  const auto number = [](std::uint16_t n) { return n == kNone ? std::string("-") : std::to_string(n); };
  char type[8];
  std::snprintf(type, sizeof type, "%04x", l.eth_type.host());
  return std::string(type) + " l2_5=" + number(l.l2_5) + " l3=" + number(l.l3) + " l4=" + number(l.l4) +
         " payload=" + number(l.payload) + " end=" + std::to_string(l.l3_end) +
         " frag6=" + number(l.ipv6_fragment) + " proto=" + std::to_string(l.ip_proto) +
         " frag=" + std::to_string(l.fragment) + " vlans=" + std::to_string(l.vlans) +
         " labels=" + std::to_string(l.mpls_labels) + " " + std::string(fault_name(l.fault));
}
std::string walked(const Layers& layers) {
  return text(walk(build(layers)));
}

TEST(Walk, FindsTheHeadersOfEachProtocol) {
  const std::pair<Layers, const char*> cases[] = {
      {Ip4{} / Tcp{} / Payload{"abc"},
       "0800 l2_5=- l3=14 l4=34 payload=54 end=57 frag6=- proto=6 frag=0 vlans=0 labels=0 none"},
      {Ip4{.options = "\x01\x01\x01\x01"} / Tcp{.mss = 1460},
       "0800 l2_5=- l3=14 l4=38 payload=62 end=62 frag6=- proto=6 frag=0 vlans=0 labels=0 none"},
      {Ip4{} / Udp{} / Payload{"a"},
       "0800 l2_5=- l3=14 l4=34 payload=42 end=43 frag6=- proto=17 frag=0 vlans=0 labels=0 none"},
      {Ip4{} / Sctp{},
       "0800 l2_5=- l3=14 l4=34 payload=46 end=46 frag6=- proto=132 frag=0 vlans=0 labels=0 none"},
      {Ip4{} / UdpLite{},
       "0800 l2_5=- l3=14 l4=34 payload=42 end=42 frag6=- proto=136 frag=0 vlans=0 labels=0 none"},
      {Ip4{} / Icmp4{},
       "0800 l2_5=- l3=14 l4=34 payload=42 end=42 frag6=- proto=1 frag=0 vlans=0 labels=0 none"},
      {Ip4{.proto = std::uint8_t{2}} / Payload{.size = 8},
       "0800 l2_5=- l3=14 l4=34 payload=42 end=42 frag6=- proto=2 frag=0 vlans=0 labels=0 none"},
      {Ip4{.proto = std::uint8_t{33}} / Payload{.size = 12},
       "0800 l2_5=- l3=14 l4=34 payload=46 end=46 frag6=- proto=33 frag=0 vlans=0 labels=0 none"},
      {Ip4{.proto = std::uint8_t{47}} / Payload{"gre"},
       "0800 l2_5=- l3=14 l4=34 payload=34 end=37 frag6=- proto=47 frag=0 vlans=0 labels=0 none"},
      {Ip6{} / Udp{},
       "86dd l2_5=- l3=14 l4=54 payload=62 end=62 frag6=- proto=17 frag=0 vlans=0 labels=0 none"},
      {Ip6{} / Icmp6{},
       "86dd l2_5=- l3=14 l4=54 payload=62 end=62 frag6=- proto=58 frag=0 vlans=0 labels=0 none"},
      {Ip6{} / Ext6{.kind = std::uint8_t{0}} / Ext6{.kind = std::uint8_t{43}, .data = std::string(14, '\0')} /
           Ext6{} / Ext6{.kind = std::uint8_t{51}, .data = std::string(10, '\0')} / Tcp{},
       "86dd l2_5=- l3=14 l4=98 payload=118 end=118 frag6=- proto=6 frag=0 vlans=0 labels=0 none"},
      {Ip6{.proto = std::uint8_t{135}} / Payload{.size = 16},
       "86dd l2_5=- l3=14 l4=54 payload=54 end=70 frag6=- proto=135 frag=0 vlans=0 labels=0 none"},
      {Arp{}, "0806 l2_5=- l3=14 l4=- payload=- end=42 frag6=- proto=0 frag=0 vlans=0 labels=0 none"},
      {Arp{.reverse = true},
       "8035 l2_5=- l3=14 l4=- payload=- end=42 frag6=- proto=0 frag=0 vlans=0 labels=0 none"},
      {Vlan{} / Ip4{} / Tcp{},
       "0800 l2_5=- l3=18 l4=38 payload=58 end=58 frag6=- proto=6 frag=0 vlans=1 labels=0 none"},
      {Vlan{.tpid = std::uint16_t{0x88a8}} / Vlan{} / Ip6{} / Tcp{},
       "86dd l2_5=- l3=22 l4=62 payload=82 end=82 frag6=- proto=6 frag=0 vlans=2 labels=0 none"},
      {Vlan{} / Vlan{} / Vlan{} / Ip4{} / Tcp{},
       "8100 l2_5=- l3=- l4=- payload=- end=0 frag6=- proto=0 frag=0 vlans=2 labels=0 none"},
      {Mpls{} / Mpls{} / Payload{"x"},
       "8847 l2_5=14 l3=- l4=- payload=- end=0 frag6=- proto=0 frag=0 vlans=0 labels=2 none"},
      {Llc{} / Payload{"x"},
       "05ff l2_5=- l3=- l4=- payload=- end=0 frag6=- proto=0 frag=0 vlans=0 labels=0 none"},
      {Llc{} / Ip4{} / Udp{},
       "0800 l2_5=- l3=22 l4=42 payload=50 end=50 frag6=- proto=17 frag=0 vlans=0 labels=0 none"},
      {Eth{.type = 0x88cc} / Payload{"x"},
       "88cc l2_5=- l3=- l4=- payload=- end=0 frag6=- proto=0 frag=0 vlans=0 labels=0 none"},
  };
  for (const auto& [layers, expected] : cases) EXPECT_EQ(walked(layers), expected) << describe(layers);
}

TEST(Walk, FragmentsHaveTheirTransportHeaderOnlyInTheFirst) {
  EXPECT_EQ(walked(Ip4{.mf = true} / Udp{.length = 999}),
            "0800 l2_5=- l3=14 l4=34 payload=42 end=42 frag6=- proto=17 frag=1 vlans=0 labels=0 none");
  EXPECT_EQ(walked(Ip4{.proto = std::uint8_t{17}, .offset = 8} / Payload{"abcdefgh"}),
            "0800 l2_5=- l3=14 l4=- payload=34 end=42 frag6=- proto=17 frag=3 vlans=0 labels=0 none");
  EXPECT_EQ(walked(Ip6{} / Frag6{.mf = true} / Udp{.length = 999}),
            "86dd l2_5=- l3=14 l4=62 payload=70 end=70 frag6=54 proto=17 frag=1 vlans=0 labels=0 none");
  EXPECT_EQ(walked(Ip6{} / Frag6{.offset = 8, .proto = std::uint8_t{17}} / Payload{"abcdefgh"}),
            "86dd l2_5=- l3=14 l4=- payload=62 end=70 frag6=54 proto=44 frag=3 vlans=0 labels=0 none");
  // An atomic fragment is a whole datagram (RFC 6946).
  EXPECT_EQ(walked(Ip6{} / Frag6{} / Udp{}),
            "86dd l2_5=- l3=14 l4=62 payload=70 end=70 frag6=54 proto=17 frag=0 vlans=0 labels=0 none");
}

TEST(Walk, EthernetPaddingLiesBehindTheDatagram) {
  Frame frame = build(Ip4{} / Udp{} / Payload{"a"});
  frame.resize(60);
  EXPECT_EQ(walk(frame).l3_end, 43u);
}

TEST(Walk, ADatagramOfFullLengthEndsBehind65535) {
  const Frame frame = build(Ip4{} / Udp{} / Payload{.size = 65507});
  EXPECT_EQ(walk(frame).l3_end, 14u + 65535u);
  EXPECT_EQ(walk(frame).fault, ParseFault::None);
}

Frame cut(const Layers& layers, std::size_t bytes) {
  Frame frame = build(layers);
  frame.resize(bytes);
  return frame;
}

struct Damaged {
  Frame frame;
  ParseFault fault;
  std::uint16_t l3, l4;
};

TEST(Walk, EachFaultKeepsWhatWasFoundBefore) {
  const Layers tcp = Ip4{} / Tcp{}, udp6 = Ip6{} / Udp{};
  Layers endless = Ip6{};
  for (int i = 0; i < 17; ++i) endless = endless / Ext6{};
  endless = endless / Udp{};
  const Damaged cases[] = {
      {cut(tcp, 13), ParseFault::EthernetTruncated, kNone, kNone},
      {cut(Vlan{} / tcp, 17), ParseFault::EthernetTruncated, kNone, kNone},
      {cut(Vlan{} / Vlan{} / tcp, 20), ParseFault::EthernetTruncated, kNone, kNone},
      {cut(Mpls{} / Mpls{}, 20), ParseFault::MplsTruncated, kNone, kNone},
      {build(Mpls{.bottom = false}), ParseFault::MplsTruncated, kNone, kNone},
      {cut(Arp{}, 41), ParseFault::ArpTruncated, kNone, kNone},
      {cut(tcp, 33), ParseFault::Ipv4Truncated, kNone, kNone},
      {build(Ip4{.version = std::uint8_t{5}} / Tcp{}), ParseFault::Ipv4BadVersion, kNone, kNone},
      {build(Ip4{.ihl = std::uint8_t{4}} / Tcp{}), ParseFault::Ipv4BadHeaderLength, kNone, kNone},
      {build(Ip4{.ihl = std::uint8_t{15}} / Tcp{}), ParseFault::Ipv4BadHeaderLength, kNone, kNone},
      {build(Ip4{.length = 19} / Tcp{}), ParseFault::Ipv4BadTotalLength, kNone, kNone},
      {build(Ip4{.length = 41} / Tcp{}), ParseFault::Ipv4BadTotalLength, kNone, kNone},
      {cut(udp6, 53), ParseFault::Ipv6Truncated, kNone, kNone},
      {build(Ip6{.version = std::uint8_t{4}} / Udp{}), ParseFault::Ipv6BadVersion, kNone, kNone},
      {build(Ip6{.length = 9} / Udp{}), ParseFault::Ipv6BadPayloadLength, kNone, kNone},
      {build(Ip6{.length = 7} / Ext6{} / Udp{}), ParseFault::Ipv6BadExtension, 14, kNone},
      {build(Ip6{} / Ext6{.length = std::uint8_t{2}} / Udp{}), ParseFault::Ipv6BadExtension, 14, kNone},
      {build(endless), ParseFault::Ipv6BadExtension, 14, kNone},
      {build(Ip4{.length = 39} / Tcp{}), ParseFault::TcpTruncated, 14, kNone},
      {build(Ip4{} / Tcp{.data_offset = std::uint8_t{4}}), ParseFault::TcpBadDataOffset, 14, kNone},
      {build(Ip4{} / Tcp{.data_offset = std::uint8_t{6}}), ParseFault::TcpBadDataOffset, 14, kNone},
      {build(Ip4{.length = 27} / Udp{}), ParseFault::UdpTruncated, 14, kNone},
      {build(Ip4{} / Udp{.length = 7}), ParseFault::UdpBadLength, 14, 34},
      {build(Ip6{} / Udp{.length = 9}), ParseFault::UdpBadLength, 14, 54},
      {build(Ip4{.length = 31} / Sctp{}), ParseFault::SctpTruncated, 14, kNone},
      {build(Ip4{.length = 27} / Icmp4{}), ParseFault::IcmpTruncated, 14, kNone},
      {build(Ip6{.length = 7} / Icmp6{}), ParseFault::Icmpv6Truncated, 14, kNone},
      {build(Ip4{.proto = std::uint8_t{33}} / Payload{.size = 11}), ParseFault::DccpTruncated, 14, kNone},
      {build(Ip4{.proto = std::uint8_t{2}} / Payload{.size = 7}), ParseFault::IgmpTruncated, 14, kNone},
      {build(Ip4{.length = 27} / UdpLite{}), ParseFault::UdpLiteTruncated, 14, kNone},
  };
  bool seen[kParseFaultCount] = {true};
  for (const Damaged& c : cases) {
    const Layout layout = walk(c.frame);
    EXPECT_EQ(fault_name(layout.fault), fault_name(c.fault)) << describe(c.frame);
    EXPECT_EQ(layout.l3, c.l3) << describe(c.frame);
    EXPECT_EQ(layout.l4, c.l4) << describe(c.frame);
    seen[static_cast<unsigned>(c.fault)] = true;
  }
  for (unsigned i = 0; i < kParseFaultCount; ++i)
    EXPECT_TRUE(seen[i]) << fault_name(static_cast<ParseFault>(i));
}

TEST(Walk, EveryFaultHasItsOwnNameAndASentence) {
  for (unsigned i = 0; i < kParseFaultCount; ++i) {
    EXPECT_TRUE(fault_text(static_cast<ParseFault>(i)).ends_with('.'));
    for (unsigned j = 0; j < i; ++j)
      EXPECT_NE(fault_name(static_cast<ParseFault>(i)), fault_name(static_cast<ParseFault>(j)));
  }
}

TEST(Walk, TheShortCutFindsWhatTheLongWayFinds) {
  Rng rng(1);
  unsigned sound = 0;
  for (int i = 0; i < 30000; ++i) {
    Frame frame = build(random_packet(rng));
    if (i % 2 == 1) damage(rng, frame);
    const Layout quick = walk(frame), general = walk_general(frame);
    ASSERT_EQ(text(quick), text(general)) << describe(frame);
    sound += quick.fault == ParseFault::None;
  }
  EXPECT_GT(sound, 15000u);
}

TEST(Walk, OffsetsOfDamagedPacketsStayInside) {
  Rng rng(2);
  for (int i = 0; i < 30000; ++i) {
    Frame frame = build(random_packet(rng));
    damage(rng, frame);
    const Layout l = walk(frame);
    ASSERT_LE(l.l3_end, frame.size());
    if (l.l4 != kNone) {
      ASSERT_TRUE(l.l3 < l.l4 && l.l4 <= l.payload && l.payload <= l.l3_end);
    }
    if (l.payload != kNone) {
      ASSERT_LE(l.payload, l.l3_end);
    }
    if (l.l3 != kNone) {
      ASSERT_LT(l.l3, l.l3_end);
    }
  }
}

TEST(WalkIp, AQuotationMayEndEarly) {
  Frame quoted = build_bare(Ip4{} / Tcp{} / Payload{.size = 100});
  quoted.resize(28);
  const be16 type{net::ethertype::kIpv4};
  EXPECT_EQ(text(walk_ip(quoted, type, true)),
            "0800 l2_5=- l3=0 l4=20 payload=28 end=28 frag6=- proto=6 frag=0 vlans=0 labels=0 none");
  EXPECT_EQ(walk_ip(quoted, type, false).fault, ParseFault::Ipv4BadTotalLength);
  quoted.resize(27);
  EXPECT_EQ(walk_ip(quoted, type, true).fault, ParseFault::TcpTruncated);
  Frame quoted6 = build_bare(Ip6{} / Udp{} / Payload{.size = 100});
  quoted6.resize(60);
  EXPECT_EQ(text(walk_ip(quoted6, be16{net::ethertype::kIpv6}, true)),
            "86dd l2_5=- l3=0 l4=40 payload=48 end=60 frag6=- proto=17 frag=0 vlans=0 labels=0 none");
}

}  // namespace
}  // namespace sluice::wire
