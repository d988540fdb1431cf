// From a packet to what the tracker looks up: the compact key of its connection, the hash, and what can
// already be said without a connection (invalid and why; an ICMP error; may it open a connection?).
//
// The key is 16 bytes for every protocol. IPv6 addresses are folded to a keyed 32-bit hash each; the full
// addresses are compared where the fold matches. The hash is symmetric, so both directions of a connection
// that is not translated are one entry in the index.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#include "base/hash.h"
#include "conntrack/reason.h"
#include "conntrack/tuple.h"
#include "net/protocol.h"
#include "packet/packet.h"

namespace sluice::conntrack {

/// What hashes are keyed with; random per tracker.
struct Secret {
  explicit Secret(std::uint64_t seed);
  std::uint64_t tuple, address_hi, address_lo;

  std::uint32_t fold_ipv6(const std::uint8_t* address) const {
    std::uint64_t words[2];
    std::memcpy(words, address, sizeof words);
    return static_cast<std::uint32_t>(
        hash_mix(hash_mix(tuple, words[0] ^ address_hi), words[1] ^ address_lo));
  }
  std::uint64_t hash(std::uint32_t src, std::uint32_t dst, std::uint32_t ports, std::uint8_t proto,
                     bool is_icmp, std::uint16_t zone) const {
    // Ports lie in memory order: the first is the source's. ICMP: the id stands for both.
    const auto port = std::bit_cast<std::array<std::uint16_t, 2>>(ports);
    const std::uint64_t a = std::uint64_t{src} << 16 | port[0];
    const std::uint64_t b = std::uint64_t{dst} << 16 | (is_icmp ? port[0] : port[1]);
    const std::uint64_t low = a < b ? a : b, high = a < b ? b : a;
    return hash_mix(hash_mix(tuple, low ^ std::uint64_t{zone} << 48),
                    high ^ std::uint64_t{proto} << 48 ^ address_hi);
  }
};

struct Probe {
  std::uint64_t hash;
  std::uint32_t src, dst;  ///< network order, or folded IPv6
  std::uint32_t ports;     ///< source, destination as in the packet | ICMP: id, type, code
  std::uint32_t reverse_ports;
  const std::uint8_t* ipv6;  ///< source and destination, 32 bytes in the packet; null for IPv4
  std::uint8_t proto;
  Reason reason;       ///< not None: the packet is invalid, the rest means nothing
  Reason cannot_open;  ///< not None: without a connection it is invalid
  bool related;        ///< an ICMP error; the key is the quoted packet's

  bool is_ipv6() const { return ipv6 != nullptr; }
  bool is_icmp() const { return proto == (is_ipv6() ? net::ip_proto::kIcmpv6 : net::ip_proto::kIcmp); }
};

/// Checks lengths and checksums (which the packet's Offload may vouch for) and finds the key. Changes only
/// the probe.
void classify(const packet::Packet& packet, const Secret& secret, std::uint16_t zone, Probe& probe);

/// The tuple of the packet itself, as ct_nw_src … show it for a packet that has no connection yet.
packet::CtTuple tuple_of(const packet::Packet& packet, const Probe& probe);

}  // namespace sluice::conntrack
