#include "conntrack/classify.h"

#include <algorithm>
#include <cstring>

#include "base/hash.h"
#include "base/rng.h"
#include "conntrack/proto/icmp.h"
#include "conntrack/proto/tcp.h"
#include "net/address.h"
#include "net/protocol.h"
#include "wire/checksum_verify.h"
#include "wire/icmp.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/tcp.h"
#include "wire/udp.h"
#include "wire/walk.h"

namespace sluice::conntrack {
namespace {

using wire::Layout;
namespace ip_proto = net::ip_proto;

std::uint32_t load32(const std::uint8_t* at) {
  std::uint32_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}
void set_ports(Probe& probe, std::uint32_t ports) {
  probe.key.ports = ports;
  probe.reverse_ports = ports << 16 | ports >> 16;
  if ((ports & 0xffff) == 0 || ports >> 16 == 0) [[unlikely]]
    probe.reason = Reason::ZeroPort;
}
/// id, type, code as they follow each other in Entry::ports.
std::uint32_t icmp_ports(be16 id, std::uint8_t type, std::uint8_t code) {
  const std::uint8_t bytes[4] = {0, 0, type, code};
  std::uint32_t ports = load32(bytes);
  const std::uint16_t raw = id.raw();
  std::memcpy(&ports, &raw, sizeof raw);
  return ports;
}

/// Whether so much of a UDP-Lite datagram can be what its checksum covers; 0 = all (RFC 3828 section 3.1).
bool udp_lite_covers(std::uint32_t coverage, std::uint32_t datagram) {
  return coverage == 0 || (coverage >= 8 && coverage <= datagram);
}

/// Adds ports (or what stands for them) of the transport header at layout.l4; the headers lie in `data`.
void read_ports(Probe& probe, const std::uint8_t* data, const Layout& layout, bool is_ipv6) {
  const std::uint8_t* const l4 = data + layout.l4;
  switch (layout.ip_proto) {
    case ip_proto::kTcp:
    case ip_proto::kUdp:
    case ip_proto::kSctp:
      if (!layout.has_l4()) [[unlikely]] {
        probe.reason =
            layout.fault == wire::ParseFault::UdpBadLength ? Reason::BadTransportLength : Reason::NoTransport;
        return;
      }
      set_ports(probe, load32(l4));
      return;
    case ip_proto::kIcmp:
    case ip_proto::kIcmpv6: {
      if ((layout.ip_proto == ip_proto::kIcmpv6) != is_ipv6) {  // the other family's: by number
        probe.key.ports = probe.reverse_ports = 0;
        return;
      }
      // Some ICMPv6 messages are shorter than a query; a query has eight bytes.
      if (!layout.has_l4() || layout.l3_end < layout.l4 + 8u) {
        probe.reason = Reason::NoTransport;
        return;
      }
      const wire::IcmpHeader header(l4);
      const std::uint8_t counterpart = icmp_counterpart(header.type(), is_ipv6);
      if (counterpart == 255) {
        probe.reason = Reason::IcmpUnsupportedType;
        return;
      }
      if (header.code() != 0) {
        probe.reason = Reason::IcmpBadCode;
        return;
      }
      probe.key.ports = icmp_ports(header.id(), header.type(), 0);
      probe.reverse_ports = icmp_ports(header.id(), counterpart, 0);
      if (!icmp_is_query(header.type(), is_ipv6)) probe.cannot_open = Reason::ReplyWithoutConnection;
      return;
    }
    case ip_proto::kUdpLite:
      if (layout.has_l4() && !udp_lite_covers(be16::load(l4 + 4).host(), layout.l3_end - layout.l4)) {
        probe.reason = Reason::BadTransportLength;
        return;
      }
      [[fallthrough]];
    default:
      probe.key.ports = probe.reverse_ports = 0;
  }
}

void read_addresses(Probe& probe, const std::uint8_t* l3, bool is_ipv6, const Secret& secret) {
  if (is_ipv6) {
    probe.ipv6 = l3 + 8;
    probe.key.src = secret.fold_ipv6(l3 + 8);
    probe.key.dst = secret.fold_ipv6(l3 + 24);
  } else {
    probe.key.src = load32(l3 + 12);
    probe.key.dst = load32(l3 + 16);
  }
}

/// Whether the quoted packet was sent by the one to whom the error is addressed.
bool quotes_receiver(const std::uint8_t* outer_l3, const std::uint8_t* inner_l3, bool is_ipv6) {
  return is_ipv6 ? std::memcmp(outer_l3 + 24, inner_l3 + 8, 16) == 0
                 : load32(outer_l3 + 16) == load32(inner_l3 + 12);
}

/// An ICMP error: the key becomes that of the packet it quotes.
void read_quoted(Probe& probe, const std::uint8_t* data, const Layout& layout, bool is_ipv6,
                 const Secret& secret) {
  const std::uint8_t* inner = data + layout.l4 + 8;
  const Bytes quoted(inner, static_cast<std::size_t>(layout.l3_end - layout.l4 - 8));
  const Layout found = wire::walk_ip(quoted, layout.eth_type, true);
  if (!found.has_l3() || (found.fragment & Layout::kLaterFragment) != 0) {
    probe.reason = Reason::IcmpErrorTruncated;
    return;
  }
  probe.related = true;
  probe.key.proto = found.ip_proto;
  read_ports(probe, inner, found, is_ipv6);
  if (probe.reason != Reason::None) {
    probe.reason = Reason::IcmpErrorTruncated;
    return;
  }
  probe.cannot_open = Reason::IcmpErrorNoConnection;
  if (!quotes_receiver(data + layout.l3, inner + found.l3, is_ipv6)) {
    probe.reason = Reason::IcmpErrorNoConnection;
    return;
  }
  read_addresses(probe, inner + found.l3, is_ipv6, secret);
}

/// Everything but a whole TCP or UDP header.
[[gnu::noinline]] void read_other(Probe& probe, const std::uint8_t* data, const Layout& layout, bool is_ipv6,
                                  const Secret& secret) {
  if (layout.fault == wire::ParseFault::Ipv6BadExtension) {
    probe.reason = Reason::NoTransport;
    return;
  }
  if (layout.has_l4() && layout.ip_proto == (is_ipv6 ? ip_proto::kIcmpv6 : ip_proto::kIcmp)) {
    const icmp::Kind kind = icmp::kind_of(data[layout.l4], is_ipv6);
    if (kind == icmp::Kind::NeighborDiscovery) {
      probe.reason = Reason::NeighborDiscovery;
      return;
    }
    if (kind == icmp::Kind::Error && layout.l3_end >= layout.l4 + 8u) {
      read_quoted(probe, data, layout, is_ipv6, secret);
      return;
    }
  }
  read_ports(probe, data, layout, is_ipv6);
  if (probe.reason != Reason::None || layout.ip_proto != ip_proto::kSctp) return;
  if (layout.l3_end < layout.l4 + 16u) probe.reason = Reason::SctpBadChunk;
}

[[gnu::always_inline]] inline bool ipv4_header_sums_up(const std::uint8_t* header) {
  // 20 bytes unrolled: the compiler would make a vector loop of it.
  std::uint64_t sum = std::uint64_t{load32(header)} + load32(header + 4) + load32(header + 8) +
                      load32(header + 12) + load32(header + 16);
  if ((header[0] & 0xf) != 5) [[unlikely]]
    for (unsigned i = 5; i < (header[0] & 0xfu); ++i) sum += load32(header + i * 4);
  // Folded: a right header sums to all ones, that is to a multiple of 0xffff that is not 0.
  return sum % 0xffff == 0 && sum != 0;
}

}  // namespace

Secret::Secret(std::uint64_t seed) {
  Rng rng(seed);
  tuple = rng.next();
  address_hi = rng.next();
  address_lo = rng.next();
  finish_sum = rng.next();
  finish_factor = rng.next() | 1;
}

void classify(const packet::Packet& packet, const Secret& secret, std::uint16_t zone, Probe& probe) {
  const Layout& layout = packet.layout;
  const std::uint8_t* data = packet.data();
  const bool is_ipv6 = layout.eth_type == be16{net::ethertype::kIpv6};
  probe.ipv6 = nullptr;
  probe.related = false;
  probe.cannot_open = Reason::None;
  if (!layout.has_l3() || !(is_ipv6 || layout.eth_type == be16{net::ethertype::kIpv4})) [[unlikely]] {
    probe.reason = Reason::NotIp;
    return;
  }
  const std::uint8_t* l3 = data + layout.l3;
  if (!is_ipv6 && !ipv4_header_sums_up(l3)) [[unlikely]] {
    probe.reason = Reason::BadIpChecksum;
    return;
  }
  if (layout.fragment != 0) [[unlikely]] {
    probe.reason = Reason::Fragment;
    return;
  }

  probe.reason = Reason::None;
  const std::uint8_t proto = layout.ip_proto;
  probe.key.proto = proto;
  if (layout.has_l4() && (proto == ip_proto::kTcp || proto == ip_proto::kUdp)) [[likely]] {
    set_ports(probe, load32(data + layout.l4));
    if (layout.fault == wire::ParseFault::UdpBadLength) probe.reason = Reason::BadTransportLength;
  } else {
    read_other(probe, data, layout, is_ipv6, secret);
  }
  if (probe.reason != Reason::None) [[unlikely]]
    return;

  const packet::Offload& offload = packet.meta.offload;
  if (!offload.checksum_partial && !offload.checksum_valid && !wire::l4_checksum_ok(packet.bytes(), layout))
      [[unlikely]] {
    probe.reason = Reason::BadTransportChecksum;
    return;
  }
  if (!probe.related) read_addresses(probe, l3, is_ipv6, secret);
  probe.key.kind = is_ipv6 ? Key::kIpv6 : Key::kIpv4;
  probe.key.zone = zone;
  probe.hash = secret.hash(probe.key, probe.is_icmp());
}

packet::CtTuple tuple_of(const packet::Packet& packet, const Probe& probe) {
  packet::CtTuple tuple;
  tuple.is_ipv6 = probe.is_ipv6();
  if (tuple.is_ipv6) {
    std::memcpy(&tuple.src, probe.ipv6, 16);
    std::memcpy(&tuple.dst, probe.ipv6 + 16, 16);
  } else {
    tuple.src = net::v4_mapped(be32::from_raw(probe.key.src));
    tuple.dst = net::v4_mapped(be32::from_raw(probe.key.dst));
  }
  tuple.proto = probe.key.proto;
  if (probe.is_icmp()) {
    const std::uint8_t* icmp = packet.data() + packet.layout.l4;
    tuple.src_port = be16{icmp[0]};
    tuple.dst_port = be16{icmp[1]};
  } else {
    std::uint16_t ports[2];
    std::memcpy(ports, &probe.key.ports, sizeof ports);
    tuple.src_port = be16::from_raw(ports[0]);
    tuple.dst_port = be16::from_raw(ports[1]);
  }
  return tuple;
}

}  // namespace sluice::conntrack
