// From a packet to what the tracker looks up: the compact key of its connection, the hash, and what can
// already be said without a connection (invalid and why; an ICMP error; may it open a connection?).
//
// The key is 16 bytes for every protocol. IPv6 addresses are folded to a keyed 32-bit hash each; the full
// addresses are compared where the fold matches. The hash is symmetric, so both directions of a connection
// that is not translated are one entry in the index.
#pragma once

#include <cstdint>

#include "conntrack/reason.h"
#include "conntrack/tuple.h"
#include "packet/packet.h"

namespace sluice::conntrack {

/// What hashes are keyed with; random per tracker.
struct Secret {
  explicit Secret(std::uint64_t seed);
  std::uint64_t tuple, address_hi, address_lo;

  std::uint32_t fold_ipv6(const std::uint8_t* address) const;
  std::uint64_t hash(std::uint32_t src, std::uint32_t dst, std::uint32_t ports, std::uint8_t proto,
                     bool is_icmp, std::uint16_t zone) const;
};

struct Probe {
  std::uint64_t hash = 0;
  std::uint32_t src = 0, dst = 0;  ///< network order, or folded IPv6
  std::uint32_t ports = 0;         ///< source, destination as in the packet | ICMP: id, type, code
  std::uint32_t reverse_ports = 0;
  const std::uint8_t* ipv6 = nullptr;  ///< source and destination, 32 bytes in the packet
  std::uint8_t proto = 0;
  Reason reason = Reason::None;       ///< not None: the packet is invalid, the rest means nothing
  Reason cannot_open = Reason::None;  ///< not None: without a connection it is invalid
  bool related = false;               ///< an ICMP error; the key is the quoted packet's

  bool is_ipv6() const { return ipv6 != nullptr; }
  bool is_icmp() const;
};

/// Checks lengths and checksums (which the packet's Offload may vouch for) and finds the key. Changes only
/// the probe.
void classify(const packet::Packet& packet, const Secret& secret, std::uint16_t zone, Probe& probe);

/// The tuple of the packet itself, as ct_nw_src … show it for a packet that has no connection yet.
packet::CtTuple tuple_of(const packet::Packet& packet, const Probe& probe);

}  // namespace sluice::conntrack
