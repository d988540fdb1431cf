// Lets the packet's protocol judge it and advance the connection.
#pragma once

#include "conntrack/entry.h"
#include "conntrack/proto/outcome.h"
#include "conntrack/proto/simple.h"
#include "conntrack/proto/tcp.h"
#include "net/protocol.h"
#include "packet/packet.h"

namespace sluice::conntrack {

[[gnu::noinline]] inline Verdict advance_tcp(Entry& entry, const packet::Packet& packet, Direction direction,
                                             bool check_sequence) {
  const wire::Layout& layout = packet.layout;
  const tcp::Segment segment = tcp::read(packet.data() + layout.l4, layout.l3_end - layout.payload);
  return tcp::update(entry, direction, segment, check_sequence);
}

/// A packet that belongs to the locked connection.
[[gnu::always_inline]] inline Verdict advance(Entry& entry, const packet::Packet& packet, Direction direction,
                                              bool check_sequence) {
  if (entry.proto != net::ip_proto::kTcp) return simple::update(entry, direction);
  const wire::Layout& layout = packet.layout;
  if (tcp::update_plain(entry, direction, packet.data() + layout.l4, layout.l3_end - layout.payload))
      [[likely]]
    return {Outcome::Established};
  return advance_tcp(entry, packet, direction, check_sequence);
}

/// The first packet of the locked connection.
inline void open(Entry& entry, const packet::Packet& packet) {
  if (entry.proto != net::ip_proto::kTcp) return simple::open(entry);
  const wire::Layout& layout = packet.layout;
  tcp::open(entry, tcp::read(packet.data() + layout.l4, layout.l3_end - layout.payload));
}

}  // namespace sluice::conntrack
