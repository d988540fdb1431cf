#include "tests/support/random_packet.h"

#include "net/protocol.h"

namespace sluice::testing {
namespace {

std::uint16_t u16(Rng& rng) {
  return static_cast<std::uint16_t>(rng.next());
}
std::uint8_t u8(Rng& rng) {
  return static_cast<std::uint8_t>(rng.next());
}
std::uint32_t u32(Rng& rng) {
  return static_cast<std::uint32_t>(rng.next());
}
be128 address6(Rng& rng) {
  return {be64{rng.next()}, be64{rng.next()}};
}

std::string bytes(Rng& rng, std::size_t n) {
  std::string result;
  for (std::size_t i = 0; i < n; ++i) result += static_cast<char>(rng.next());
  return result;
}

Layers ipv4(Rng& rng) {
  Ip4 ip{.ttl = u8(rng), .tos = u8(rng), .id = u16(rng)};
  ip.src = be32{u32(rng)};
  ip.dst = be32{u32(rng)};
  if (rng.chance(20)) ip.options = std::string(rng.below(40) + 1, '\x01');
  return ip;
}

Layers ipv6(Rng& rng) {
  Ip6 ip{.ttl = u8(rng), .tos = u8(rng), .label = u32(rng) & 0xfffff};
  ip.src = address6(rng);
  ip.dst = address6(rng);
  Layers layers = ip;
  while (rng.chance(15)) {
    constexpr std::uint8_t kKinds[] = {net::ip_proto::kHopByHop, net::ip_proto::kDestination,
                                       net::ip_proto::kAuth};
    layers = layers / Ext6{.kind = kKinds[rng.below(3)], .data = std::string(rng.below(30), '\0')};
  }
  if (rng.chance(5)) {
    // A routing header with segments left: transport checksums cover its last address, so they are left to
    // the test.
    layers = layers / Ext6{.kind = net::ip_proto::kRouting, .data = std::string(14, '\0')};
  }
  return layers;
}

Layers transport(Rng& rng, bool is_ipv6) {
  Layers payload = Payload{.data = bytes(rng, rng.below(60))};
  switch (rng.below(is_ipv6 ? 7 : 6)) {
    case 0: {
      Tcp tcp{.sport = u16(rng), .dport = u16(rng), .seq = u32(rng), .ack = u32(rng), .window = u16(rng)};
      tcp.flags = static_cast<std::uint16_t>(rng.below(0x200));
      if (rng.chance(30)) tcp.mss = u16(rng);
      if (rng.chance(30)) tcp.wscale = static_cast<std::uint8_t>(rng.below(15));
      return tcp / payload;
    }
    case 1: {
      Udp udp{.sport = u16(rng), .dport = u16(rng)};
      if (!is_ipv6 && rng.chance(20)) udp.checksum = 0;
      return udp / payload;
    }
    case 2:
      return Sctp{.sport = u16(rng), .dport = u16(rng), .tag = u32(rng)} / payload;
    case 3:
      return UdpLite{.sport = u16(rng),
                     .dport = u16(rng),
                     .coverage = rng.chance(50) ? std::uint16_t{8} : std::uint16_t{0}} /
             payload;
    case 4:
      return payload;  // a protocol that nobody knows
    case 5:
      if (is_ipv6) return Icmp6{.type = u8(rng) | 0x90, .code = u8(rng), .id = u16(rng)} / payload;
      return Icmp4{.type = u8(rng), .code = u8(rng), .id = u16(rng)} / payload;
    default: {
      Nd nd{.type = rng.chance(50) ? net::icmpv6::kNeighborSolicit : net::icmpv6::kNeighborAdvert,
            .reserved = u32(rng)};
      nd.target = address6(rng);
      if (rng.chance(60)) nd.sll = net::Mac::from_value(rng.next() >> 16 | 1);
      if (rng.chance(60)) nd.tll = net::Mac::from_value(rng.next() >> 16 | 1);
      return nd;
    }
  }
}

}  // namespace

Layers random_packet(Rng& rng) {
  Eth eth;
  eth.src = net::Mac::from_value(rng.next() >> 16);
  eth.dst = net::Mac::from_value(rng.next() >> 16);
  Layers layers = eth;
  for (unsigned tags = rng.chance(30) ? static_cast<unsigned>(rng.below(3)) : 0; tags > 0; --tags)
    layers =
        layers / Vlan{.vid = u16(rng) & 0xfff, .pcp = u8(rng) & 7, .tpid = rng.chance(70) ? 0x8100 : 0x88a8};
  switch (rng.below(12)) {
    case 0: {
      Arp arp{.op = u16(rng) & 0xff, .reverse = rng.chance(20)};
      arp.sha = net::Mac::from_value(rng.next() >> 16);
      arp.tha = net::Mac::from_value(rng.next() >> 16);
      arp.spa = be32{u32(rng)};
      arp.tpa = be32{u32(rng)};
      return layers / arp;
    }
    case 1:
      for (std::uint64_t n = rng.below(4); n > 0; --n)
        layers = layers / Mpls{.label = u32(rng) & 0xfffff, .tc = u8(rng) & 7, .ttl = u8(rng)};
      return layers / Mpls{.label = u32(rng) & 0xfffff} / Payload{.data = bytes(rng, rng.below(40))};
    case 2:
      return layers / Llc{} / Payload{.data = bytes(rng, rng.below(40))};
    case 3: {
      if (rng.chance(50))
        layers = layers / Ip4{.mf = true} / Udp{.sport = u16(rng), .length = 1000} / Payload{"first"};
      else
        layers = layers / Ip4{.proto = std::uint8_t{17}, .offset = 800} / Payload{"the rest of it"};
      return layers;
    }
    case 4: {
      if (rng.chance(50))
        return layers / Ip6{} / Frag6{.mf = true} / Udp{.sport = u16(rng), .length = 1000} / Payload{"first"};
      return layers / Ip6{} / Frag6{.offset = 800, .proto = std::uint8_t{17}} / Payload{"the rest of it"};
    }
    case 5:
    case 6:
    case 7:
    case 8:
      return layers / ipv6(rng) / transport(rng, true);
    default:
      return layers / ipv4(rng) / transport(rng, false);
  }
}

void damage(Rng& rng, Frame& frame) {
  for (std::uint64_t n = rng.below(4); n > 0; --n) {
    // Most damage goes to the headers.
    const std::size_t range = rng.chance(80) && frame.size() > 60 ? 60 : frame.size();
    frame[rng.below(range)] = u8(rng);
  }
  if (rng.chance(30))
    frame.resize(1 + rng.below(frame.size()));
  else if (rng.chance(10))
    frame.resize(frame.size() + rng.below(40));
}

}  // namespace sluice::testing
