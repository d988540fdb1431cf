// Puts the tuple into a packet that NAT has chosen for it. Checksums are mended incrementally (wire/rewrite.h
// says how), so that a wrong one stays wrong.
//
// An ICMP error is translated like a packet of its direction, and so is the packet that it quotes, backwards
// (RFC 5508 section 4): its receiver must find the packet that it sent. Of the quoted packet's checksums
// those are mended that are quoted too; SCTP's needs the whole packet and is left as it is.
#pragma once

#include "conntrack/nat/tuple_key.h"
#include "conntrack/request.h"
#include "packet/packet.h"

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

/// The same for an ICMP error that runs in the direction of packets which become `tuple`.
/// @param changes_src, changes_dst  whether packets of this direction have theirs changed: then the error's
/// own source (whoever sent it) or destination is, too.
void translate_error(packet::Packet& packet, const TupleKey& tuple, bool changes_src, bool changes_dst);

}  // namespace sluice::conntrack::nat
