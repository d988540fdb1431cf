// From a packet to what the tracker looks up: the compact key of its connection, the hash, and what can
// already be said without a connection (invalid and why; an ICMP error; may it open a connection?).
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#include "conntrack/key.h"
#include "conntrack/reason.h"
#include "net/protocol.h"
#include "packet/packet.h"
#include "wire/checksum_verify.h"

namespace sluice::conntrack {

struct Probe {
  Key key;  ///< in the packet's direction
  std::uint64_t hash;
  std::uint32_t reverse_ports;
  Reason reason;             ///< not None: the packet is invalid, the rest means nothing
  Reason cannot_open;        ///< not None: without a connection it is invalid; see also cannot_open()
  bool related;              ///< an ICMP error; the key is the quoted packet's
  const std::uint8_t* ipv6;  ///< source and destination, 32 bytes in the packet; null for IPv4

  bool is_ipv6() const { return ipv6 != nullptr; }
  bool is_icmp() const { return key.proto == (is_ipv6() ? net::ip_proto::kIcmpv6 : net::ip_proto::kIcmp); }

  /// What classify_plain() leaves out.
  void complete_plain() {
    reverse_ports = std::rotl(key.ports, 16);
    reason = cannot_open = Reason::None;
    related = false;
    ipv6 = nullptr;
  }
};

/// The commonest packet, inline: whole TCP or UDP over IPv4 without options. Finds key and hash, which is all
/// that such a packet needs until something is special about it: then Probe::complete_plain() comes first.
/// @return false if it is another, or something is wrong with it: classify() tells.
[[gnu::always_inline]] inline bool classify_plain(const packet::Packet& packet, const Secret& secret,
                                                  std::uint16_t zone, Probe& probe) {
  const wire::Layout& layout = packet.layout;
  const std::uint8_t proto = layout.ip_proto;
  const bool is_ipv4 = layout.eth_type == be16{net::ethertype::kIpv4}, has_l4 = layout.has_l4();
  const bool expected = is_ipv4 & has_l4 & (layout.fragment == 0) & (layout.fault == wire::ParseFault::None) &
                        ((proto == net::ip_proto::kTcp) | (proto == net::ip_proto::kUdp));
  if (!expected) [[unlikely]]
    return false;
  const std::uint8_t* const l3 = packet.data() + layout.l3;
  struct {
    std::uint32_t words[3];
    std::uint64_t addresses;
  } __attribute__((packed)) header;
  std::memcpy(&header, l3, sizeof header);
  std::uint32_t ports;
  std::memcpy(&ports, packet.data() + layout.l4, sizeof ports);
  // A right header sums to all ones (RFC 1071), that is to 0 modulo 0xffff.
  const std::uint64_t sum = std::uint64_t{header.words[0]} + header.words[1] + header.words[2] +
                            (header.addresses & 0xffffffff) + (header.addresses >> 32);
  const bool right = (l3[0] == 0x45) & (sum % 0xffff == 0) & ((ports & 0xffff) != 0) & (ports >> 16 != 0);
  if (!right) [[unlikely]]
    return false;
  const packet::Offload& offload = packet.meta.offload;
  if (!(offload.checksum_valid | offload.checksum_partial) && !wire::l4_checksum_ok(packet.bytes(), layout))
    return false;
  const Key::Words words = Key::Words::of(header.addresses, ports, proto, Key::kIpv4, zone);
  std::memcpy(&probe.key, &words, sizeof words);
  probe.hash = secret.hash(words, ports);
  return true;
}

/// Checks lengths and checksums (which the packet's Offload may vouch for) and finds the key. Changes only
/// the probe.
void classify(const packet::Packet& packet, const Secret& secret, std::uint16_t zone, Probe& probe);

/// The tuple of the packet itself, as ct_nw_src … show it for a packet that has no connection yet.
packet::CtTuple tuple_of(const packet::Packet& packet, const Probe& probe);

}  // namespace sluice::conntrack
