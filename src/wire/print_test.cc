#include "wire/print.h"

#include <gtest/gtest.h>

#include "tests/support/packet_dsl.h"

namespace sluice::wire {
namespace {

using namespace sluice::testing;  // NOLINT: the packet DSL

TEST(Print, OneLineForEachKindOfPacket) {
  const std::pair<Layers, const char*> cases[] = {
      {Vlan{.vid = 5} / Ip4{} / Tcp{.flags = "S", .seq = 17},
       "vlan 5, 10.0.0.1:1024 > 10.0.0.2:80 tcp [S] seq 17 win 65535 len 0"},
      {Ip4{} / Tcp{.ack = 3} / Payload{"abc"},
       "10.0.0.1:1024 > 10.0.0.2:80 tcp [A] seq 0 ack 3 win 65535 len 3"},
      {Ip6{} / Udp{.dport = 53} / Payload{"abc"}, "[fd00::1]:1024 > [fd00::2]:53 udp len 3"},
      {Arp{}, "arp who-has 10.0.0.2 tell 10.0.0.1"},
      {Arp{.op = 2}, "arp reply 10.0.0.1 is-at 02:00:00:00:00:01"},
      {Ip4{} / Icmp4{.id = 3, .seq = 4} / Payload{"x"},
       "10.0.0.1 > 10.0.0.2 icmp echo request id 3 seq 4 len 1"},
      {Ip4{.src = "10.0.0.9", .dst = "10.0.0.1"} / Icmp4{.type = std::uint8_t{3}, .code = std::uint8_t{1}} /
           Ip4{} / Udp{.sport = 7, .dport = 53},
       "10.0.0.9 > 10.0.0.1 icmp host unreachable, about 10.0.0.1:7 > 10.0.0.2:53 udp len 0"},
      {Ip6{} / Nd{.target = "fd00::9"}, "fd00::1 > fd00::2 icmp6 neighbor solicitation fd00::9"},
      {Ip4{} / Sctp{}, "10.0.0.1:1024 > 10.0.0.2:80 sctp len 0"},
      {Ip4{.proto = std::uint8_t{47}} / Payload{"abc"}, "10.0.0.1 > 10.0.0.2 proto 47 len 3"},
      {Ip4{.proto = std::uint8_t{17}, .offset = 8} / Payload{"abc"},
       "10.0.0.1 > 10.0.0.2 proto 17 len 3, later fragment"},
      {Ip4{} / Tcp{.data_offset = std::uint8_t{4}},
       "10.0.0.1 > 10.0.0.2 proto 6 len 0 (tcp_bad_data_offset)"},
      {Ip4{.length = 10} / Tcp{},
       "02:00:00:00:00:01 > 02:00:00:00:00:02, type 0x0800, len 54 (ipv4_bad_total_length)"},
      {Eth{.type = 0x88cc} / Payload{"x"}, "02:00:00:00:00:01 > 02:00:00:00:00:02, type 0x88cc, len 15"},
      {Llc{} / Payload{"x"}, "02:00:00:00:00:01 > 02:00:00:00:00:02, 802.2, len 18"},
      {Mpls{.label = 16} / Mpls{.label = 17}, "02:00:00:00:00:01 > 02:00:00:00:00:02, mpls 16 17, len 22"},
  };
  for (const auto& [layers, expected] : cases) EXPECT_EQ(print(build(layers)), expected);
  EXPECT_EQ(print(build(Arp{.op = 2}), {.ethernet = true}),
            "02:00:00:00:00:01 > 02:00:00:00:00:02, arp reply 10.0.0.1 is-at 02:00:00:00:00:01");
  EXPECT_EQ(print(Frame{1, 2, 3}), "3 bytes (ethernet_truncated)");
}

}  // namespace
}  // namespace sluice::wire
