// Puts the tuple into a packet that NAT has chosen for it. Checksums are mended incrementally (wire/rewrite.h
// says how), so that a wrong one stays wrong.
//
// An ICMP error is translated like a packet of its direction, and so is the packet that it quotes, backwards
// (RFC 5508 section 4): its receiver must find the packet that it sent. Of the quoted packet's checksums
// those are mended that are quoted too; SCTP's needs the whole packet and is left as it is.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#include "conntrack/nat/tuple_key.h"
#include "conntrack/request.h"
#include "net/protocol.h"
#include "packet/packet.h"
#include "wire/tcp.h"
#include "wire/udp.h"

namespace sluice::conntrack::nat {

/// What a packet of this direction shall look like when it leaves.
TupleKey outcome(const Entry& entry, Direction direction, const Secret& secret);

/// +snat or +dnat of packets of this direction: what is a source on the way out is a destination on the way
/// back.
inline unsigned state_bits(const Entry& entry, Direction direction) {
  const bool forth = direction == Direction::Original;
  return (entry.has(Entry::kSourceNat) ? (forth ? ct_state::kSourceNat : ct_state::kDestinationNat) : 0u) |
         (entry.has(Entry::kDestinationNat) ? (forth ? ct_state::kDestinationNat : ct_state::kSourceNat)
                                            : 0u);
}

/// Gives the packet the addresses and ports (ICMP: the id) of `tuple`; the packet is of its protocol.
void translate(packet::Packet& packet, const TupleKey& tuple);

/// What translate() makes of a packet of this direction, inline and at once, if classify_plain() knows it and
/// its checksum is whole.
[[gnu::always_inline]] inline void translate_plain(packet::Packet& packet, const Entry& entry,
                                                   Direction direction) {
  struct Ends {
    std::uint64_t addresses;  ///< source, destination in memory order
    std::uint32_t ports;
  } __attribute__((packed));
  static_assert(offsetof(Entry, ports) == offsetof(Entry, src) + 8);
  // What the other direction's packets come as, turned round.
  const auto* const bytes = reinterpret_cast<const std::uint8_t*>(&entry);
  Ends become;
  std::memcpy(&become,
              bytes + (direction == Direction::Original ? offsetof(Entry, reply_ipv4) : offsetof(Entry, src)),
              sizeof become);
  become.addresses = std::rotl(become.addresses, 32);
  become.ports = std::rotl(become.ports, 16);

  std::uint8_t* const l3 = packet.data() + packet.layout.l3;
  std::uint8_t* const l4 = packet.data() + packet.layout.l4;
  Ends are;
  std::memcpy(&are.addresses, l3 + 12, sizeof are.addresses);
  std::memcpy(&are.ports, l4, sizeof are.ports);
  std::memcpy(l3 + 12, &become.addresses, sizeof become.addresses);
  std::memcpy(l4, &become.ports, sizeof become.ports);

  // RFC 1624, equation 3, for all words together: 2^16 is 1 modulo 65535.
  const auto halves = [](std::uint64_t word) { return (word >> 32) + (word & 0xffffffff); };
  const std::uint64_t addresses = halves(~are.addresses) + halves(become.addresses);
  const std::uint64_t all = addresses + std::uint32_t{~are.ports} + become.ports;
  const auto mended = [](be16 sum, std::uint64_t change) {
    std::uint64_t s = static_cast<std::uint16_t>(~sum.raw()) + change;
    s = (s >> 32) + (s & 0xffffffff);
    s = (s >> 16) + (s & 0xffff);
    s = (s >> 16) + (s & 0xffff);
    return be16::from_raw(static_cast<std::uint16_t>(~((s >> 16) + s)));
  };
  mended(be16::load(l3 + 10), addresses).store(l3 + 10);
  const bool udp = entry.proto == net::ip_proto::kUdp;
  std::uint8_t* const sum_at =
      l4 + (udp ? wire::UdpHeader<std::uint8_t>::kChecksumAt : wire::TcpHeader<std::uint8_t>::kChecksumAt);
  const be16 sum = be16::load(sum_at);
  if (udp && sum == be16{}) return;  // there is none
  const be16 now = mended(sum, all);
  (udp && now == be16{} ? be16{0xffff} : now).store(sum_at);
}

/// The same for an ICMP error that runs in the direction of packets which become `tuple`.
/// @param changes_src, changes_dst  whether packets of this direction have theirs changed: then the error's
/// own source (whoever sent it) or destination is, too.
void translate_error(packet::Packet& packet, const TupleKey& tuple, bool changes_src, bool changes_dst);

}  // namespace sluice::conntrack::nat
