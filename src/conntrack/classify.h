// From a packet to what the tracker looks up: the compact key of its connection, the hash, and what can
// already be said without a connection (invalid and why; an ICMP error; may it open a connection?).
#pragma once

#include <cstdint>

#include "conntrack/key.h"
#include "conntrack/reason.h"
#include "net/protocol.h"
#include "packet/packet.h"

namespace sluice::conntrack {

struct Probe {
  Key key;  ///< in the packet's direction
  std::uint32_t reverse_ports;
  std::uint64_t hash;
  const std::uint8_t* ipv6;  ///< source and destination, 32 bytes in the packet; null for IPv4
  Reason reason;             ///< not None: the packet is invalid, the rest means nothing
  Reason cannot_open;        ///< not None: without a connection it is invalid
  bool related;              ///< an ICMP error; the key is the quoted packet's

  bool is_ipv6() const { return ipv6 != nullptr; }
  bool is_icmp() const { return key.proto == (is_ipv6() ? net::ip_proto::kIcmpv6 : net::ip_proto::kIcmp); }
};

/// Checks lengths and checksums (which the packet's Offload may vouch for) and finds the key. Changes only
/// the probe.
void classify(const packet::Packet& packet, const Secret& secret, std::uint16_t zone, Probe& probe);

/// The tuple of the packet itself, as ct_nw_src … show it for a packet that has no connection yet.
packet::CtTuple tuple_of(const packet::Packet& packet, const Probe& probe);

}  // namespace sluice::conntrack
