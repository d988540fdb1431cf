// Lets the packet's protocol judge it and advance the connection.
#pragma once

#include "conntrack/classify.h"
#include "conntrack/entry.h"
#include "conntrack/proto/outcome.h"
#include "conntrack/proto/sctp.h"
#include "conntrack/proto/simple.h"
#include "conntrack/proto/tcp.h"
#include "net/protocol.h"
#include "packet/packet.h"

namespace sluice::conntrack {

/// SCTP's common header and chunks.
inline Bytes sctp_bytes(const packet::Packet& packet) {
  return Bytes(packet.data() + packet.layout.l4, packet.layout.l3_end - packet.layout.l4);
}

/// Whatever update_plain() leaves and what is not TCP.
[[gnu::noinline]] inline Verdict advance_slowly(Entry& entry, const packet::Packet& packet,
                                                Direction direction, tcp::Rules rules) {
  if (entry.proto == net::ip_proto::kSctp) return sctp::update(entry, direction, sctp_bytes(packet));
  const wire::Layout& layout = packet.layout;
  const tcp::Segment segment = tcp::read(packet.data() + layout.l4, layout.l3_end - layout.payload);
  return tcp::update(entry, direction, segment, rules);
}

/// A packet that belongs to the locked connection.
[[gnu::always_inline]] inline Verdict advance(Entry& entry, const packet::Packet& packet, Direction direction,
                                              tcp::Rules rules) {
  const wire::Layout& layout = packet.layout;
  if (entry.proto == net::ip_proto::kTcp) {
    if (tcp::update_plain(entry, direction, packet.data() + layout.l4, layout.l3_end - layout.payload))
        [[likely]]
      return {Outcome::Established};
  } else if (entry.proto != net::ip_proto::kSctp) {
    return simple::update(entry, direction);
  }
  return advance_slowly(entry, packet, direction, rules);
}

/// The first packet of the locked connection.
inline void open(Entry& entry, const packet::Packet& packet) {
  const wire::Layout& layout = packet.layout;
  if (entry.proto == net::ip_proto::kTcp)
    tcp::open(entry, tcp::read(packet.data() + layout.l4, layout.l3_end - layout.payload));
  else if (entry.proto == net::ip_proto::kSctp)
    sctp::open(entry, sctp_bytes(packet));
  else
    simple::open(entry);
}

/// Why the packet, which has no connection, can't open one; None if it can. @param loose  Strictness::loose
[[gnu::noinline]] inline Reason cannot_open(const packet::Packet& packet, const Probe& probe, bool loose) {
  if (probe.cannot_open != Reason::None) return probe.cannot_open;
  const wire::Layout& layout = packet.layout;
  if (!layout.has_l4()) return Reason::None;
  const std::uint8_t* const l4 = packet.data() + layout.l4;
  if (probe.key.proto == net::ip_proto::kSctp) {
    if (const Reason reason = sctp::may_open(sctp_bytes(packet)); reason != Reason::None) return reason;
    return loose || static_cast<sctp::Chunk>(l4[12]) == sctp::Chunk::Init ? Reason::None : Reason::MidStream;
  }
  if (probe.key.proto != net::ip_proto::kTcp) return Reason::None;
  const std::uint16_t flags = wire::TcpHeader(l4).flags().host();
  if (const Reason reason = tcp::may_open(flags); reason != Reason::None) return reason;
  return loose || (flags & net::tcp_flag::kSyn) != 0 ? Reason::None : Reason::MidStream;
}

}  // namespace sluice::conntrack
